"""``evenrank debias compare``: what each correction gains and costs, and which one to use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evenrank.cli.options import (
    AsJson,
    BatchSize,
    Model,
    ModelSetting,
    Overwrite,
    Store,
    assignments,
    print_json,
    say,
    split,
)
from evenrank.errors import ConfigError
from evenrank.progress import quiet

if TYPE_CHECKING:
    from evenrank.tuning.page import Names
    from evenrank.tuning.tradeoff import Tradeoff

Benchmark = Annotated[
    str,
    typer.Argument(
        help="A benchmark such as `xquad-r`, or a parallel corpus: a folder or a file.",
        show_default=False,
    ),
]
FitOn = Annotated[str, typer.Option("--fit-on", help="A parallel corpus of other texts.")]
ChooseOn = Annotated[
    str,
    typer.Option(
        "--choose-on",
        help="`half` of the benchmark's queries, which the figures leave out; or a parallel corpus "
        "whose items are ranked with the passages, which needs no labels.",
    ),
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--methods",
        callback=split,
        metavar="NAMES",
        help="Such as `project,calibrate`; may be given again. [default: all but `csls`]",
        show_default=False,
    ),
]
Strengths = Annotated[
    list[str] | None,
    typer.Option(
        "--strengths",
        callback=split,
        metavar="NUMBERS",
        help="Such as `0.3,1`. [default: 0.1,0.3,0.5,0.7,1]",
        show_default=False,
    ),
]
OwnBonus = Annotated[
    list[str] | None,
    typer.Option(
        "--own-bonus",
        callback=split,
        metavar="NUMBERS",
        help="Bonuses that calibrations add to scores in the query's own language, as shares of "
        "the advantage that the model gives it. [default: 0.2 to 0.9]",
        show_default=False,
    ),
]
Goal = Annotated[
    str,
    typer.Option("--goal", help="What is improved: even, other, gap, multi or rank-distance."),
]
MaxOwnLoss = Annotated[
    float | None,
    typer.Option(
        "--max-own-loss",
        help="Maximum loss of R@10 where the answer is in the query's language only; an expected "
        "loss, which needs no labels, if `--choose-on` is a corpus. [default: any]",
        show_default=False,
    ),
]
MaxMonoLoss = Annotated[
    float, typer.Option("--max-mono-loss", help="Maximum loss of AP within one language.")
]
Items = Annotated[
    int,
    typer.Option("--items", min=2, help="Items of the corpora to fit and to choose on, at most."),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Folder to write: a page, the figures and the recommended correction.",
        show_default=False,
    ),
]
Resamples = Annotated[int, typer.Option(min=1, help="Resamples for each interval.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same figures.")]


def debias_compare_command(
    model: Model,
    benchmark: Benchmark,
    model_setting: ModelSetting = None,
    fit_on: FitOn = "world-facts:train",
    choose_on: ChooseOn = "half",
    methods: Methods = None,
    strengths: Strengths = None,
    own_bonus: OwnBonus = None,
    goal: Goal = "even",
    max_own_loss: MaxOwnLoss = None,
    max_mono_loss: MaxMonoLoss = 0.005,
    items: Items = 150,
    store: Store = None,
    batch_size: BatchSize = 64,
    resamples: Resamples = 1000,
    seed: Seed = 0,
    output: Folder = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Compare corrections at several strengths, and recommend one.

    Example: evenrank debias compare MODEL xquad-r --max-own-loss 0.02 --output comparison
    """
    from evenrank.files import refuse_existing, require_writable
    from evenrank.tuning.choice import Goal as Aim
    from evenrank.tuning.grid import Grid
    from evenrank.tuning.page import MARKER, Names, write_tradeoff
    from evenrank.tuning.plan import Plan
    from evenrank.tuning.tradeoff import (
        benchmark_name,
        compare_corrections,
    )  # torch takes seconds to import

    numbers = {"strengths": strengths, "own_shares": own_bonus}
    given = {name: _numbers(one) for name, one in numbers.items() if one}
    plan = Plan(
        fit_on=fit_on,
        choose_on=choose_on,
        grid=Grid(tuple(methods or ()), **given),
        goal=Aim(goal, max_own_loss, max_mono_loss),
        items=items,
        resamples=resamples,
        seed=seed,
    )
    names = Names(model, benchmark_name(benchmark), str(output or "FOLDER"))
    settings = assignments("--model-setting", model_setting or [])
    if output is not None:
        refuse_existing(output, overwrite=overwrite, marker=MARKER)
        require_writable(output.parent)
    with quiet(as_json):
        encoding = (settings, store, batch_size)
        found = compare_corrections(model, benchmark, plan, *encoding)
    if output is not None:
        write_tradeoff(found, output, names, overwrite=overwrite)
    _print(found, names, output, as_json=as_json)


def _numbers(texts: list[str]) -> tuple[float, ...]:
    try:
        return tuple(float(text) for text in texts)
    except ValueError as cause:
        raise ConfigError("numbers", str(cause), "numbers such as 0.3,1", "Correct them") from None


def _print(found: Tradeoff, names: Names, output: Path | None, *, as_json: bool) -> None:
    from rich.console import Console

    from evenrank.comparison.tables import gates_table
    from evenrank.tables import to_rich
    from evenrank.tuning.page import commands, sentence, short_table, warnings

    if as_json:
        texts = {"sentence": sentence(found), "warnings": warnings(found)}
        print_json({**texts, "commands": commands(found, names), **found.to_dict()})
        return
    console = Console()
    console.print(to_rich(short_table(found)))
    if found.gates:
        console.print(to_rich(gates_table(found.gates)))
    for note in warnings(found):
        say(f"warning  {note}")
    say(sentence(found))
    if output is not None:
        say(f"page     {output / 'index.html'}")
        for step in commands(found, names):
            say(f"next     {step}")
    elif found.recommended is not None:
        say("next     add --output FOLDER, which has the correction")
