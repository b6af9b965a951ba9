"""``evenrank evaluate --run``: any system's run file, without its model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evenrank.errors import ConfigError

if TYPE_CHECKING:
    from evenrank.results.schema import Result

Run = Annotated[
    Path | None,
    typer.Option(help="Score this TREC run in place of a model: query Q0 passage rank score tag."),
]
Qrels = Annotated[
    Path | None,
    typer.Option(help="With --run, in place of --benchmark: query 0 passage grade."),
]
RelevanceLevel = Annotated[
    int,
    typer.Option(
        min=1,
        help="With --qrels: the least grade that is relevant. nDCG takes the grades from there up "
        "as gains; to all other measures they are alike.",
    ),
]
Languages = Annotated[
    Path | None,
    typer.Option(
        help="With --qrels, tab-separated: passage ID LANG, and query ID LANG [QUESTION]."
    ),
]


@dataclass(frozen=True)
class Judged:
    """What a run may be scored with in place of a benchmark.

    Attributes:
        qrels: The judgments; ``None`` for a benchmark.
        languages: The languages of all ids; likewise.
        relevance_level: The least grade that is relevant.
    """

    qrels: Path | None
    languages: Path | None
    relevance_level: int


def check_inputs(
    model: str | None,
    benchmarks: Sequence[str],
    run: Path | None,
    judged: Judged,
    *,
    for_model: bool,
) -> None:
    """Refuse what neither names a model and benchmarks, nor a run and what it is scored with.

    Args:
        model: The model's name.
        benchmarks: Names of benchmarks.
        run: The run file.
        judged: What it is scored with in place of a benchmark.
        for_model: Whether options are given that only a model has a use for.

    Raises:
        ConfigError: Something is missing, or of no use beside the rest.
    """
    if (model is None) == (run is None):
        found = "neither a model nor --run" if run is None else "both a model and --run"
        raise _unfit(found, "one of them")
    qrels = judged.qrels
    if (qrels is None) != (judged.languages is None):
        raise _unfit("one of --qrels and --languages", "both or none")
    if qrels is None and judged.relevance_level != 1:
        raise _unfit("--relevance-level without --qrels", "it beside --qrels")
    if run is not None and for_model:
        raise _unfit("--run with --store, --write-run or --rank-device", "these beside a model")
    if run is None and qrels is not None:
        raise _unfit("--qrels and a model", "--qrels beside --run")
    if run is not None and len(benchmarks) + (qrels is not None) != 1:
        raise _unfit(
            f"--run with {len(benchmarks)} benchmarks and {'no' if qrels is None else 'its'} qrels",
            "one benchmark, or --qrels and --languages",
        )
    if run is None and not benchmarks:
        raise _unfit("no --benchmark", "at least one")


def score_run(
    run: Path,
    benchmark: str | None,
    judged: Judged,
    *,
    label: str | None,
    measures: Sequence[str],
    folder_for: Callable[[str, str], Path],
    overwrite: bool,
) -> tuple[Path, Result]:
    """Score a run and return its result with the folder that it is in.

    Args:
        run: The run file.
        benchmark: Name of the benchmark; ``None`` where ``judged`` makes one.
        judged: What the run is scored with in place of a benchmark.
        label: What tables call the system; the run's tag if ``None``.
        measures: Names of measures.
        folder_for: Says where the result of a label on a benchmark goes.
        overwrite: Replace a result that is there.
    """
    from evenrank.benchmarks.benchmark import load_benchmark
    from evenrank.evaluation.evaluate_run import evaluate_run
    from evenrank.results.run_files import read_benchmark, read_tag

    label = label or read_tag(run)
    if judged.qrels is not None and judged.languages is not None:
        data = read_benchmark(
            judged.qrels, judged.languages, relevance_level=judged.relevance_level
        )
    else:
        data = load_benchmark(benchmark or "")
    folder = folder_for(label, benchmark or data.name)
    evaluation = evaluate_run(
        run, data, output=folder, measures=measures, label=label, overwrite=overwrite
    )
    return folder, evaluation.result


def run_note(result: Result) -> str:
    """Return where a run ends and what it lacks, in words; nothing for a model's result."""
    about = result.config.get("run")
    if about is None:
        return ""
    missing, relevant = about["relevant_not_in_run"], about["relevant"]
    grades = about.get("grades", {})
    graded = "" if list(grades) in ([], ["1"]) else f"\n{_grades_note(grades)}"
    return (
        f"run     ends after {about['depth']:,} passages of each query and lacks {missing:,} of "
        f"{relevant:,} relevant ones ({missing / relevant:.1%}), and "
        f"{about['queries_not_in_run']:,} of {about['judged_queries']:,} queries altogether; "
        f"bias measures take what is missing to stand at rank {about['depth'] + 1:,}{graded}"
    )


def _grades_note(grades: Mapping[str, int]) -> str:
    counts = ", ".join(f"{count:,} of grade {grade}" for grade, count in grades.items())
    return f"grades  {counts}; nDCG takes them as gains, to all other measures they are alike"


def _unfit(found: str, expected: str) -> ConfigError:
    return ConfigError(
        "evaluate",
        found,
        expected,
        "Use: evenrank evaluate MODEL --benchmark NAME, or evenrank evaluate --run FILE "
        "with --benchmark NAME or with --qrels FILE --languages FILE",
    )
