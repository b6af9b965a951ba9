"""Which languages the best passages are in, against what the collection holds."""

from __future__ import annotations

import math
from collections.abc import Iterator

from evenrank.report.content import Block, Column, Figure, HeatMap, Row, Scale, Table
from evenrank.report.entry import Entry
from evenrank.report.section import Entries, section
from evenrank.report.terms import passage_languages, query_languages

DOUBLINGS = 3
"""Colours are full at 2**3 = 8 times the share in the collection, or an eighth of it."""


def _has_share(entry: Entry) -> bool:
    return bool(entry.result.share.by_query_lang and entry.result.share.cutoff)


@section(
    "share",
    "Languages at the top",
    order=50,
    applies=lambda entries: any(map(_has_share, entries)),
)
def share(entries: Entries) -> Iterator[Block]:
    """A table about the query's own language, and heat maps of all languages."""
    shown = [entry for entry in entries if _has_share(entry)]
    yield _own_table(shown)
    yield Figure(
        caption="Share (in percent) of each passage language among the best passages, by query "
        "language. Colour compares it with the language’s share of the collection, in the last "
        "row: more than its share, or less.",
        panels=tuple(_panel(entry, shown) for entry in shown),
        scale=Scale(
            low=f"{2**DOUBLINGS} times less",
            middle="as in the collection",
            high=f"{2**DOUBLINGS} times more",
            diverging=True,
        ),
    )


def _own_table(entries: list[Entry]) -> Table:
    columns = (
        Column(title="passages looked at", spec=".0f"),
        Column(title="in the query’s own language", spec=".1%"),
        Column(title="that language’s share of the collection", spec=".1%"),
        Column(title="times its share", spec=".2f"),
    )
    rows = []
    for entry in entries:
        own, expected = _own(entry), _expected(entry)
        ratio = own / expected if own is not None and expected else None
        cells = (entry.result.share.cutoff, own, expected, ratio)
        rows.append(Row(title=entry.label, cells=cells))
    return Table(
        caption="The query’s own language among the best passages",
        head="Model",
        columns=columns,
        rows=tuple(rows),
        note="Means over query languages. Times its share is 1 for a ranking that is blind to "
        "language; whether more is wanted is the user’s choice.",
    )


def _own(entry: Entry) -> float | None:
    shares = entry.result.share
    return _mean(
        [by_lang[asked] for asked, by_lang in shares.by_query_lang.items() if asked in by_lang]
    )


def _expected(entry: Entry) -> float | None:
    shares = entry.result.share
    return _mean(
        [shares.passages[asked] for asked in shares.by_query_lang if asked in shares.passages]
    )


def _mean(values: list[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _panel(entry: Entry, entries: list[Entry]) -> HeatMap:
    shares = entry.result.share
    asked, found = query_languages(entries), passage_languages(entries)
    rows = [shares.by_query_lang.get(lang, {}) for lang in asked] + [shares.passages]
    return HeatMap(
        title=f"{entry.label}, best {shares.cutoff}",
        row_axis="query",
        column_axis="passages",
        rows=(*asked, "all"),
        columns=found,
        values=tuple(tuple(_percent(row.get(lang)) for lang in found) for row in rows),
        shades=tuple(
            tuple(_shade(row.get(lang), shares.passages.get(lang)) for lang in found)
            for row in rows
        ),
        spec=".0f",
    )


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _shade(share: float | None, expected: float | None) -> float | None:
    """Return -1..1: how many times more or less than expected, in doublings."""
    if share is None or not expected:
        return None
    if share <= 0:
        return -1.0
    return max(-1.0, min(1.0, math.log2(share / expected) / DOUBLINGS))
