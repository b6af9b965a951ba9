"""Rank distance by query language: its mean, and how it is spread over the queries."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evenrank.report.content import Bars, Block, Boxes, Figure, Spread
from evenrank.report.entry import Entry
from evenrank.report.section import Entries, section
from evenrank.report.terms import RANK_DISTANCE, query_languages
from evenrank.results.schema import MULTI


def _applies(entries: Entries) -> bool:
    return any(RANK_DISTANCE in entry.result.pool for entry in entries)


@section("rank-distance", "Rank distance", order=40, applies=_applies)
def rank_distance(entries: Entries) -> Iterator[Block]:
    """Bars of the means beside boxes of the distribution."""
    shown = [entry for entry in entries if RANK_DISTANCE in entry.result.pool]
    langs = query_languages(shown)
    series = tuple(entry.series for entry in shown)
    means = tuple(
        tuple(entry.result.pool[RANK_DISTANCE].get(lang) for lang in langs) for entry in shown
    )
    largest = max((mean for row in means for mean in row if mean is not None), default=0.0)
    bars = Bars(
        title="Mean over queries",
        axis="rank distance",
        categories=langs,
        series=series,
        values=means,
        spec=",.0f" if largest >= 100 else ".1f",
    )
    boxes = Boxes(
        title="Distribution over queries",
        axis="rank distance, logarithmic",
        categories=langs,
        series=series,
        values=tuple(_spreads(entry, langs) for entry in shown),
    )
    yield Figure(
        caption="Rank distance by query language; lower is better. Boxes: from the first to the "
        "third quartile, with the median as a line and the mean as a dot; whiskers from the 10th "
        "to the 90th percentile.",
        panels=(bars, boxes),
        legend=series,
    )


def _spreads(entry: Entry, langs: tuple[str, ...]) -> tuple[Spread | None, ...]:
    table = entry.per_query(
        {"query_lang": pa.string(), "pool": pa.string(), RANK_DISTANCE: pa.float64()}
    )
    table = table.filter(
        pc.and_(pc.equal(table["pool"], MULTI), pc.is_finite(table[RANK_DISTANCE]))
    )
    distances = table[RANK_DISTANCE].to_numpy()
    asked = table["query_lang"].to_numpy()
    return tuple(_spread(distances[asked == lang]) for lang in langs)


def _spread(values: NDArray[np.float64]) -> Spread | None:
    if not len(values):
        return None
    p10, p25, median, p75, p90 = np.quantile(values, [0.1, 0.25, 0.5, 0.75, 0.9]).tolist()
    return Spread(p10, p25, median, p75, p90, mean=float(values.mean()))
