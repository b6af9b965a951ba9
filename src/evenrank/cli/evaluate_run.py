"""``evenrank evaluate --trec-run``: any system's run file, without its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evenrank.errors import ConfigError

if TYPE_CHECKING:
    from evenrank.benchmarks.benchmark import Benchmark
    from evenrank.results.schema import Result

TrecRun = Annotated[
    Path | None,
    typer.Option(
        "--trec-run", help="TREC run to score instead of a model: query Q0 passage rank score tag."
    ),
]
Qrels = Annotated[
    Path | None,
    typer.Option(help="With --trec-run, instead of --benchmark: query 0 passage grade."),
]
RelevanceLevel = Annotated[
    int,
    typer.Option(
        min=1,
        help="With --qrels: the minimum grade that is relevant. Higher grades are gains for nDCG, "
        "and equal for all other measures.",
    ),
]
LanguagesFile = Annotated[
    Path | None,
    typer.Option(
        "--languages-file",
        help="With --qrels, tab-separated: passage ID LANG, and query ID LANG [GROUP].",
    ),
]


@dataclass(frozen=True)
class Sources:
    """What to evaluate: a model on benchmarks, or a run on a benchmark or on qrels.

    Attributes:
        model: Name of the model; ``None`` for a run.
        benchmarks: Names of benchmarks.
        trec_run: The run file; ``None`` for a model.
        qrels: Relevant passages; ``None`` for a benchmark.
        languages: The languages of all ids; ``None`` for a benchmark.
        relevance_level: The minimum grade that is relevant.
    """

    model: str | None
    benchmarks: list[str]
    trec_run: Path | None
    qrels: Path | None
    languages: Path | None
    relevance_level: int

    def check(self, *, model_only: bool) -> None:
        """Refuse sources that do not fit together.

        Args:
            model_only: Whether options are given that only a model can use.

        Raises:
            ConfigError: Something is missing, or does not fit the rest.
        """
        qrels, benchmarks = self.qrels is not None, len(self.benchmarks)
        if (self.model is None) == (self.trec_run is None):
            both = "both a model and --trec-run"
            raise _unfit(both if self.model else "neither a model nor --trec-run", "one of them")
        if qrels != (self.languages is not None):
            raise _unfit("one of --qrels and --languages-file", "both or none")
        if not qrels and self.relevance_level != 1:
            raise _unfit("--relevance-level without --qrels", "both")
        if self.trec_run is None:
            if qrels:
                raise _unfit("--qrels and a model", "--qrels with --trec-run")
            if not benchmarks:
                raise _unfit("no --benchmark", "at least one")
        elif model_only:
            options = "--languages, --store, --write-run, --rank-device or --debias"
            raise _unfit(f"--trec-run with {options}", "a model")
        elif benchmarks + qrels != 1:
            found = f"--trec-run with {benchmarks} benchmarks and {'its' if qrels else 'no'} qrels"
            raise _unfit(found, "one benchmark, or --qrels and --languages-file")

    def read_benchmark(self) -> Benchmark:
        """Return the benchmark of a run, or the one that its qrels and languages are."""
        from evenrank.evaluation.evaluate_run import run_benchmark

        name = next(iter(self.benchmarks), None)
        return run_benchmark(name, self.qrels, self.languages, self.relevance_level)


def run_note(result: Result) -> str:
    """Return a sentence on where a run ends and what it misses; empty for a model's result."""
    about = result.config.get("run")
    if about is None:
        return ""
    missing, relevant = about["relevant_not_in_run"], about["relevant"]
    grades = about.get("grades", {})
    graded = "" if list(grades) in ([], ["1"]) else f"\n{_grades_note(grades)}"
    return (
        f"run     ends after {about['depth']:,} passages per query; it misses {missing:,} of "
        f"{relevant:,} relevant passages ({missing / relevant:.1%}), and all passages of "
        f"{about['queries_not_in_run']:,} of {about['judged_queries']:,} queries; bias measures "
        f"give missing passages rank {about['depth'] + 1:,}{graded}"
    )


def _grades_note(grades: Mapping[str, int]) -> str:
    counts = ", ".join(f"{count:,} of grade {grade}" for grade, count in grades.items())
    return f"grades  {counts}; they are gains for nDCG, and equal for all other measures"


def _unfit(found: str, expected: str) -> ConfigError:
    return ConfigError(
        "evaluate",
        found,
        expected,
        "Use: evenrank evaluate MODEL --benchmark NAME, or evenrank evaluate --trec-run FILE "
        "with --benchmark NAME or with --qrels FILE --languages-file FILE",
    )
