"""Which languages the best passages are in, compared with the pool."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from evenrank.report.content import Block, Download, Figure, Scale, Text
from evenrank.report.entry import Entry
from evenrank.report.heatmap import MANY, Matrix, group_title, heat_table, scripts
from evenrank.report.section import Entries, section
from evenrank.report.terms import passage_languages, query_languages
from evenrank.tables import Column, Row, Table

DOUBLINGS = 3
"""Colours are full at 2**3 = 8 times the share of the pool, or an eighth of it."""

GUIDE = (
    "Which languages the first passages are in. A ranking that is blind to language shows each "
    "language as often as the multilingual pool contains it; whether the query’s own language "
    "should be shown more often is the user’s choice."
)


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
    queries, passages = query_languages(shown), passage_languages(shown)
    many = max(len(queries), len(passages)) > MANY
    yield Text(GUIDE)
    yield _own_table(shown)
    yield Figure(
        caption="Percent of the first passages that are in the "
        f"{'script' if many else 'language'} of the column, for queries in that of the row. The "
        "last row is the pool; colour compares each cell with it.",
        panels=tuple(_panel(entry, queries, passages, by_script=many) for entry in shown),
        scale=Scale(
            low=f"{2**DOUBLINGS} times less",
            middle="as in the pool",
            high=f"{2**DOUBLINGS} times more",
            diverging=True,
        ),
    )
    if many:
        for entry in shown:
            yield _download(entry, queries, passages)


def _own_table(entries: list[Entry]) -> Table:
    columns = (
        Column(title="first passages", spec=".0f"),
        Column(title="in the query’s own language", spec=".1%"),
        Column(title="that language’s share of the pool", spec=".1%"),
        Column(title="times its share", spec=".2f"),
    )
    rows = []
    for entry in entries:
        shares = entry.result.share
        own = _mean([by[lang] for lang, by in shares.by_query_lang.items() if lang in by])
        known = [lang for lang in shares.by_query_lang if lang in shares.passages]
        expected = _mean([shares.passages[lang] for lang in known])
        ratio = own / expected if own is not None and expected else None
        rows.append(Row(title=entry.label, cells=(shares.cutoff, own, expected, ratio)))
    return Table(
        caption="The query’s own language among the first passages",
        head="Model",
        columns=columns,
        rows=tuple(rows),
        note="Means over query languages. A ranking that is blind to language shows 1 times its "
        "share.",
    )


def _mean(values: list[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _matrix(entry: Entry, queries: Sequence[str], passages: Sequence[str]) -> Matrix:
    """Return the shares of each query language, and those of the pool as the last row."""
    shares = entry.result.share
    rows = [shares.by_query_lang.get(lang, {}) for lang in queries] + [shares.passages]
    return np.array([[row.get(lang) for lang in passages] for row in rows], dtype=np.float64)


def _panel(
    entry: Entry, queries: Sequence[str], passages: Sequence[str], *, by_script: bool
) -> Table:
    shares = _matrix(entry, queries, passages)
    rows, columns = [*queries, "pool"], [*passages]
    if by_script:
        found, asked = scripts(passages), scripts(queries)
        summed = np.array([np.nansum(shares[:, places], axis=1) for places in found.values()]).T
        means = [summed[places].mean(axis=0) for places in asked.values()]
        shares = np.array([*means, summed[-1]])
        rows = [*(group_title(*group) for group in asked.items()), "pool"]
        columns = [group_title(*group) for group in found.items()]
    return heat_table(
        f"{entry.label}, first {entry.result.share.cutoff}",
        ("query \\ passages", rows, columns),
        100 * shares,
        _shades(shares),
        spec=".1f" if by_script else ".0f",
    )


def _shades(shares: Matrix) -> Matrix:
    """Return -1..1: how many doublings more or less than in the last row."""
    with np.errstate(divide="ignore", invalid="ignore"):
        doublings = np.log2(shares / shares[-1])
    shades = np.clip(doublings / DOUBLINGS, -1, 1)
    return np.where(shares[-1] > 0, shades, np.nan)


def _download(entry: Entry, queries: Sequence[str], passages: Sequence[str]) -> Download:
    table = Table(
        caption=f"All shares of {entry.label}",
        head="query \\ passages",
        columns=tuple(Column(title=lang) for lang in passages),
        rows=tuple(
            Row(title=lang, cells=tuple(None if v != v else v for v in row))
            for lang, row in zip(
                [*queries, "pool"], _matrix(entry, queries, passages).tolist(), strict=True
            )
        ),
    )
    return Download(f"shares-{entry.number + 1}.csv.gz", table)
