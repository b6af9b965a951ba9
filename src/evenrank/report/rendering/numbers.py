"""The numbers behind a figure, as tables: for Markdown, and for who cannot see the figure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import astuple

from evenrank.report.content import (
    MARK,
    Bars,
    Boxes,
    Column,
    Curve,
    HeatMap,
    Lines,
    Panel,
    Row,
    Spread,
    Table,
)

STEPS = 12
"""Rows of a table of curves: steps spread evenly over the longest one."""

SPREAD_TITLES = ("10 %", "25 %", "median", "75 %", "90 %", "mean")


def panel_table(panel: Panel) -> Table:
    """Return a panel's numbers as a table."""
    match panel:
        case HeatMap():
            return _heatmap_table(panel)
        case Bars():
            return _bars_table(panel)
        case Boxes():
            return _boxes_table(panel)
        case Lines():
            return _lines_table(panel)


def _heatmap_table(panel: HeatMap) -> Table:
    return Table(
        caption=panel.title,
        head=f"{panel.row_axis} \\ {panel.column_axis}",
        columns=tuple(Column(title=name, spec=panel.spec) for name in panel.columns),
        rows=tuple(
            Row(title=name, cells=values, asides=asides)
            for name, values, asides in zip(panel.rows, panel.values, _marks(panel), strict=True)
        ),
    )


def _marks(panel: HeatMap) -> list[tuple[str, ...]]:
    if not panel.marked:
        return [()] * len(panel.rows)
    return [tuple(MARK if marked else "" for marked in row) for row in panel.marked]


def _bars_table(panel: Bars) -> Table:
    return Table(
        caption=f"{panel.title}: {panel.axis}",
        head="",
        columns=tuple(Column(title=series.label, spec=panel.spec) for series in panel.series),
        rows=tuple(
            Row(title=category, cells=tuple(row[place] for row in panel.values))
            for place, category in enumerate(panel.categories)
        ),
    )


def _boxes_table(panel: Boxes) -> Table:
    return Table(
        caption=panel.title,
        head="",
        columns=tuple(
            Column(title=title, group=series.label, spec=panel.spec)
            for series in panel.series
            for title in SPREAD_TITLES
        ),
        rows=tuple(
            Row(
                title=category,
                cells=tuple(value for row in panel.values for value in _six(row[place])),
            )
            for place, category in enumerate(panel.categories)
        ),
    )


def _six(spread: Spread | None) -> tuple[float | None, ...]:
    return astuple(spread) if spread else (None,) * len(SPREAD_TITLES)


def _lines_table(panel: Lines) -> Table:
    """Return the curves' last known values at a few steps."""
    longest = max((curve.x for curve in panel.curves), key=len)
    count = min(STEPS, len(longest))
    places = [round((number + 1) * len(longest) / count) - 1 for number in range(count)]
    return Table(
        caption=f"{panel.title}: {panel.y_axis}",
        head=panel.x_axis,
        columns=tuple(Column(title=curve.series.label, spec=panel.spec) for curve in panel.curves),
        rows=tuple(
            Row(
                title=f"{longest[place]:,.0f}",
                cells=tuple(_at(curve, longest[place]) for curve in panel.curves),
            )
            for place in places
        ),
    )


def _at(curve: Curve, x: float) -> float | None:
    place = bisect_right(curve.x, x)
    return curve.y[place - 1] if place else None
