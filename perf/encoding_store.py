"""What the embedding store costs, and what MIRACL would: measured rates, then a calculation.

    python perf/encoding_store.py $EVENRANK_DATA/squad-dev-parallel
    python perf/encoding_store.py $EVENRANK_DATA/squad-dev-parallel --model MODEL

Passages are the corpus's own paragraphs, in several languages; a number is put before each so that
there are as many different ones as wanted. Without ``--model`` the encoder is an untrained static
one: its rates say what everything but a transformer costs. The last table multiplies the rates by
MIRACL's 106,332,152 passages, with nothing but this machine's own measurements in it.
``--half`` also says what float16 does to the ranks of XQuAD-R. ``--shape`` takes an untrained
transformer of XLM-R base's shape in place of the static one.
"""

from __future__ import annotations

import argparse
import gzip
import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import orjson

from evenrank.benchmarks.benchmark import load_benchmark
from evenrank.benchmarks.miracl_files import PUBLISHED
from evenrank.benchmarks.passage_table import open_passages
from evenrank.data.opening import open_corpus
from evenrank.encoding.base import build_encoder
from evenrank.encoding.encode import Work, fill_store
from evenrank.encoding.loading import load_encoder
from evenrank.encoding.opening import as_model
from evenrank.encoding.store import open_store
from evenrank.evaluation.evaluate import evaluate
from evenrank.progress import quiet

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MIRACL = sum(part.passages for part in PUBLISHED.values())
Rates = dict[str, tuple[float, str]]
XLM_R_BASE = {"width": 768, "layers": 12, "heads": 12, "inner_width": 3072, "max_length": 256}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", help="a parallel corpus, whose passages are encoded")
    parser.add_argument("--model", help="a folder or a Hugging Face id")
    parser.add_argument("--shape", action="store_true", help="encode with XLM-R base's shape")
    parser.add_argument("--half", action="store_true", help="compare ranks on XQuAD-R, too")
    parser.add_argument("--texts", type=int, default=32_768)
    parser.add_argument("--batch-size", type=int, default=64)
    options = parser.parse_args()
    corpus = open_corpus(options.corpus)
    paragraphs = sorted(set(corpus.column("passage", corpus.rows[corpus.rows >= 0][::7])))
    texts = [f"{n}\n\n{paragraphs[n % len(paragraphs)]}" for n in range(options.texts)]
    if options.model:
        model = load_encoder(options.model)
    elif options.shape:
        model = build_encoder("scratch", paragraphs, XLM_R_BASE)
    else:
        model = build_encoder("static", paragraphs, {"width": 768})
    size = sum(len(text.encode()) for text in texts) / len(texts)
    print(
        f"{len(texts):,} texts of {size:,.0f} bytes, width {model.get_embedding_dimension()}, "
        f"on {model.device}"
    )
    rates = convert_rates(texts) | store_rates(model, texts, options.batch_size)
    for name, (value, unit) in rates.items():
        print(f"{name:34}{value:14,.1f}  {unit}")
    project({name: value for name, (value, _) in rates.items()}, model)
    if options.half:
        half_precision(model, options.batch_size)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def convert_rates(texts: list[str]) -> Rates:
    """Measure the way from MIRACL's JSON lines to a memory-mapped column."""
    with TemporaryDirectory() as folder, quiet():
        os.environ["EVENRANK_CACHE"] = folder
        path = Path(folder) / "docs-0.jsonl.gz"
        lines = [orjson.dumps({"docid": f"{n}#0", "text": text}) for n, text in enumerate(texts)]
        path.write_bytes(gzip.compress(b"\n".join(lines), compresslevel=6))

        def row(passage: dict[str, str]) -> tuple[str, str]:
            return passage["docid"], passage["text"]

        took = seconds(lambda: open_passages("rates", [path], row))
        arrow = next(Path(folder).rglob("*.arrow")).stat().st_size
    return {
        "convert to Arrow": (len(texts) / took, "passages/s"),
        "Arrow file": (arrow / len(texts), "bytes/passage"),
    }


