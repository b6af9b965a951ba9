"""A few queries, with what each model ranks first."""

from __future__ import annotations

from collections.abc import Iterator

from evenrank.report.content import Block, Found, QueryResults, Quote, Text
from evenrank.report.entry import Entry
from evenrank.report.heatmap import MANY
from evenrank.report.section import Entries, section
from evenrank.report.terms import RANK_DISTANCE, passage_languages
from evenrank.results.schema import Example
from evenrank.tables import Column, Row, Table, show

PASSAGES = 5
LONGEST = 280

GUIDE = (
    f"A few queries with the first {PASSAGES} passages of the multilingual pool for each model, "
    "and the rank of the relevant passage in each language. A tick marks passages that answer "
    f"the query. Texts are cut after {LONGEST} characters."
)


@section(
    "examples",
    "Examples",
    order=60,
    applies=lambda entries: any(entry.result.examples for entry in entries),
)
def examples(entries: Entries) -> Iterator[Block]:
    """Each query once, with the passages of every result that has it."""
    queries: dict[str, list[tuple[Entry, Example]]] = {}
    for entry in entries:
        for example in entry.result.examples:
            queries.setdefault(example.query_id, []).append((entry, example))
    yield Text(GUIDE)
    for number, answered in enumerate(queries.values()):
        yield QueryResults(
            query=Quote(answered[0][1].lang, cut(answered[0][1].text)),
            rankings=tuple((entry.label, _found(example)) for entry, example in answered),
            ranks=_ranks(answered, passage_languages(entries)),
            open=number == 0,
        )


def _found(example: Example) -> tuple[Found, ...]:
    first = sorted(example.answers, key=lambda answer: answer.rank)[:PASSAGES]
    return tuple(
        Found(
            Quote(one.lang, cut(one.text)),
            f"rank {one.rank:,d} · score {show(one.score, '.3f')}"
            f"{' · ✓ relevant' if one.relevant else ''}",
            one.relevant,
        )
        for one in first
    )


def _ranks(answered: list[tuple[Entry, Example]], langs: tuple[str, ...]) -> Table:
    """Return the rank of the relevant passage in each language, or the extremes of many."""
    present = [lang for lang in langs if any(lang in ex.relevant_ranks for _, ex in answered)]
    many = len(present) > MANY
    titles = ["first", "last"] if many else present
    rows = []
    for entry, example in answered:
        ranks = example.relevant_ranks
        extremes = (min(ranks.values(), default=None), max(ranks.values(), default=None))
        cells = extremes if many else tuple(ranks.get(lang) for lang in present)
        rows.append(Row(title=entry.label, cells=(*cells, _distance(entry, ranks, langs))))
    return Table(
        caption="Rank of the relevant passage in each language"
        if not many
        else f"Ranks of the relevant passages in {len(present)} languages",
        head="Model",
        columns=(
            *(Column(title=title, better="lower", spec=",.0f") for title in titles),
            Column(title="rank distance", better="lower", spec=",.0f", term=RANK_DISTANCE),
        ),
        rows=tuple(rows),
        best="down",
    )


def _distance(entry: Entry, ranks: dict[str, int], langs: tuple[str, ...]) -> int | None:
    if "run" in entry.result.config and not ranks.keys() >= set(langs):
        return None  # the run may have ended before the last one
    return max(ranks.values()) - min(ranks.values()) if len(ranks) > 1 else None


def cut(text: str, longest: int = LONGEST) -> str:
    """Return a text on one line, cut at the end of a word if there is one nearby.

    >>> cut("one two three", 9)
    'one two …'
    """
    line = " ".join(text.split())
    if len(line) <= longest:
        return line
    kept = line[: longest - 1]
    at_word = kept.rpartition(" ")[0]
    return f"{at_word} …" if len(at_word) > longest // 2 else f"{kept}…"
