"""What selects the model during training: the loss on a dev corpus, or a benchmark measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sentence_transformers.sentence_transformer.evaluation import SentenceEvaluator

from evenrank.batching.plan import BatchPlan
from evenrank.batching.strategies import make_strategy
from evenrank.benchmarks.benchmark import load_benchmark
from evenrank.benchmarks.parallel_corpus import benchmark_from_corpus
from evenrank.data.corpus import ParallelCorpus
from evenrank.data.opening import open_corpus
from evenrank.data.splits import split_corpus
from evenrank.errors import ConfigError
from evenrank.evaluation.evaluator import BenchmarkEvaluator, parse_figure
from evenrank.training.config import TrainConfig
from evenrank.training.pairs import PairDataset

DEV_STRATEGY = "x-any"
"""The batches of the dev loss, whatever the strategy, so that all strategies select by the same."""


@dataclass(frozen=True)
class Selection:
    """How the trainer compares models.

    Attributes:
        metric: Name of the figure in the trainer's log.
        greater_is_better: Its direction.
        fingerprint: Identifies the dev data.
        dataset: The dev pairs whose loss counts, or ``None``.
        evaluator: Computes the figure from a benchmark, or ``None``.
    """

    metric: str
    greater_is_better: bool
    fingerprint: str
    dataset: PairDataset | None = None
    evaluator: SentenceEvaluator | None = None


def check_selection(config: TrainConfig) -> None:
    """Refuse settings of the selection that do not go together.

    Raises:
        ConfigError: ``select_by`` is neither ``loss`` nor a setting and a measure, or needs dev
            data that is not set.
    """
    if config.select_by != "loss":
        parse_figure(config.select_by, "select_by, if it is not 'loss'")
        if config.dev_benchmark is None and config.dev is None and config.dev_fraction == 0:
            remedy = "Set dev_benchmark or dev"
            raise ConfigError("select_by", config.select_by, "a dev corpus or benchmark", remedy)
    elif config.dev_benchmark is not None:
        remedy = "Set select_by, such as to 'multi AP'"
        raise ConfigError("dev_benchmark", config.dev_benchmark, "a measure to select by", remedy)


def split_dev(
    config: TrainConfig, corpora: Sequence[ParallelCorpus]
) -> tuple[list[ParallelCorpus], list[ParallelCorpus]]:
    """Return the corpora to train on and those that select the model.

    Without a dev corpus, a share of the passages of each corpus is held out, with all their
    translations and items.
    """
    if config.dev is not None:
        return list(corpora), [open_corpus(config.dev, languages=config.languages)]
    if config.dev_fraction == 0 or config.dev_benchmark is not None:
        return list(corpora), []
    fractions = {"train": 1 - config.dev_fraction, "dev": config.dev_fraction}
    parts = [split_corpus(one, fractions, by="passage", seed=config.seed) for one in corpora]
    return [part["train"] for part in parts], [part["dev"] for part in parts]


def make_selection(
    config: TrainConfig, dev: Sequence[ParallelCorpus], processes: int
) -> Selection | None:
    """Return what selects the model, or ``None`` if nothing was held out.

    Raises:
        ConfigError: The dev corpus is too small to compute a loss.
    """
    if config.select_by == "loss":
        if not dev:
            return None
        dataset = PairDataset(_dev_plan(config, dev, processes), config.negatives)
        return Selection("eval_loss", False, _fingerprints(dev), dataset)
    figure = parse_figure(config.select_by)
    benchmark = (
        benchmark_from_corpus(dev[0])
        if config.dev_benchmark is None
        else load_benchmark(config.dev_benchmark)
    )
    evaluator = BenchmarkEvaluator(
        benchmark, measures=[figure.measure], primary=config.select_by, name="dev"
    )
    metric = f"eval_{evaluator.primary_metric}"
    return Selection(metric, figure.greater_is_better, benchmark.fingerprint, evaluator=evaluator)


def _fingerprints(corpora: Sequence[ParallelCorpus]) -> str:
    return ", ".join(f"{corpus.name} {corpus.fingerprint}" for corpus in corpora)


def _dev_plan(config: TrainConfig, dev: Sequence[ParallelCorpus], processes: int) -> BatchPlan:
    """Plan the dev loss: the same batches for all strategies, as large as the dev corpora allow."""
    distinct, name = min((len(np.unique(corpus.groups)), corpus.name) for corpus in dev)
    size = min(config.batch_size, distinct) // processes * processes
    if size < 2:  # the loss of a pair without negatives is always zero
        raise ConfigError(
            f"dev corpus {name!r}",
            f"{distinct} distinct passages",
            f"at least {max(2, processes)}",
            "Use a larger dev corpus or dev_fraction",
        )
    return BatchPlan(
        dev,
        make_strategy(DEV_STRATEGY),
        batch_size=size,
        seed=config.seed,
        corpus_exponent=config.corpus_exponent,
        language_exponent=config.language_exponent,
    )
