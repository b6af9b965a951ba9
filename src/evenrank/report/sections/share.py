"""Which languages the best passages are in, compared with the pool."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from evenrank.report.content import Block, Figure, Scale, Text
from evenrank.report.entry import Entry
from evenrank.report.heatmap import Grid, Matrix, scripts
from evenrank.report.section import Entries, section
from evenrank.report.terms import passage_languages, query_languages
from evenrank.tables import Column, Row, Table

DOUBLINGS = 3
"""Colours are full at 2**3 = 8 times the share of the pool, or an eighth of it."""

POOL = "pool"
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
    grids = [_grid(entry, shown) for entry in shown]
    large = grids[0].large
    yield Text(GUIDE)
    yield _own_table(shown)
    yield Figure(
        caption="Percent of the first passages that are in the "
        f"{'script' if large else 'language'} of the column, for queries in that of the row. The "
        "last row is the pool; colour compares each cell with it.",
        panels=tuple(
            _heat_map(entry, _by_script(grid) if large else grid)
            for entry, grid in zip(shown, grids, strict=True)
        ),
        scale=Scale(
            low=f"{2**DOUBLINGS} times less",
            middle="as in the pool",
            high=f"{2**DOUBLINGS} times more",
            diverging=True,
        ),
    )
    for entry, grid in zip(shown, grids, strict=True):
        if large:
            file = f"shares-{entry.number + 1}.csv.gz"
            yield grid.download(f"All shares of {entry.label}", file)


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


def _grid(entry: Entry, entries: Entries) -> Grid:
    """Return the shares for each query language, and those of the pool as the last row."""
    shares = entry.result.share
    rows = [*query_languages(entries), POOL]
    figures = shares.by_query_lang | {POOL: shares.passages}
    return Grid.of(rows, passage_languages(entries), figures)


def _by_script(grid: Grid) -> Grid:
    """Return the sum over passage languages, and the mean over query languages, of each script."""
    columns, rows = scripts(grid.columns), scripts(grid.rows[:-1])
    sums = np.stack([np.nansum(grid.values[:, n], axis=1) for n in columns.values()], axis=1)
    means = [sums[places].mean(axis=0) for places in rows.values()]
    return Grid([*rows, POOL], [*columns], np.array([*means, sums[-1]]))


def _heat_map(entry: Entry, grid: Grid) -> Table:
    percent = Grid(grid.rows, grid.columns, 100 * grid.values)
    spec = ".0f" if grid.values[-1].min() >= 0.01 else ".1f"
    caption = f"{entry.label}, first {entry.result.share.cutoff}"
    return percent.table(caption, _shades(grid.values), spec=spec)


def _shades(shares: Matrix) -> Matrix:
    """Return -1..1: how many doublings more or less than in the last row."""
    with np.errstate(divide="ignore", invalid="ignore"):
        doublings = np.log2(shares / shares[-1])
    return np.where(shares[-1] > 0, np.clip(doublings / DOUBLINGS, -1, 1), np.nan)
