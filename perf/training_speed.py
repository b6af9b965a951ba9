"""Training next to the plain SentenceTransformerTrainer, on the very same batches in one run.

    python perf/training_speed.py [--repeats 3] [--only cached] [--model FOLDER]

Both trainers start from the same model without dropout and get the same pairs in the same order, in
turns. The plain one has its own InfoNCE loss and plain arguments. ``losses differ by`` compares
their mean losses: it is small only if batches and losses are the same. Arguments in brackets
(``worker``: tokens come from a worker process; ``bf16``, where this machine has instructions for
it) are for both. The text is squad-dev-parallel in $EVENRANK_DATA, or World Facts.

``ratio`` is plain time / our time, repeat by repeat: median and range. ``work`` is the same of the
processor time, which other work on the machine disturbs less; that of a worker or of a GPU is not
in it. Rates are our medians, and tokens are those of the texts, without padding. ``peak``: 6 x
weights (without the table of vectors) x tokens, as a share of a large product of two matrices of
the same numbers.

At last, the plan of the batches alone, in batches of 128 from 10.8 million rows in 9 languages.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)
from torch.utils.data import BatchSampler, SequentialSampler
from transformers import PrinterCallback

from evenrank.batching.plan import BatchPlan
from evenrank.batching.strategies import STRATEGIES, make_strategy
from evenrank.data.corpus import ParallelCorpus
from evenrank.data.opening import open_corpus
from evenrank.encoding.base import build_encoder
from evenrank.encoding.loading import load_encoder
from evenrank.training.config import TrainConfig
from evenrank.training.folder import RunFolder
from evenrank.training.pairs import PairDataset
from evenrank.training.run import texts_of
from evenrank.training.tokens import KEY, CountTokens
from evenrank.training.trainer import make_arguments, make_trainer, quiet_transformers

BATCH = 128
RATE = 1e-4


@dataclass(frozen=True)
class Case:
    """What is trained; ``arguments`` are for both trainers."""

    name: str
    encoder: str
    steps: int
    length: int | None = None
    part: int | None = None
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """The seconds of one training, its mean loss, and the tokens that it encoded."""

    seconds: float
    work: float
    loss: float
    tokens: int = 0


def cases() -> list[Case]:
    cached = partial(Case, encoder="transformer", steps=2, length=256, part=16)
    found = [
        Case("static", "static", 30),
        Case("static (worker)", "static", 30, arguments={"dataloader_num_workers": 1}),
        Case("transformer, 64 tokens", "transformer", 5, 64),
        Case("transformer, 256 tokens", "transformer", 2, 256),
        cached("cached loss, 256 tokens"),
    ]
    if has_bf16() and not torch.cuda.is_available():  # on a GPU it is on in all cases
        found.append(cached("cached loss, 256 (bf16)", arguments={"bf16": True, "use_cpu": True}))
    return found


def has_bf16() -> bool:
    """Return whether this machine has instructions for products of bfloat16 numbers."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    can = torch.cpu.get_capabilities()
    return bool(can.get("avx512_bf16") or can.get("amx_bf16"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="cases whose name contains this; 'plan': none")
    parser.add_argument("--model", help="a transformer, instead of a new one")
    options = parser.parse_args()
    real = Path(os.environ.get("EVENRANK_DATA", ""), "squad-dev-parallel")
    corpus = open_corpus(str(real) if real.is_dir() else "world-facts:train")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    numbers = "has" if has_bf16() else "misses"
    print(f"{device}, {torch.get_num_threads()} threads; it {numbers} bf16; {corpus.name}")
    chosen = [case for case in cases() if options.only in case.name]
    with TemporaryDirectory() as folder, quiet_transformers():
        models = {"transformer": options.model} if options.model else {}
        for case in chosen:
            if case.encoder not in models:
                models[case.encoder] = new_model(case.encoder, corpus, Path(folder))
        print(f"{'':24}{'ratio':20}{'work':5} pairs/s  tokens/s  peak  losses differ by")
        for case in chosen:
            print(line_of(case, corpus, models[case.encoder], options.repeats), flush=True)
    if options.only in "plan":
        plan_rates()


def new_model(encoder: str, corpus: ParallelCorpus, folder: Path) -> str:
    """Save a new encoder without dropout, and return its folder."""
    name, sizes = ("static", {}) if encoder == "static" else ("scratch", {"dropout": 0})
    build_encoder(name, texts_of([corpus]), sizes, seed=0).save_pretrained(str(folder / encoder))
    return str(folder / encoder)


def line_of(case: Case, corpus: ParallelCorpus, model: str, repeats: int) -> str:
    """Train both ways in turns, and return a line of the table."""
    strategy = make_strategy("hybrid")
    plan = BatchPlan([corpus], strategy, batch_size=BATCH, seed=0, total_steps=case.steps)
    pairs, size = PairDataset(plan), plan.total_steps * BATCH
    rows = [
        row for at in range(0, size, BATCH) for row in pairs.__getitems__(range(at, at + BATCH))
    ]
    texts = Dataset.from_list([{key: row[key] for key in ("anchor", "positive")} for row in rows])
    theirs, mine = [], []
    for _ in range(repeats):
        theirs.append(plain(case, model, texts))
        mine.append(ours(case, model, pairs, corpus.name))
    ratios = [one.seconds / other.seconds for one, other in zip(theirs, mine, strict=True)]
    work = median(one.work / other.work for one, other in zip(theirs, mine, strict=True))
    seconds, tokens = median(one.seconds for one in mine), mine[0].tokens
    share = f"{peak_share(case, model, tokens / seconds):5.0%}" if case.length else "    -"
    spread = f"{median(ratios):5.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    apart = max(abs(a.loss - b.loss) for a, b in zip(theirs, mine, strict=True))
    rates = f"{size / seconds:8,.0f} {tokens / seconds:9,.0f}"
    return f"{case.name:24}{spread:20}{work:5.2f}{rates} {share}  {apart:.0e}"


def ours(case: Case, folder: str, pairs: PairDataset, corpus: str) -> Trained:
    model = load_encoder(folder, max_length=case.length)
    with output() as path:
        config = TrainConfig(
            output=path,
            encoder=folder,
            corpora=[corpus],
            batch_size=BATCH,
            mini_batch_size=case.part,
            trainer={"logging_steps": case.steps} | case.arguments,
        )
        arguments = make_arguments(config, RunFolder(path), case.steps, None, 1)
        arguments.save_strategy = "no"
        trainer = make_trainer(config, arguments, model, RATE, pairs, None)
        trainer.add_callback(CountTokens(model))
        return trained(trainer)


def plain(case: Case, folder: str, texts: Dataset) -> Trained:
    model = SentenceTransformer(folder, local_files_only=True)
    if case.length:
        model.max_seq_length = case.length
    kinds = {"anchor": "query", "positive": "document"}
    prompts = {column: model.prompts.get(kind) for column, kind in kinds.items()}
    with output() as path:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=str(path),
            max_steps=case.steps,
            per_device_train_batch_size=BATCH,
            batch_sampler=lambda rows, **_: BatchSampler(SequentialSampler(rows), BATCH, True),
            prompts={column: prompt for column, prompt in prompts.items() if prompt},
            learning_rate=RATE,
            weight_decay=1e-2,
            warmup_steps=round(0.1 * case.steps),
            save_strategy="no",
            logging_steps=case.steps,
            dataloader_pin_memory=torch.cuda.is_available(),
            report_to="none",
            disable_tqdm=True,
            **{"bf16": torch.cuda.is_available() and has_bf16()} | case.arguments,
        )
        if case.part is None:
            loss: torch.nn.Module = MultipleNegativesRankingLoss(model)
        else:
            loss = CachedMultipleNegativesRankingLoss(model, mini_batch_size=case.part)
        model.model_card_data.local_files_only = True
        model.model_card_data.widget = [{"text": texts[0]["anchor"]}]  # as ours: else it reads more
        trainer = SentenceTransformerTrainer(model, arguments, train_dataset=texts, loss=loss)
        trainer.remove_callback(PrinterCallback)
        return trained(trainer)


