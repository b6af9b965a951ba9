"""Horizontal boxes, grouped by category, on a logarithmic axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenrank.report.content import Boxes, Spread
from evenrank.report.drawing.svg import CHARACTER, INK, PAPER, draw_svg, series_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import Locator

WIDTH = 350.0
THICKNESS = 10.0
GAP = 8.0


def draw_boxes(panel: Boxes, key: str) -> str:
    """Return the boxes as an ``<svg>`` element; see ``draw_panel``."""
    group = len(panel.series) * THICKNESS + GAP
    left = 8 + CHARACTER * max(map(len, panel.categories), default=0)
    height = group * len(panel.categories)
    present = [spread for row in panel.values for spread in row if spread is not None]

    def draw(axes: Axes) -> None:
        axes.set_ylim(height, 0)
        _axis(axes, panel.axis, present)
        for place, category in enumerate(panel.categories):
            axes.annotate(
                category,
                (0, place * group + group / 2),
                xycoords=axes.get_yaxis_transform(),
                xytext=(-6, 0),
                textcoords="offset pixels",
                color=INK,
                ha="right",
                va="center_baseline",
            )
            for number, series in enumerate(panel.series):
                spread = panel.values[number][place]
                middle = place * group + GAP / 2 + (number + 0.5) * THICKNESS
                if spread is not None:
                    _box(axes, spread, middle, series_colour(series.number))

    description = f"{panel.title}: boxes of {panel.axis} for each language"
    return draw_svg(WIDTH, height + 35, (left, 1, 14, 34), key, description, draw)


def _axis(axes: Axes, title: str, present: list[Spread]) -> None:
    """A logarithmic axis, linear below 1 where values are that small."""
    from matplotlib.ticker import FuncFormatter, NullLocator, SymmetricalLogLocator

    least = min((spread.p10 for spread in present), default=1.0)
    most = max((max(spread.p90, spread.mean) for spread in present), default=10.0)
    if least < 1:
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xlim(0, max(most, 1) * 1.15)
        axes.xaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1))
    else:
        axes.set_xscale("log")
        axes.set_xlim(least / 1.15, most * 1.15)
        axes.xaxis.set_major_locator(_ticks(most / least))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.tick_params(length=3, labelsize=9)
    axes.set_xlabel(title, fontsize=9)
    axes.grid(axis="x", linewidth=0.6, alpha=0.35)
    axes.set_axisbelow(True)


def _ticks(ratio: float) -> Locator:
    """Return ticks for a logarithmic axis whose ends stand in this ratio."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    if ratio < 5:
        return MaxNLocator(4, integer=True)
    return LogLocator(subs=(1.0, 2.0, 5.0) if ratio < 200 else (1.0,))


def _box(axes: Axes, spread: Spread, middle: float, colour: str) -> None:
    half = THICKNESS / 2 - 1
    axes.hlines(middle, spread.p10, spread.p90, color=colour, linewidth=1.2)
    axes.fill_betweenx(
        [middle - half, middle + half], spread.p25, spread.p75, facecolor=colour, linewidth=0
    )
    axes.vlines(spread.median, middle - half, middle + half, color=PAPER, linewidth=1.6)
    axes.plot(
        spread.mean, middle, marker="o", markersize=4, color=PAPER, markeredgecolor=INK, mew=1
    )
