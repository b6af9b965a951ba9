"""What selects the model during training: the loss on a dev corpus, or a benchmark measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sentence_transformers.sentence_transformer.evaluation import SentenceEvaluator

from evenrank.batching.plan import BatchPlan
from evenrank.batching.strategies import Strategy
from evenrank.benchmarks.benchmark import load_benchmark
from evenrank.benchmarks.parallel_corpus import benchmark_from_corpus
from evenrank.data.corpus import ParallelCorpus
from evenrank.data.opening import open_corpus
from evenrank.data.splits import split_corpus
from evenrank.errors import ConfigError
from evenrank.evaluation.evaluator import BenchmarkEvaluator, parse_figure
from evenrank.training.config import TrainConfig


@dataclass(frozen=True)
class Selection:
    """How the trainer compares models.

    Attributes:
        metric: Name of the figure in the trainer's log.
        greater_is_better: Its direction.
        dataset_plan: Batches of the dev corpus whose loss counts, or ``None``.
        evaluator: Computes the figure from a benchmark, or ``None``.
    """

    metric: str
    greater_is_better: bool
    dataset_plan: BatchPlan | None = None
    evaluator: SentenceEvaluator | None = None


def split_dev(
    config: TrainConfig, corpora: Sequence[ParallelCorpus]
) -> tuple[list[ParallelCorpus], list[ParallelCorpus]]:
    """Return the corpora to train on and those to select on.

    Without a dev corpus, a share of the passages of each corpus is held out, with all their
    translations and items.
    """
    if config.dev is not None:
        return list(corpora), [open_corpus(config.dev, languages=config.languages)]
    if config.dev_fraction == 0 or (config.dev_benchmark and config.select_by != "loss"):
        return list(corpora), []
    fractions = {"train": 1 - config.dev_fraction, "dev": config.dev_fraction}
    parts = [split_corpus(one, fractions, by="passage", seed=config.seed) for one in corpora]
    return [part["train"] for part in parts], [part["dev"] for part in parts]


def make_selection(
    config: TrainConfig, dev: Sequence[ParallelCorpus], strategy: Strategy
) -> Selection | None:
    """Return what selects the model, or ``None`` where nothing was held out.

    Raises:
        ConfigError: ``select_by`` is neither ``loss`` nor a setting and a measure.
    """
    if config.select_by == "loss":
        return Selection("eval_loss", False, _dev_plan(config, dev, strategy)) if dev else None
    figure = parse_figure(config.select_by, "select_by, where it is not 'loss'")
    if config.dev_benchmark is None and not dev:
        raise ConfigError(
            "select_by", config.select_by, "a dev corpus or benchmark", "Set dev_benchmark or dev"
        )
    benchmark = (
        load_benchmark(config.dev_benchmark)
        if config.dev_benchmark is not None
        else benchmark_from_corpus(dev[0])
    )
    evaluator = BenchmarkEvaluator(
        benchmark, measures=[figure.measure], primary=config.select_by, name="dev"
    )
    return Selection(
        f"eval_{evaluator.primary_metric}", figure.greater_is_better, evaluator=evaluator
    )


def _dev_plan(config: TrainConfig, dev: Sequence[ParallelCorpus], strategy: Strategy) -> BatchPlan:
    """Plan the dev loss: the training strategy, in batches that the dev corpora can fill."""
    fewest = min(
        len(np.unique(corpus.groups[corpus.rows[:, column] >= 0]))
        for corpus in dev
        for column in range(len(corpus.languages))
    )
    return BatchPlan(
        dev,
        strategy,
        batch_size=min(config.batch_size, fewest),
        seed=config.seed,
        corpus_exponent=config.corpus_exponent,
        language_exponent=config.language_exponent,
    )
