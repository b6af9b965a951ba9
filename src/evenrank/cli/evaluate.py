"""``evenrank evaluate``: a model on benchmarks, in every pool, with every measure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evenrank.errors import ConfigError

if TYPE_CHECKING:
    from evenrank.evaluation.result import Result


Model = Annotated[str, typer.Argument(help="A Sentence Transformers folder, or a Hugging Face id.")]
Benchmarks = Annotated[
    list[str],
    typer.Option("--benchmark", "-b", help="Such as xquad-r or corpus:PATH; may be given again."),
]
Output = Annotated[
    Path | None,
    typer.Option(
        help="Result folder; of several benchmarks each has a folder inside of it. "
        "[default: results/LABEL/BENCHMARK]",
        show_default=False,
    ),
]
Measures = Annotated[
    list[str] | None,
    typer.Option(
        "--measure",
        "-m",
        help="Such as nDCG@10, in place of the default measures; may be given again.",
    ),
]
Label = Annotated[
    str | None, typer.Option(help="What tables call the model; by default its folder's name.")
]
BatchSize = Annotated[int, typer.Option(min=1, help="Texts encoded at once.")]
Run = Annotated[bool, typer.Option("--run", help="Write run.trec and qrels.trec as well.")]
Overwrite = Annotated[bool, typer.Option(help="Replace results that are there.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print each result.json on a line of its own.")
]


def evaluate_command(
    model: Model,
    benchmark: Benchmarks,
    output: Output = None,
    measure: Measures = None,
    label: Label = None,
    batch_size: BatchSize = 64,
    run: Run = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate a model: every language pair, every pool and every bias measure.

    Example: evenrank evaluate runs/hybrid/model --benchmark xquad-r
    """
    from evenrank.evaluation.assemble import default_label
    from evenrank.evaluation.selection import DEFAULT_MEASURES
    from evenrank.progress import quiet

    label = label or default_label(model)
    measures = measure or list(DEFAULT_MEASURES)
    folders = _folders(list(dict.fromkeys(benchmark)), output, label)
    _check(measures, folders, overwrite=overwrite)
    from evenrank.evaluation.evaluate import evaluate  # torch takes seconds to import

    with quiet(as_json):
        results = [
            evaluate(
                model,
                name,
                output=folder,
                measures=measures,
                label=label,
                batch_size=batch_size,
                run=run,
                overwrite=overwrite,
            ).result
            for name, folder in folders.items()
        ]
    if as_json:
        for result in results:
            typer.echo(result.model_dump_json())
    else:
        _print(results, list(folders.values()))


def _check(measures: list[str], folders: dict[str, Path], *, overwrite: bool) -> None:
    """Refuse what is wrong with any benchmark before the first one takes its time."""
    from evenrank.benchmarks.benchmark import BENCHMARKS
    from evenrank.evaluation.selection import select_measures
    from evenrank.files import refuse_existing

    select_measures(measures)
    for name, folder in folders.items():
        BENCHMARKS.get(name.partition(":")[0])
        refuse_existing(folder, overwrite=overwrite, marker="result.json")


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
