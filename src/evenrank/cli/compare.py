"""``evenrank compare``: results against a baseline, with tests, intervals and gates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evenrank.cli.options import AsJson, Measures, print_json

Results = Annotated[
    list[Path],
    typer.Argument(metavar="RESULT", help="Result folders on one benchmark, the baseline first."),
]
Gates = Annotated[
    list[str] | None,
    typer.Option(
        "--gate",
        metavar="'MEASURE SETTING GAIN'",
        help="Minimum gain, such as 'R@10 other +0.05' or 'AP mono -0.01' (this loss is allowed): "
        "exit with 1 if a gain is smaller with 95 % confidence; may be given again.",
    ),
]
Permutations = Annotated[int, typer.Option(min=1, help="Draws of the signs in each test.")]
Resamples = Annotated[int, typer.Option(min=1, help="Resamples for each interval.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same figures.")]
Exact = Annotated[
    bool, typer.Option("--exact", help="Try all signs; for up to 20 blocks that differ.")
]


def compare_command(
    results: Results,
    measures: Measures = None,
    gates: Gates = None,
    permutations: Permutations = 10_000,
    resamples: Resamples = 10_000,
    seed: Seed = 0,
    exact: Exact = False,
    as_json: AsJson = False,
) -> None:
    """Compare results with the first one: per setting, query language and pair of languages.

    Paired permutation tests and bootstrap intervals over blocks of parallel queries; p-values with
    Holm's correction; AP and rank_distance by default. Exits with 1 if a gate fails.

    Example: evenrank compare results/x-x-mono results/hybrid --gate "AP mono -0.01"
    """
    from evenrank.comparison.compare import compare

    comparison = compare(
        results,
        measures=measures,
        gates=gates or (),
        permutations=permutations,
        resamples=resamples,
        seed=seed,
        exact=exact,
    )
    if as_json:
        print_json(comparison.to_dict())
    else:
        from rich.console import Console

        from evenrank.comparison.tables import comparison_tables
        from evenrank.tables import to_rich

        console = Console()
        for table in comparison_tables(comparison):
            console.print(to_rich(table))
    if any(one.verdict == "failed" for one in comparison.gate_results):
        raise typer.Exit(1)
