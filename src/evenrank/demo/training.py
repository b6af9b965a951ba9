"""Act two: small encoders, trained with four kinds of batches.

One small encoder is built from the training text. From this start it is trained four times, with
monolingual, cross-lingual and hybrid batches, and with several queries of each passage. Every model
is evaluated on facts that none of them has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evenrank.benchmarks.benchmark import Benchmark, load_benchmark
from evenrank.data.opening import open_corpus
from evenrank.encoding.base import build_encoder
from evenrank.evaluation.evaluate import evaluate
from evenrank.report.build import write_report
from evenrank.results.schema import Result
from evenrank.training.config import TrainConfig
from evenrank.training.run import texts_of, train

STRATEGIES = ("x-x-mono", "x-y", "hybrid", "hybrid-queries")
LABELS = {"hybrid": "hybrid 0.5", "hybrid-queries": "hybrid-queries 4"}
QUERIES = {"hybrid-queries": 4}
"""Queries of each passage, where it is more than one."""
ENCODER = "static"
SETTINGS = {"width": 256}
"""A narrow encoder: half a minute per strategy on two cores."""
STEPS = 1000
LEARNING_RATE = 0.2
"""High, since the run is short and the vectors of rare names have to move far."""
BATCH_SIZE = 128


@dataclass(frozen=True)
class Trained:
    """What act two writes.

    Attributes:
        start: Result of the encoder before training.
        results: Results of the trained models, in the order of ``STRATEGIES``.
        report: The HTML page.
    """

    start: Result
    results: list[Result]
    report: Path


def train_and_report(
    output: Path, strategies: Sequence[str], benchmark: str | Benchmark, steps: int, seed: int
) -> Trained:
    """Train from one start with each strategy, evaluate, and write the report."""
    report = output / "report.html"
    start = _build_start(output / "start", seed)
    results = output / "results"
    data = load_benchmark(benchmark)
    before = evaluate(start, data, output=results / "untrained", label="untrained")
    after = []
    for strategy in strategies:
        run = train(_config(output / "runs" / strategy, start, strategy, steps, seed))
        label = LABELS.get(strategy, strategy)
        after.append(evaluate(run.model, data, output=results / strategy, label=label))
    write_report([results / name for name in (*strategies, "untrained")], report, ["html"])
    return Trained(before.result, [one.result for one in after], report)


def _config(output: Path, start: Path, strategy: str, steps: int, seed: int) -> TrainConfig:
    return TrainConfig(
        output=output,
        encoder=str(start),
        corpora=["world-facts:train"],
        dev="world-facts:dev",
        patience=None,
        eval_every=steps,  # the last step, so that no selection favours a strategy
        strategy=strategy,
        queries_per_passage=QUERIES.get(strategy, 1),
        steps=steps,
        batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
        seed=seed,
    )


def _build_start(folder: Path, seed: int) -> Path:
    """Build the encoder that every strategy starts from."""
    corpus = open_corpus("world-facts:train")
    model = build_encoder(ENCODER, texts_of([corpus]), SETTINGS, seed=seed)
    model.save_pretrained(str(folder))
    return folder
