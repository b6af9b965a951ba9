"""``evenrank compare``: results against a baseline, with tests, intervals and gates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

if TYPE_CHECKING:
    from evenrank.comparison.comparison import Comparison

Results = Annotated[
    list[Path],
    typer.Argument(metavar="RESULT", help="Result folders on one benchmark, the baseline first."),
]
Measures = Annotated[
    list[str] | None,
    typer.Option(
        "--measure",
        "-m",
        help="Such as AP, R@1 or rank_distance; may be given again. [default: AP, rank_distance]",
        show_default=False,
    ),
]
Gates = Annotated[
    list[str] | None,
    typer.Option(
        "--gate",
        metavar="'MEASURE SETTING LOSS'",
        help="Such as 'AP mono -0.01': exit with 1 if a result loses more than that with 95 % "
        "confidence; may be given again.",
    ),
]
Permutations = Annotated[int, typer.Option(min=1, help="Draws of the signs in each test.")]
Resamples = Annotated[int, typer.Option(min=1, help="Resamples behind each interval.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same figures.")]
Exact = Annotated[
    bool, typer.Option("--exact", help="Try all signs; for up to 20 questions that differ.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print every figure as JSON.")]


def compare_command(
    results: Results,
    measure: Measures = None,
    gate: Gates = None,
    permutations: Permutations = 10_000,
    resamples: Resamples = 10_000,
    seed: Seed = 0,
    exact: Exact = False,
    as_json: AsJson = False,
) -> None:
    """Compare results with the first one: per setting, query language and pair of languages.

    Paired permutation tests and bootstrap intervals over questions, each with its translations;
    p-values corrected after Holm. Exits with 1 if a gate fails.

    Example: evenrank compare results/x-x-mono results/hybrid --gate "AP mono -0.01"
    """
    from evenrank.comparison.compare import compare

    comparison = compare(
        results,
        measures=measure or None,
        permutations=permutations,
        resamples=resamples,
        seed=seed,
        exact=exact,
        gates=gate or (),
    )
    if as_json:
        typer.echo(orjson.dumps(comparison.to_dict()).decode())
    else:
        _print(comparison)
    if any(judgement.verdict == "failed" for judgement in comparison.gate_results):
        raise typer.Exit(1)


def _print(comparison: Comparison) -> None:
    from rich.console import Console

    from evenrank.comparison.tables import (
        gates_table,
        languages_table,
        pairs_table,
        settings_table,
    )

    console = Console()
    for system in comparison.systems:
        console.print(settings_table(comparison, system))
    for measure in comparison.measures:
        console.print(languages_table(comparison, measure))
    if any(True for _ in comparison.select("pair")):
        console.print(pairs_table(comparison))
    if comparison.gate_results:
        console.print(gates_table(comparison.gate_results))
