"""A benchmark as an evaluator for Sentence Transformers' own trainer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.evaluation import SentenceEvaluator

from evenrank.benchmarks.benchmark import Benchmark, load_benchmark
from evenrank.errors import ConfigError
from evenrank.evaluation.encode import BATCH_SIZE
from evenrank.evaluation.evaluate import evaluate
from evenrank.measures.base import parse_measure
from evenrank.measures.selection import DEFAULT_MEASURES, select_measures
from evenrank.progress import quiet
from evenrank.results.schema import GAP, SETTINGS, Figures, Result
from evenrank.text import split_names


@dataclass(frozen=True)
class Figure:
    """One figure of a result: ``multi AP`` or ``bias rank_distance``.

    Attributes:
        setting: A setting of ``results.schema.SETTINGS``, or ``bias``.
        measure: Name of the measure.
        greater_is_better: Its direction.
    """

    setting: str
    measure: str
    greater_is_better: bool


def parse_figure(name: str, place: str = "figure") -> Figure:
    """Return the figure that ``name`` stands for; it must have a better direction.

    Args:
        name: A setting, or ``bias``, and a measure, with a blank between them.
        place: Where the name was given, for messages.

    Raises:
        ConfigError: The measure is unknown, or has no better direction.

    >>> parse_figure("bias rank_distance")
    Figure(setting='bias', measure='rank_distance', greater_is_better=False)
    >>> parse_figure("gap R@10").greater_is_better
    False
    """
    setting, _, measure_name = name.partition(" ")
    if setting not in (*SETTINGS, "bias") or not measure_name:
        raise ConfigError(
            place,
            repr(name),
            f"one of {', '.join(SETTINGS)}, bias followed by a measure",
            "Use for example 'multi AP'",
        )
    measure = parse_measure(measure_name).measure
    if measure.better == "none" or measure.level == "share":
        raise ConfigError(
            place,
            f"{measure_name}, which has no better direction",
            "a measure with a better direction",
            "Use for example 'multi AP' or 'bias rank_distance'",
        )
    if (measure.family == "bias") != (setting == "bias"):
        raise ConfigError(
            place,
            name,
            "'bias' before bias measures, a setting before ranking measures",
            f"Use '{'bias' if measure.family == 'bias' else 'multi'} {measure_name}'",
        )
    return Figure(setting, measure_name, (measure.better == "higher") != (setting == GAP))


class BenchmarkEvaluator(SentenceEvaluator):  # type: ignore[misc]
    """Every figure of a benchmark, for ``SentenceTransformerTrainer(evaluator=...)``.

    The figures are named ``xquad-r_multi_AP``, ``xquad-r_bias_rank_distance`` and so on; the
    trainer adds ``eval_`` in front. ``primary_metric`` is the one that selects the model, and
    ``greater_is_better`` its direction: give both to the training arguments, as
    ``metric_for_best_model=f"eval_{evaluator.primary_metric}"``.

    With several processes, the trainer decides who evaluates. Sentence Transformers 6.2 calls the
    evaluator in the first process, encodes the texts in all of them, and gives the figures to the
    others. Earlier versions call it in each process, and each does all the work.

    Args:
        benchmark: A name such as ``xquad-r`` or ``corpus:PATH``, or the benchmark itself.
        measures: Names of measures; the primary one is added.
        primary: The figure that selects the model, such as ``multi AP``.
        name: Prefix of the figures; by default the benchmark's name.
        batch_size: Texts encoded at once.

    Raises:
        ConfigError: A measure or benchmark is unknown, or the primary figure has no better
            direction.
        DataError: The benchmark cannot be read.
    """

    def __init__(
        self,
        benchmark: str | Benchmark,
        *,
        measures: str | Sequence[str] = DEFAULT_MEASURES,
        primary: str = "multi AP",
        name: str | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> None:
        super().__init__()
        self._primary = parse_figure(primary, "primary")
        self._measures = select_measures([*split_names(measures), self._primary.measure]).names
        self._benchmark = load_benchmark(benchmark)
        self._batch_size = batch_size
        self.name = name or self._benchmark.name
        self.primary_metric = f"{self.name}_{self._primary.setting}_{self._primary.measure}"
        self.greater_is_better = self._primary.greater_is_better

    def __call__(
        self,
        model: SentenceTransformer,
        output_path: str | None = None,
        epoch: int = -1,
        steps: int = -1,
    ) -> dict[str, float]:
        """Evaluate the model and return its figures by name.

        A figure for which no query could be scored is left out.

        Raises:
            ConfigError: The primary figure is left out.
        """
        with quiet():  # the progress of training is what a log shows
            result = evaluate(
                model,
                self._benchmark,
                measures=self._measures,
                batch_size=self._batch_size,
                shared=False,  # the trainer calls one process, or each by itself
            ).result
        figures = {f"{self.name}_{name}": value for name, value in _figures(result).items()}
        if self.primary_metric not in figures:
            raise ConfigError(
                f"'{self._primary.setting} {self._primary.measure}'",
                f"no query of {self._benchmark.name!r} that could be scored",
                "a figure in this setting",
                "Use another setting or a dev set with more languages",
            )
        self.store_metrics_in_model_card_data(model, figures, epoch, steps)
        return figures

    @property
    def description(self) -> str:
        """Its name in the model card."""
        return "Multilingual Retrieval"

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings that the model card shows."""
        return {"measures": self._measures, "batch_size": self._batch_size}


def _figures(result: Result) -> dict[str, float]:
    groups: list[tuple[str, Figures]] = [*result.settings.items(), ("bias", result.bias)]
    return {
        f"{setting}_{name}": value
        for setting, figures in groups
        for name, value in figures.items()
        if value is not None
    }
