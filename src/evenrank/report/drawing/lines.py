"""Curves over a common axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenrank.report.content import Lines
from evenrank.report.drawing.svg import MUTED, draw_svg, series_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 350.0, 220.0
DASHES: tuple[tuple[float, ...], ...] = ((), (5, 2), (1.5, 1.5), (6, 2, 1.5, 2))
"""Lengths of strokes and gaps, in widths of the line: a second cue beside colour."""


def dash_pattern(number: int) -> str:
    """Return the dashes of a series, as in ``stroke-dasharray`` for a line 2 pixels wide.

    >>> dash_pattern(0), dash_pattern(1)
    ('none', '10 4')
    """
    return " ".join(f"{2 * length:g}" for length in DASHES[number % len(DASHES)]) or "none"


def draw_lines(panel: Lines, key: str) -> str:
    """Return the curves as an ``<svg>`` element; see ``draw_panel``."""
    names = ", ".join(curve.series.label for curve in panel.curves)
    description = f"{panel.title}: {panel.y_axis} by {panel.x_axis}, one curve each for {names}"
    return draw_svg(
        WIDTH, HEIGHT, (44, 6, 8, 34), key, description, lambda axes: _draw(axes, panel)
    )


def _draw(axes: Axes, panel: Lines) -> None:
    from matplotlib.ticker import AutoLocator, StrMethodFormatter

    for curve in panel.curves:
        number = curve.series.number
        axes.plot(
            curve.x,
            curve.y,
            color=series_colour(number),
            linestyle=(0, DASHES[number % len(DASHES)] or None),
            linewidth=1.5,
            marker="o" if len(curve.x) <= 12 else None,
            markersize=3.5,
            clip_on=False,
        )
    axes.xaxis.set_major_locator(AutoLocator())
    axes.yaxis.set_major_locator(AutoLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel(panel.x_axis, fontsize=9)
    axes.tick_params(length=3, labelsize=9, color=MUTED)
    axes.grid(axis="y", linewidth=0.6, alpha=0.35)
    axes.spines["bottom"].set_visible(True)
