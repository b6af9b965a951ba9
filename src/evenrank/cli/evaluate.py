"""``evenrank evaluate``: a model or a TREC run on benchmarks, in every pool, by every measure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evenrank.cli.debias import Debias, Strength, opened
from evenrank.cli.evaluate_run import (
    LanguagesFile,
    Qrels,
    RelevanceLevel,
    Sources,
    TrecRun,
    run_note,
)
from evenrank.cli.options import (
    AsJson,
    BatchSize,
    EmptyTexts,
    Label,
    Languages,
    Measures,
    ModelSetting,
    Overwrite,
    Precision,
    Store,
    assignments,
    print_json,
    say,
)
from evenrank.errors import ConfigError
from evenrank.processes import Team, joined
from evenrank.progress import quiet

if TYPE_CHECKING:
    from evenrank.results.schema import Result


Model = Annotated[
    str | None,
    typer.Argument(
        help="A Sentence Transformers folder or Hugging Face id, openai:MODEL@URL, a URL, or "
        "vectors:FOLDER."
    ),
]
Benchmarks = Annotated[
    list[str] | None,
    typer.Option("--benchmark", "-b", help="Such as xquad-r or corpus:PATH; may be given again."),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Result folder; with several benchmarks, each gets a folder inside of it. "
        "[default: results/LABEL/BENCHMARK]",
        show_default=False,
    ),
]
WriteRun = Annotated[
    bool, typer.Option("--write-run", help="Write run.trec and qrels.trec as well.")
]
RankDevice = Annotated[
    str | None,
    typer.Option(
        help="Device of PyTorch that ranks, such as cuda. [default: threads]", show_default=False
    ),
]


def evaluate_command(
    model: Model = None,
    benchmark: Benchmarks = None,
    languages: Languages = None,
    output: Output = None,
    model_setting: ModelSetting = None,
    measures: Measures = None,
    label: Label = None,
    batch_size: BatchSize = 64,
    trec_run: TrecRun = None,
    qrels: Qrels = None,
    languages_file: LanguagesFile = None,
    relevance_level: RelevanceLevel = 1,
    write_run: WriteRun = False,
    store: Store = None,
    precision: Precision = "float32",
    empty_texts: EmptyTexts = "error",
    rank_device: RankDevice = None,
    debias: Debias = None,
    strength: Strength = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate a model, or any system's TREC run: every language pair, pool and bias measure.

    With --json, each result.json is a line.

    Examples: evenrank evaluate runs/hybrid/model --benchmark xquad-r,
    evenrank evaluate --trec-run bm25.run --qrels qrels.txt --languages-file languages.tsv,
    torchrun --nproc-per-node 8 -m evenrank evaluate MODEL -b miracl:sw --store DIR
    """
    from evenrank.measures.selection import DEFAULT_MEASURES

    with joined() as team, quiet(as_json or not team.first):
        files = (trec_run, qrels, languages_file)
        sources = Sources(model, [*dict.fromkeys(benchmark or [])], *files, relevance_level)
        only = (store, rank_device, debias, model_setting, languages)
        sources.check(model_only=write_run or any(one is not None for one in only))
        if precision == "float16" and store is None:
            raise ConfigError("--precision float16", "no --store", "a store", "Add --store DIR")
        common: dict[str, Any] = {"measures": measures or [*DEFAULT_MEASURES], "label": label}
        common |= {"overwrite": overwrite}
        results: dict[Path, Result] = {}
        if model is not None:
            common |= {"model_settings": assignments("--model-setting", model_setting or [])}
            common |= {"batch_size": batch_size, "write_run": write_run, "store": store}
            common |= {"precision": precision, "empty_texts": empty_texts}
            common |= {"rank_device": rank_device, "languages": languages}
            common |= {"debias": opened(debias, strength)}
            results = _evaluate_model(model, sources.benchmarks, output, team, **common)
        elif team.first:  # there is nothing to share
            results = _evaluate_run(sources, output, **common)
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
    from evenrank.encoding.opening import label_of

    after = f"+{settings['debias'].name}" if settings["debias"] else ""
    settings["label"] = settings["label"] or label_of(model) + after
    folders = _folders(names, output, settings["label"])
    if team.first:
        _check(settings["measures"], folders, overwrite=settings["overwrite"])
    from evenrank.evaluation.evaluate import evaluate  # torch takes seconds to import

    return {
        folder: evaluate(model, name, output=folder, **settings).result
        for name, folder in folders.items()
    }


def _evaluate_run(
    sources: Sources,
    output: Path | None,
    **settings: Any,  # noqa: ANN401 - those of evaluate_run
) -> dict[Path, Result]:
    """Score a run on the benchmark that is named, or built from qrels and languages."""
    from evenrank.evaluation.evaluate_run import evaluate_run
    from evenrank.results.run_files import read_tag

    run = sources.trec_run or Path()
    known = {name: output for name in sources.benchmarks if output}
    _check(settings["measures"], known, overwrite=settings["overwrite"])
    settings["label"] = settings["label"] or read_tag(run)
    data = sources.read_benchmark()
    name = sources.benchmarks[0] if sources.benchmarks else data.name
    folder = _folders([name], output, settings["label"])[name]
    return {folder: evaluate_run(run, data, output=folder, **settings).result}


def _check(measures: list[str], folders: dict[str, Path], *, overwrite: bool) -> None:
    """Refuse what is wrong with any benchmark before the work for the first one starts."""
    from evenrank.benchmarks.benchmark import BENCHMARKS
    from evenrank.files import refuse_existing, require_writable
    from evenrank.measures.selection import select_measures
    from evenrank.results.folder import MARKER

    select_measures(measures)
    for name in folders:
        BENCHMARKS.get(name.partition(":")[0])
    for folder in folders.values():
        refuse_existing(folder, overwrite=overwrite, marker=MARKER)
        require_writable(folder)


def _folders(benchmarks: list[str], output: Path | None, label: str) -> dict[str, Path]:
    """Return the result folder of each benchmark."""
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
    """Return a name for one folder, without separators."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "model"


def _print(results: dict[Path, Result], *, as_json: bool) -> None:
    if as_json:
        for result in results.values():
            print_json(result.model_dump(mode="json"), indent=False)
        return
    from rich.console import Console

    from evenrank.results.tables import headline_tables, language_table
    from evenrank.tables import to_rich

    console = Console()
    shown = list(results.values())
    for table in headline_tables(shown):
        console.print(to_rich(table))
    for result in shown:
        console.print(to_rich(language_table([result])))
        if note := run_note(result):
            say(*note.split("\n"))
        if tokens := result.config.get("tokens"):
            say(f"tokens  {tokens:,}")
    for folder in results:
        say(f"result  {folder}")
    say(f"next    evenrank report {' '.join(map(str, results))}")
