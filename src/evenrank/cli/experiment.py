"""``evenrank experiment``: a grid of training runs from one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evenrank.cli.options import AsJson, print_json, say
from evenrank.progress import quiet

if TYPE_CHECKING:
    from evenrank.experiments.cost import Cost
    from evenrank.experiments.outcome import Outcome


def experiment_command(
    file: Annotated[Path, typer.Argument(help="YAML file of the experiment.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder of cells and report. [default: the file's, or runs/FILE]",
            show_default=False,
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option("--shard", metavar="I/N", help="Run a part of the cells, such as 2/4."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show cells, steps and estimated time; run none.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train and evaluate all cells of a grid, test them against a baseline, write a report.

    The same call continues what was interrupted, and tries again what failed. Several processes may
    run the same file at once. Exits with 1 if a cell failed.

    Example: evenrank experiment experiments/strategies.yaml --output runs/strategies
    """
    from evenrank.experiments.experiment import Experiment, Shard  # torch takes seconds to import

    chosen = None if shard is None else Shard.parse(shard)
    experiment = Experiment(file, output)
    with quiet(as_json):
        if dry_run:
            cost = experiment.cost()
            print_json(cost.to_dict()) if as_json else _show_cost(cost)
            return
        outcome = experiment.run(chosen)
    if as_json:
        print_json(outcome.to_dict())
    else:
        _show(outcome, experiment.folder)
    if outcome.failed:
        raise typer.Exit(1)


def _show_cost(cost: Cost) -> None:
    from rich.console import Console

    from evenrank.tables import Column, Row, Table, to_rich

    minutes = cost.seconds / 60
    note = f"estimated time that is left, for one process: {minutes:,.1f} min"
    if not cost.evaluations_known:
        note += ", without evaluations: no cell is finished yet"
    if cost.probed:
        note += f"\n{cost.probed} short runs measured the time of a step"
    table = Table(
        caption=f"{len(cost.cells)} cells",
        head="cell",
        columns=(
            Column(title="status", text=True),
            Column(title="steps", spec=",d"),
            Column(title="min", spec=",.1f"),
            Column(title="folder", text=True),
        ),
        rows=tuple(
            Row(
                title=cell.name,
                cells=(cell.status, cell.steps, cell.seconds / 60, cell.folder.name),
            )
            for cell in cost.cells
        ),
        note=note,
    )
    Console().print(to_rich(table))


def _show(outcome: Outcome, folder: Path) -> None:
    from rich.console import Console

    from evenrank.experiments.report import difference_table, figure_table
    from evenrank.tables import to_rich

    console = Console()
    for found in outcome.benchmarks:
        console.print(to_rich(figure_table(found)))
        if found.tests:
            console.print(to_rich(difference_table(found)))
    for cell in outcome.cells:
        if cell.status != "finished":
            error = (cell.error or "").strip().splitlines()
            say(f"{cell.status:8} {cell.name}" + (f": {error[-1]}" if error else ""))
    if outcome.benchmarks:
        say(f"report   {folder / 'report.html'}")
    elif any(cell.status == "busy" for cell in outcome.cells):
        say("other processes work on cells: the one that ends last writes the report")
