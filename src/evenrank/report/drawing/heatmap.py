"""A heat map: one square a cell, its number written on it where there is room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenrank.report.content import HeatMap, show
from evenrank.report.drawing.svg import (
    CHARACTER,
    FONT_SIZE,
    INK,
    LESS,
    MORE,
    MUTED,
    PAPER,
    draw_svg,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 310.0
"""Of the squares together, where there are few enough columns."""

LARGEST, SMALLEST, LEGIBLE = 40.0, 11.0, 22.0
"""Sides of a square, in pixels; below the last, numbers are left out."""

DOT = 1.7
"""Radius of a mark, in pixels."""

FAINTEST = 0.04
DARK = 0.65
"""From this strength of colour on, text takes the colour of the page: where contrast is equal."""


def draw_heatmap(panel: HeatMap, key: str) -> str:
    """Return the heat map as an ``<svg>`` element; see ``draw_panel``."""
    side = min(LARGEST, max(SMALLEST, WIDTH / max(len(panel.columns), 1)))
    left = 8 + CHARACTER * max(map(len, panel.rows), default=0)
    longest = max(map(len, panel.columns), default=0)
    turned = longest * CHARACTER > side
    above = 6 + (CHARACTER * longest if turned else FONT_SIZE)
    width, height = side * len(panel.columns), side * len(panel.rows)

    def draw(axes: Axes) -> None:
        axes.set_xlim(0, len(panel.columns))
        axes.set_ylim(len(panel.rows), 0)
        _cells(axes, panel, numbers=side >= LEGIBLE)
        _dots(axes, panel, side)
        _names(axes, panel, side, turned=turned)
        axes.annotate(
            f"{panel.row_axis} ↓   {panel.column_axis} →",
            (0, 0),
            xytext=(8 - left, above + 5),
            textcoords="offset pixels",
            color=MUTED,
            fontsize=9,
        )

    box = (left, above + 16, 1.0, 1.0)
    return draw_svg(left + width + 1, height + above + 17, box, key, _description(panel), draw)


def _description(panel: HeatMap) -> str:
    return f"{panel.title}: heat map, rows by {panel.row_axis}, columns by {panel.column_axis}"


def _cells(axes: Axes, panel: HeatMap, *, numbers: bool) -> None:
    from matplotlib.patches import Rectangle

    for y, (values, shades) in enumerate(zip(panel.values, panel.shades, strict=True)):
        for x, (value, shade) in enumerate(zip(values, shades, strict=True)):
            strength = abs(shade or 0.0)
            if shade is not None:
                axes.add_artist(
                    Rectangle(
                        (x, y),
                        1,
                        1,
                        facecolor=MORE if shade >= 0 else LESS,
                        edgecolor=PAPER,
                        linewidth=0,
                        alpha=round(max(FAINTEST, min(1.0, strength)), 3),
                        clip_on=False,
                    )
                )
            if numbers and value is not None:
                axes.text(
                    x + 0.5,
                    y + 0.5,
                    _compact(show(value, panel.spec)),
                    color=PAPER if strength >= DARK else INK,
                    fontsize=9,
                    ha="center",
                    va="center_baseline",
                )


def _dots(axes: Axes, panel: HeatMap, side: float) -> None:
    """Put a dot into the upper right corner of each marked square."""
    from matplotlib.patches import Circle

    radius = DOT / side
    for y, (row, shades) in enumerate(zip(panel.marked, panel.shades, strict=bool(panel.marked))):
        for x, (marked, shade) in enumerate(zip(row, shades, strict=True)):
            if marked:
                colour = PAPER if abs(shade or 0.0) >= DARK else INK
                place = (x + 1 - 2.4 * radius, y + 2.4 * radius)
                axes.add_artist(Circle(place, radius, facecolor=colour, linewidth=0))


def _compact(number: str) -> str:
    """Leave out the nought before a decimal point, to fit into a small square.

    >>> _compact("0.68"), _compact("+0.03"), _compact("10")
    ('.68', '+.03', '10')
    """
    return number.replace("0.", ".", 1) if number.lstrip("+−").startswith("0.") else number


def _names(axes: Axes, panel: HeatMap, side: float, *, turned: bool) -> None:
    """Write the languages beside the squares."""
    for x, name in enumerate(panel.columns):
        axes.text(
            x + 0.5,
            -3 / side,
            name,
            color=INK,
            ha="center",
            va="bottom",
            rotation=90 if turned else 0,
        )
    for y, name in enumerate(panel.rows):
        axes.text(-5 / side, y + 0.5, name, color=INK, ha="right", va="center_baseline")