def store_rates(model: SentenceTransformer, texts: list[str], batch_size: int) -> Rates:
    """Measure encoding into a store, and what a store that has all texts costs."""
    work = Work(model, "passage", batch_size=batch_size)
    with TemporaryDirectory() as name, quiet():
        folder = Path(name)

        def fill() -> int:
            return fill_store(work, texts, folder, dtype="float16")

        first, again = seconds(fill), seconds(fill)
        disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        store = open_store(folder, as_model(model), "passage", dtype="float16")
        tracemalloc.start()
        rows = store.read(store.pieces(texts))
        memory = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        checked = seconds(lambda: [rows[at : at + 8192] for at in range(0, len(rows), 8192)])
        found = seconds(lambda: store.read(store.pieces(texts)))
        read = seconds(lambda: [rows[at : at + 8192].sum() for at in range(0, len(rows), 8192)])
        files = len(store.pieces(texts))
    total = disk / 1e6
    return {
        "encode and write": (len(texts) / first, "texts/s"),
        "see that nothing is missing": (len(texts) / again, "texts/s"),
        "open all files": (len(texts) / found, "texts/s"),
        "verify checksums": (total / checked, "MB/s"),
        "read every row": (total / read, "MB/s"),
        "store on disk": (disk / len(texts), "bytes/text"),
        "memory of an open store": (memory / len(texts), "bytes/text"),
        "texts of a file": (len(texts) / files, "texts"),
    }


def project(rates: dict[str, float], model: SentenceTransformer) -> None:
    """Multiply this machine's rates by the size of MIRACL: a calculation, not a measurement."""
    width = model.get_embedding_dimension()
    disk = MIRACL * 2 * width / 1e9
    print(f"\ncalculated from the rates above for {MIRACL:,} passages, one process:")
    for what, amount in {
        "hours to convert": MIRACL / rates["convert to Arrow"] / 3600,
        "hours to encode": MIRACL / rates["encode and write"] / 3600,
        "hours to open all files": MIRACL / rates["open all files"] / 3600,
        "hours to verify": disk * 1e3 / rates["verify checksums"] / 3600,
        "GB of Arrow files": MIRACL * rates["Arrow file"] / 1e9,
        "GB of store, float16": disk,
        "GB of memory, open store": MIRACL * rates["memory of an open store"] / 1e9,
        "files": MIRACL / rates["texts of a file"],
    }.items():
        print(f"{what:34}{amount:14,.1f}")


def half_precision(model: SentenceTransformer, batch_size: int) -> None:
    """Say what float16 does to the ranks and figures of XQuAD-R."""
    benchmark = load_benchmark("xquad-r")
    with TemporaryDirectory() as folder, quiet():
        plain, half = (
            evaluate(model, benchmark, batch_size=batch_size, store=Path(folder), precision=dtype)
            for dtype in ("float32", "float16")
        )
    ranks, scores = (
        [each.table("ranks")[column].to_numpy() for each in (plain, half)]
        for column in ("rank", "score")
    )
    moved = abs(ranks[0] - ranks[1])
    first = ranks[0] <= 10
    print(
        f"\nfloat16 on XQuAD-R: scores of relevant passages differ by at most "
        f"{abs(scores[0] - scores[1]).max():.1e}"
    )
    print(
        f"of {len(moved):,} ranks {(moved > 0).mean():.2%} differ, by {moved.mean():.2f} in the "
        f"mean and {moved.max()} at most; of those up to 10 {(moved[first] > 0).mean():.2%}"
    )
    for setting, figures in plain.result.settings.items():
        other = half.result.settings[setting]
        print(
            f"{setting:6}", *(f"{name} {figures[name]:.5f} {other[name]:.5f}" for name in figures)
        )
    for name, figure in plain.result.bias.items():
        print(f"{name:20} {figure:.5f} {half.result.bias[name]:.5f}")


if __name__ == "__main__":
    main()
