"""``evenrank demo``: train, evaluate and report, offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from evenrank.cli.options import AsJson, Output, Overwrite, print_json
from evenrank.progress import quiet

if TYPE_CHECKING:
    from evenrank.demo import Demo
    from evenrank.results.schema import Example, Result
    from evenrank.tables import Table


def demo_command(
    output: Output = Path("demo"),
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps per strategy.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Source of all randomness.")] = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Train with three kinds of batches on World Facts, evaluate, and write a report.

    Example: evenrank demo --output demo
    """
    console = Console()
    if not as_json:
        console.print(
            "World Facts: questions about the world in 11 languages, from CLDR. One small\n"
            "encoder is trained from the same start with monolingual (x-x-mono),\n"
            "cross-lingual (x-y) and hybrid batches, and tested on facts that it has not seen.\n"
        )
    from evenrank.demo import STEPS, run_demo  # torch takes seconds to import

    with quiet(as_json):
        demo = run_demo(output, steps=steps or STEPS, seed=seed, overwrite=overwrite)
    if as_json:
        print_json([one.model_dump(mode="json") for one in demo.results], indent=False)
    else:
        show_demo(demo, console)


def show_demo(demo: Demo, console: Console) -> None:
    """Print the tables, one query before and after training, and where the files are."""
    from evenrank.results.tables import headline_tables, language_table
    from evenrank.tables import to_rich

    for table in (*headline_tables(demo.results), language_table(demo.results)):
        console.print(to_rich(table))
    console.print(to_rich(_example_table(demo.start, demo.results[-1])))
    console.print(f"\nreport  {demo.report}\nmodels  {demo.report.parent / 'runs'}/*/model")


def _example_table(before: Result, after: Result) -> Table:
    """Show the top passages for one query before training and after."""
    from evenrank.tables import Column, Row, Table

    example = next((one for one in after.examples if one.lang == "en"), after.examples[0])
    same = next(one for one in before.examples if one.query_id == example.query_id)
    titles = ("before training", f"after: {after.model.label}")
    return Table(
        caption=example.text,
        head="rank",
        columns=tuple(Column(title=title, text=True) for title in titles),
        rows=tuple(
            Row(title=str(number + 1), cells=(_answer(same, number), _answer(example, number)))
            for number in range(len(example.answers))
        ),
        note="* relevant",
    )


def _answer(example: Example, number: int) -> str:
    answer = example.answers[number]
    return f"{'*' if answer.relevant else ' '} {answer.lang}  {answer.text}"
