"""``evenrank soup``: the weighted mean of two models from the same start."""

from __future__ import annotations

from typing import Annotated

import typer

from evenrank.cli.options import AsJson, Output, Overwrite, print_json, say
from evenrank.progress import quiet

_Part = typer.Argument(
    help="A run folder, the model of one, or the start of the other.", show_default=False
)


def soup_command(
    first: Annotated[str, _Part],
    second: Annotated[str, _Part],
    output: Output,
    weight: Annotated[
        list[float] | None,
        typer.Option(
            "--weight",
            help="Weight of the first model, 0..1; given again: the best on dev. [default: 0.5]",
            show_default=False,
        ),
    ] = None,
    select_by: Annotated[
        str, typer.Option(help="Figure on dev that selects one of several weights.")
    ] = "multi AP",
    dev_benchmark: Annotated[
        str | None, typer.Option(help="Benchmark for --select-by, such as corpus:PATH.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Average the weights of two runs from one start, or of a run and its start.

    Example: evenrank soup runs/mono runs/cross --weight 0.5 --output runs/soup
    """
    from evenrank.training.soup import soup  # torch takes seconds to import

    with quiet(as_json):
        done = soup(
            first,
            second,
            weight or 0.5,
            output=output,
            select_by=select_by,
            dev_benchmark=dev_benchmark,
            overwrite=overwrite,
        )
    if as_json:
        tried = [{"weight": one, "dev": value} for one, value in done.tried.items()]
        print_json({"model": str(done.model), "weight": done.weight, "tried": tried})
        return
    for one, value in done.tried.items():
        say(f"tried  weight {one:g}: {select_by} {value:.4f}")
    say(f"model  {done.model} (weight {done.weight:g})")
    say(f"next   evenrank evaluate {done.model} --benchmark world-facts")
