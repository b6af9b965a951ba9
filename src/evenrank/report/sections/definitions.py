"""What the words and measures of the report mean."""

from __future__ import annotations

from collections.abc import Iterator

from evenrank.report.content import Block, Text
from evenrank.report.section import Entries, section
from evenrank.report.terms import better, measure_names, summary
from evenrank.tables import Column, Row, Table

DIRECTIONS = {"higher": "higher is better", "lower": "lower is better", "none": "neither"}
WORDS = {
    "query": "A text that a user searches with. Queries that are translations of each other are "
    "parallel.",
    "passage": "A text that can be found. It is relevant if it answers the query.",
    "pool": "The passages that a query is ranked against.",
    "multilingual pool": "The passages of all languages together.",
    "monolingual": "Queries and passages are in the same language.",
    "cross-lingual": "Queries and passages are in two different languages; every ordered pair "
    "counts.",
    "multilingual": "Each query is ranked against the multilingual pool.",
    "own language": "The answer exists in the language of the query only: the relevant passages in "
    "all other languages are removed from the multilingual pool.",
    "another language": "The answer exists in one other language only.",
    "any language": "The answer exists in one language only: the mean over all pairs of languages.",
    "access gap": "Own language minus another language.",
    "rank": "The place of a passage in the order that a model gives the pool: 1 is the first.",
}


@section("definitions", "Definitions", order=80, scope="report")
def definitions(entries: Entries) -> Iterator[Block]:
    """A table of measures (cutoffs of one measure in one row), and one of words."""
    figures = [
        by_name
        for entry in entries
        for by_name in (*entry.result.settings.values(), entry.result.bias)
    ]
    together: dict[str, list[str]] = {}
    for name in measure_names(figures):
        together.setdefault(name.partition("@")[0], []).append(name)
    yield Text(
        "Every figure is a mean over queries, then over languages or pairs of languages, so that "
        "each language counts the same."
    )
    yield Table(
        caption="Measures",
        head="Measure",
        columns=(
            Column(title="what it is", text=True),
            Column(title="which direction is better", text=True),
        ),
        rows=tuple(
            Row(
                title=", ".join(names),
                cells=(summary(names[0]), DIRECTIONS[better(names[0])]),
                terms=tuple(names),
            )
            for names in together.values()
        ),
    )
    yield Table(
        caption="Words",
        head="Word",
        columns=(Column(title="what it means", text=True),),
        rows=tuple(Row(title=word, cells=(text,), terms=(word,)) for word, text in WORDS.items()),
    )
