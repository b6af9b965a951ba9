"""Rank distance by query language: its mean, and how it is spread over the queries."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evenrank.report.content import Block, Boxes, Figure, Text
from evenrank.report.entry import Entry
from evenrank.report.heatmap import MANY, scripts
from evenrank.report.section import Entries, section
from evenrank.report.terms import RANK_DISTANCE, query_languages
from evenrank.results.schema import MULTI
from evenrank.tables import Column, Row, Table

GUIDE = (
    "Passages with the same content in different languages should have nearly the same rank. Rank "
    "distance is the number of ranks between the first and the last of them in the multilingual "
    "pool; lower is better."
)
QUANTILES = {"10 %": 0.1, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "90 %": 0.9}
ONE_PANEL = 4
"""Up to this many rows are one panel; more are two, next to each other on a wide page."""


def _applies(entries: Entries) -> bool:
    return any(RANK_DISTANCE in entry.result.pool for entry in entries)


@section("rank-distance", "Rank distance", order=40, applies=_applies)
def rank_distance(entries: Entries) -> Iterator[Block]:
    """Box plots over the queries of each language, or of each script if there are many."""
    shown = [entry for entry in entries if RANK_DISTANCE in entry.result.pool]
    langs = query_languages(shown)
    each = {lang: [place] for place, lang in enumerate(langs)}
    groups = scripts(langs) if len(langs) > MANY else each
    values = [_by_language(entry, langs) for entry in shown]
    rows = [
        Row(
            title=name,
            cells=tuple(
                cell
                for distances in values
                for cell in _six(np.concatenate([distances[place] for place in places]))
            ),
        )
        for name, places in groups.items()
    ]
    columns = tuple(
        Column(title=title, group=entry.label, spec=",.0f")
        for entry in shown
        for title in (*QUANTILES, "mean")
    )
    half = len(rows) if len(rows) <= ONE_PANEL else (len(rows) + 1) // 2
    series = tuple(entry.series for entry in shown)
    numbers = [cell for row in rows for cell in row.cells if isinstance(cell, float)] or [1.0]
    yield Text(GUIDE)
    yield Figure(
        caption="Rank distance by language of the query. The thick bar contains the middle half of "
        "the queries (a line marks the median), the thin line eight of ten; the dot and the number "
        "at the right are the mean. The axis is logarithmic.",
        panels=tuple(
            Boxes(
                axis="rank distance",
                series=series,
                limits=(min(numbers), max(numbers)),
                table=Table(
                    caption=f"{part[0].title} – {part[-1].title}",
                    head="Queries in",
                    columns=columns,
                    rows=tuple(part),
                ),
            )
            for part in (rows[:half], rows[half:])
            if part
        ),
        legend=series,
    )


def _by_language(entry: Entry, langs: tuple[str, ...]) -> list[NDArray[np.float64]]:
    """Return the rank distances of the queries of each language."""
    table = entry.evaluation.table("per_query", ["query_lang", "pool", RANK_DISTANCE])
    table = table.filter(
        pc.and_(pc.equal(table["pool"], MULTI), pc.is_finite(table[RANK_DISTANCE]))
    )
    distances = table[RANK_DISTANCE].to_numpy()
    places = pc.index_in(table["query_lang"], pa.array(langs)).fill_null(-1).to_numpy()
    order = np.argsort(places, kind="stable")
    ends = np.searchsorted(places[order], np.arange(len(langs) + 1))
    return [distances[order[start:end]] for start, end in pairwise(ends.tolist())]


def _six(values: NDArray[np.float64]) -> tuple[float | None, ...]:
    """Return the quantiles (by linear interpolation) and the mean; none without values."""
    if not len(values):
        return (None,) * (len(QUANTILES) + 1)
    return (*np.quantile(values, [*QUANTILES.values()]).tolist(), float(values.mean()))
