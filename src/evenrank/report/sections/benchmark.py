"""What the benchmark is: its card, and its size in each language."""

from __future__ import annotations

from collections.abc import Iterator

from evenrank.report.content import Block, Text
from evenrank.report.section import Entries, section
from evenrank.report.terms import language_title
from evenrank.tables import Column, Row, Table


@section("benchmark", "The benchmark", order=80)
def benchmark(entries: Entries) -> Iterator[Block]:
    """The card and the sizes."""
    result = entries[0].result
    facts = result.benchmark
    card = {
        "Name": facts.name,
        "Source": facts.source,
        "Licence": facts.licence,
        "Citation": facts.citation,
        "Fingerprint": facts.fingerprint,
    }
    yield Text("Where the queries and passages come from, and how many there are.")
    yield Table(
        caption=facts.title,
        head="",
        columns=(Column(title="", text=True),),
        rows=tuple(Row(title=name, cells=(text,)) for name, text in card.items() if text),
    )
    counts = (facts.queries, result.scored, facts.passages)
    rows = [
        Row(title=language_title(lang), cells=tuple(count.get(lang, 0) for count in counts))
        for lang in facts.languages
    ]
    totals = tuple(sum(count.values()) for count in counts)
    yield Table(
        caption="Size in each language",
        head="Language",
        columns=tuple(
            Column(title=title, spec=",.0f") for title in ("queries", "queries scored", "passages")
        ),
        rows=(*rows, Row(title="Total", cells=totals, role="total")),
        note="A query is scored if the pool contains a passage that is relevant to it.",
    )