@contextmanager
def output() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder, "run")


def trained(trainer: SentenceTransformerTrainer) -> Trained:
    start, begun = time.perf_counter(), time.process_time()
    trainer.train()
    seconds, work = time.perf_counter() - start, time.process_time() - begun
    (entry,) = (entry for entry in trainer.state.log_history if "loss" in entry)
    return Trained(seconds, work, entry["loss"], entry.get(KEY, 0))


def peak_share(case: Case, folder: str, tokens_per_second: float) -> float:
    """Return the share of a large product's rate that the weights' own products have."""
    model = load_encoder(folder)
    weights = sum(value.numel() for value in model.parameters())
    weights -= model.transformers_model.get_input_embeddings().weight.numel()
    low = has_bf16() if torch.cuda.is_available() else "bf16" in case.arguments
    size = 8192 if torch.cuda.is_available() else 2048
    matrix = torch.ones(size, size, dtype=torch.bfloat16 if low else torch.float32)
    matrix = matrix.to(model.device)
    seconds = []
    for _ in range(4):  # the first one warms up
        start = time.perf_counter()
        (matrix @ matrix)[0, 0].item()  # waits for a GPU
        seconds.append(time.perf_counter() - start)
    return 6 * weights * tokens_per_second / (2 * size**3 / min(seconds))


def plan_rates(items: int = 1_200_000, languages: int = 9) -> None:
    """Print how many pairs of each strategy are planned in a second of processor time."""
    generator = np.random.default_rng(0)
    rows = np.arange(items * languages, dtype=np.int32).reshape(items, languages)
    rows[:, 1:][generator.random((items, languages - 1)) < 0.05] = -1
    table = pa.table({"id": pa.nulls(rows.size)})
    groups = np.arange(items, dtype=np.int32) // 2
    codes = tuple(f"l{number}" for number in range(languages))
    corpus = ParallelCorpus("synthetic", table, codes, rows, groups, "")
    print(f"\nplan: {(rows >= 0).sum():,} rows in {languages} languages, thousand pairs/s")
    for name in STRATEGIES:
        plan = BatchPlan([corpus], make_strategy(name), batch_size=BATCH, seed=0)
        plan.batch(0, 0)
        start, steps = time.process_time(), 1_000
        for step in range(steps):
            plan.batch(0, step)
        print(f"{name:24}{steps * BATCH / (time.process_time() - start) / 1000:8,.0f}", flush=True)


if __name__ == "__main__":
    main()
