"""``evenrank index``: an index of passages for search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evenrank.cli.debias import Debias, Set, opened
from evenrank.cli.options import (
    AsJson,
    BatchSize,
    Model,
    ModelSetting,
    Precision,
    Store,
    assignments,
    print_json,
    say,
)
from evenrank.errors import ConfigError
from evenrank.progress import quiet

if TYPE_CHECKING:
    from evenrank.search.engines.writing import Written
    from evenrank.search.index.build import Built

Corpus = Annotated[
    str,
    typer.Argument(
        help="Files of passages whose rows have `id`, `lang` and `text`, and perhaps `group` and "
        "other fields (jsonl, csv, tsv, parquet); a parallel corpus; or `benchmark:NAME`.",
        show_default=False,
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="Folder of the index; an index that is there is brought up to date.",
        show_default=False,
    ),
]
Fit = Annotated[
    str | None,
    typer.Option(
        "--fit",
        help="Fit a correction on the passages: one of `evenrank debias methods`.",
        show_default=False,
    ),
]
Strength = Annotated[
    float | None,
    typer.Option("--strength", help="Of the correction, 0 to 1. [default: 1, or the file's]"),
]
To = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="URL",
        help="Write the passages into another engine as well, such as "
        "`qdrant+http://localhost:6333/news`.",
        show_default=False,
    ),
]


def index_command(
    corpus: Corpus,
    model: Model,
    output: Output,
    model_setting: ModelSetting = None,
    debias: Debias = None,
    fit: Fit = None,
    setting: Set = None,
    strength: Strength = None,
    precision: Precision = "float32",
    store: Store = None,
    batch_size: BatchSize = 64,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Build an index for search, or bring one up to date; only new texts are encoded.

    The new state appears in one step. A build that is stopped continues the next time.

    Example: `evenrank index news.jsonl MODEL --output news-index`
    """
    if fit is None and setting:
        raise ConfigError("--set", "no --fit", "the method that it is for", "Add --fit METHOD")
    correction = opened(debias, strength) if fit is None else opened(debias, None)
    from evenrank.search.index.build import build_index  # torch takes seconds to import

    with quiet(as_json):
        built = build_index(
            corpus,
            model,
            output,
            model_settings=assignments("--model-setting", model_setting or []),
            correction=correction,
            fit=fit,
            fit_settings=assignments("--set", setting or []),
            strength=1.0 if strength is None else strength,
            precision=precision,
            store=store,
            batch_size=batch_size,
        )
        written = None if to is None else _write(output, to)
    if as_json:
        print_json(_facts(built, output, to, written))
        return
    counted = ", ".join(f"{lang} {count:,}" for lang, count in built.languages.items())
    say(f"passages {sum(built.languages.values()):,} ({counted})")
    say(f"encoded  {built.encoded:,} texts")
    if built.correction:
        say(f"corrects {built.correction}")
    if written is not None:
        say(f"sent     {written.sent:,} passages to {to}, {written.unchanged:,} unchanged")
    say(f"index    {output}", f'next     evenrank search {output} "YOUR QUERY"')


def _facts(built: Built, output: Path, to: str | None, written: Written | None) -> dict[str, Any]:
    """Return what was done as JSON."""
    facts: dict[str, Any] = {
        "output": str(output),
        "passages": sum(built.languages.values()),
        "languages": dict(built.languages),
        "encoded": built.encoded,
        "correction": built.correction,
    }
    if written is not None:
        counts = {"sent": written.sent, "unchanged": written.unchanged, "removed": written.removed}
        facts["to"] = {"url": to, **counts}
    return facts


def _write(folder: Path, url: str) -> Written:
    """Write the passages of an index into another engine."""
    from evenrank.search.engines.opening import write_engine
    from evenrank.search.index.opening import open_index

    index = open_index(folder)
    about = index.manifest.model.model_dump(
        mode="json", include={"label", "fingerprint", "prompts"}
    )
    return write_engine(url, index.engine.passages.each(), index.engine.vectors, about=about)
