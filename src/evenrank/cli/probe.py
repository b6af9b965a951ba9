"""``evenrank probe``: the language bias of a model on the user's own corpus, without labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evenrank.cli.debias import Debias, Strength, opened
from evenrank.cli.options import (
    AsJson,
    BatchSize,
    Label,
    Model,
    ModelSetting,
    Overwrite,
    Store,
    assignments,
    print_json,
    say,
)
from evenrank.progress import quiet

if TYPE_CHECKING:
    from evenrank.probing.probe import Probe

NO_CANARIES = "none"

Corpus = Annotated[
    str,
    typer.Argument(
        help="A file whose rows have `text` and `lang` (jsonl, csv, tsv, parquet), or a parallel "
        "corpus.",
        show_default=False,
    ),
]
Queries = Annotated[
    Path | None,
    typer.Option(
        "--queries",
        help="A file of queries with `text` and `lang`. [default: those of a parallel corpus, "
        "else passages]",
        show_default=False,
    ),
]
Canaries = Annotated[
    str,
    typer.Option(
        "--canaries",
        help="A parallel corpus whose items are ranked with the passages and are written nowhere; "
        f"`{NO_CANARIES}` leaves them out.",
    ),
]
Items = Annotated[int, typer.Option("--items", min=2, help="Items of the canaries, at most.")]
K = Annotated[int, typer.Option("--k", min=1, help="Passages that count as the best.")]
Sample = Annotated[
    int, typer.Option("--sample", min=2, help="Queries and passages of each language, at most.")
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Page to write (html or md).", show_default=False),
]


def probe_command(
    model: Model,
    corpus: Corpus,
    model_setting: ModelSetting = None,
    queries: Queries = None,
    canaries: Canaries = "world-facts:test",
    items: Items = 100,
    k: K = 10,
    sample: Sample = 200,
    store: Store = None,
    batch_size: BatchSize = 64,
    debias: Debias = None,
    strength: Strength = None,
    label: Label = None,
    output: Output = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Measure the language bias of a model on your own corpus, without labels.

    Example: `evenrank probe MODEL passages.jsonl --output probe.html`
    """
    correction = opened(debias, strength)
    from evenrank.probing.page import check_page, write_probe

    if output is not None:
        check_page(output, overwrite=overwrite)
    from evenrank.probing.probe import probe  # torch takes seconds to import

    with quiet(as_json):
        found = probe(
            model,
            corpus,
            model_settings=assignments("--model-setting", model_setting or []),
            queries=queries,
            canaries=None if canaries == NO_CANARIES else canaries,
            items=items,
            k=k,
            sample=sample,
            store=store,
            batch_size=batch_size,
            debias=correction,
            label=label,
        )
    if output is not None:
        write_probe(found, output, model=model, corpus=corpus, overwrite=overwrite)
    _print(found, model, corpus, as_json=as_json)
    if output is not None and not as_json:
        say(f"page     {output}")


def _print(found: Probe, model: str, corpus: str, *, as_json: bool) -> None:
    from rich.console import Console

    from evenrank.probing.page import commands, measures_table, sentence, verdict
    from evenrank.tables import to_rich

    if as_json:
        print_json({"sentence": sentence(found), "verdict": verdict(found), **found.to_json()})
        return
    say(f"{sentence(found)} {verdict(found)}")
    Console().print(to_rich(measures_table(found)))
    for step in commands(found, model, corpus):
        say(f"next     {step}")
