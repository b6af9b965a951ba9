"""``evenrank evaluate``: a model or a run on benchmarks, in every pool, with every measure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from evenrank.cli.debias import Debias, Strength, opened
from evenrank.cli.evaluate_run import (
    Judged,
    Languages,
    Qrels,
    RelevanceLevel,
    Run,
    check_inputs,
    run_note,
    score_run,
)
from evenrank.errors import ConfigError
from evenrank.processes import Team, joined
from evenrank.progress import quiet

if TYPE_CHECKING:
    from evenrank.results.schema import Result


Model = Annotated[
    str | None, typer.Argument(help="A Sentence Transformers folder, or a Hugging Face id.")
]
Benchmarks = Annotated[
    list[str] | None,
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
    str | None,
    typer.Option(
        help="What tables call the model; by default its folder's name, or the run's tag."
    ),
]
BatchSize = Annotated[int, typer.Option(min=1, help="Texts encoded at once.")]
WriteRun = Annotated[
    bool, typer.Option("--write-run", help="Write run.trec and qrels.trec as well.")
]
Store = Annotated[
    Path | None,
    typer.Option(
        help="Embedding store: texts that it has are not encoded again, others are added."
    ),
]
Half = Annotated[
    bool, typer.Option("--half", help="Store embeddings as float16, in half the disk space.")
]
OnEmptyText = Annotated[
    Literal["error", "rank-last"],
    typer.Option(help="What becomes of a passage without any token for the model."),
]
RankDevice = Annotated[
    str | None,
    typer.Option(
        help="Device of PyTorch that ranks, such as cuda. [default: threads]", show_default=False
    ),
]
Overwrite = Annotated[bool, typer.Option(help="Replace results that are there.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print each result.json on a line of its own.")
]


def evaluate_command(
    model: Model = None,
    benchmark: Benchmarks = None,
    output: Output = None,
    measure: Measures = None,
    label: Label = None,
    batch_size: BatchSize = 64,
    run: Run = None,
    qrels: Qrels = None,
    languages: Languages = None,
    relevance_level: RelevanceLevel = 1,
    write_run: WriteRun = False,
    store: Store = None,
    half: Half = False,
    on_empty_text: OnEmptyText = "error",
    rank_device: RankDevice = None,
    debias: Debias = None,
    strength: Strength = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate a model, or any system's run: every language pair, pool and bias measure.

    Examples: evenrank evaluate runs/hybrid/model --benchmark xquad-r,
    evenrank evaluate --run bm25.run --qrels qrels.txt --languages languages.tsv,
    torchrun --nproc-per-node 8 -m evenrank evaluate MODEL -b miracl:sw --store DIR
    """
    with joined() as team, quiet(as_json or not team.first):
        if half and store is None:
            raise ConfigError(
                "--half", "no --store", "a store to keep embeddings in", "Add --store DIR"
            )
        names = list(dict.fromkeys(benchmark or []))
        for_model = write_run or any(given is not None for given in (store, rank_device, debias))
        judged = Judged(qrels, languages, relevance_level)
        check_inputs(model, names, run, judged, for_model=for_model)
        results: dict[Path, Result] = {}
        if model is not None:
            settings: dict[str, Any] = {"batch_size": batch_size, "run": write_run, "store": store}
            settings["store_dtype"] = "float16" if half else "float32"
            settings["empty_texts"] = "last" if on_empty_text == "rank-last" else "error"
            settings |= {"measures": measure, "label": label, "overwrite": overwrite}
            settings |= {"rank_device": rank_device, "debias": opened(debias, strength)}
            results = _evaluate_model(model, names, output, team, **settings)
        elif run is not None and team.first:  # there is nothing to share
            results = _evaluate_run(run, names, judged, output, measure, label, overwrite)
        if team.first:
            _print(results, as_json=as_json)


def _evaluate_model(
    model: str,
    names: list[str],
    output: Path | None,
    team: Team,
    **settings: Any,  # noqa: ANN401 - those of evaluate
) -> dict[Path, Result]:
    """Evaluate a model on each benchmark and return the results by their folders."""
    from evenrank.evaluation.assemble import default_label
    from evenrank.measures.selection import DEFAULT_MEASURES

    settings["measures"] = settings["measures"] or list(DEFAULT_MEASURES)
    after = f"+{settings['debias'].name}" if settings["debias"] else ""
    settings["label"] = settings["label"] or default_label(model) + after
    folders = _folders(names, output, settings["label"])
    if team.first:
        _check(settings["measures"], folders, overwrite=settings["overwrite"])
    from evenrank.evaluation.evaluate import evaluate  # torch takes seconds to import

    return {
        folder: evaluate(model, name, output=folder, **settings).result
        for name, folder in folders.items()
    }


def _evaluate_run(
    run: Path,
    names: list[str],
    judged: Judged,
    output: Path | None,
    measures: list[str] | None,
    label: str | None,
    overwrite: bool,
) -> dict[Path, Result]:
    """Score a run on the benchmark that is named, or made of qrels and languages."""
    from evenrank.measures.selection import DEFAULT_MEASURES

    measures = measures or list(DEFAULT_MEASURES)
    _check(measures, {name: output for name in names if output}, overwrite=overwrite)
    folder, result = score_run(
        run,
        names[0] if names else None,
        judged,
        label=label,
        measures=measures,
        folder_for=lambda label, name: _folders([name], output, label)[name],
        overwrite=overwrite,
    )
    return {folder: result}


def _check(measures: list[str], folders: dict[str, Path], *, overwrite: bool) -> None:
    """Refuse what is wrong with any benchmark before the first one takes its time."""
    from evenrank.benchmarks.benchmark import BENCHMARKS
    from evenrank.files import refuse_existing
    from evenrank.measures.selection import select_measures

    select_measures(measures)
    for name, folder in folders.items():
        BENCHMARKS.get(name.partition(":")[0])
        refuse_existing(folder, overwrite=overwrite, marker="result")


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


def _print(results: dict[Path, Result], *, as_json: bool) -> None:
    if as_json:
        for result in results.values():
            typer.echo(result.model_dump_json())
        return
    from rich.console import Console

    from evenrank.measures.selection import DEFAULT_MEASURES
    from evenrank.results.tables import headline_table, language_table, measures_table

    console = Console()
    shown = list(results.values())
    usual = all(set(result.config["measures"]) <= {*DEFAULT_MEASURES} for result in shown)
    for table in [headline_table(shown)] if usual else map(measures_table, shown):
        console.print(table)
    for result in shown:
        console.print(language_table([result]))
        if note := run_note(result):
            typer.echo(note)
    for folder in results:
        typer.echo(f"result  {folder}")
    typer.echo(f"next    evenrank report {' '.join(map(str, results))}")
