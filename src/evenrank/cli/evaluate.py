"""``evenrank evaluate``: a model on benchmarks, in every pool, with every measure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evenrank.errors import ConfigError

if TYPE_CHECKING:
    from evenrank.evaluation.result import Result


def evaluate_command(
    model: Annotated[
        str, typer.Argument(help="A Sentence Transformers folder, or a Hugging Face id.")
    ],
    benchmark: Annotated[
        list[str],
        typer.Option(
            "--benchmark", "-b", help="Such as xquad-r or corpus:PATH; may be given again."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            help="Result folder; of several benchmarks each has a folder inside of it. "
            "[default: results/LABEL/BENCHMARK]",
            show_default=False,
        ),
    ] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(
            "--measure",
            "-m",
            help="Such as nDCG@10, in place of the default measures; may be given again.",
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="What tables call the model; by default its folder's name.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts encoded at once.")] = 64,
    run: Annotated[
        bool, typer.Option("--run", help="Write run.trec and qrels.trec as well.")
    ] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace results that are there.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each result.json on a line of its own.")
    ] = False,
) -> None:
    """Evaluate a model: every language pair, every pool and every bias measure.

    Example: evenrank evaluate runs/hybrid/model --benchmark xquad-r
    """
    from evenrank.benchmarks.benchmark import BENCHMARKS
    from evenrank.evaluation.assemble import default_label
    from evenrank.evaluation.selection import DEFAULT_MEASURES, select_measures
    from evenrank.files import refuse_existing
    from evenrank.progress import quiet

    name = label or default_label(model)
    measures = measure or list(DEFAULT_MEASURES)
    select_measures(measures)
    folders = _folders(list(dict.fromkeys(benchmark)), output, name)
    for one, folder in folders.items():  # all of them, before the first takes its time
        BENCHMARKS.get(one.partition(":")[0])
        refuse_existing(folder, overwrite=overwrite, marker="result.json")
    from evenrank.evaluation.evaluate import evaluate  # torch takes seconds to import

    results = []
    with quiet(as_json):
        for one, folder in folders.items():
            evaluation = evaluate(
                model,
                one,
                output=folder,
                measures=measures,
                label=name,
                batch_size=batch_size,
                run=run,
                overwrite=overwrite,
            )
            results.append(evaluation.result)
    if as_json:
        for result in results:
            typer.echo(result.model_dump_json())
        return
    _print(results, list(folders.values()))


def _folders(benchmarks: list[str], output: Path | None, label: str) -> dict[str, Path]:
    """Return where the result on each benchmark goes."""
    if output is not None and len(benchmarks) == 1:
        return {benchmarks[0]: output}
    root = output or Path("results") / _slug(label)
    folders = {name: root / _slug(name) for name in benchmarks}
    if len(set(folders.values())) < len(folders):
        raise ConfigError(
            "--benchmark",
            f"names that share a folder: {', '.join(benchmarks)}",
            "a folder for each result",
            "Evaluate on one at a time, each with its own --output",
        )
    return folders


def _slug(name: str) -> str:
    """Return a name that is one folder, whatever it was."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "model"


def _print(results: list[Result], folders: list[Path]) -> None:
    from rich.console import Console

    from evenrank.evaluation.tables import headline_table, language_table

    console = Console()
    console.print(headline_table(results))
    for result in results:
        console.print(language_table([result]))
    for folder in folders:
        typer.echo(f"result  {folder}")
    typer.echo(f"next    evenrank report {' '.join(map(str, folders))}")
