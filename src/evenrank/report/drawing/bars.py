"""Horizontal bars, grouped by category, each with its number at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenrank.report.content import Bars, show
from evenrank.report.drawing.svg import (
    CHARACTER,
    FONT_SIZE,
    INK,
    MUTED,
    PAPER,
    draw_svg,
    series_colour,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 350.0
THICKNESS = 10.0
"""Of a bar, in pixels; the number beside it needs as much."""

GAP = 8.0
"""Between groups of bars."""

HATCHES = ("", "////", "....", "\\\\\\\\", "||||", "xxxx", "----", "++++")
"""A second cue beside colour; in step with ``.swatch-0`` and so on in the style sheet."""


def draw_bars(panel: Bars, key: str) -> str:
    """Return the bars as an ``<svg>`` element; see ``draw_panel``."""
    group = len(panel.series) * THICKNESS + GAP
    present = [value for row in panel.values for value in row if value is not None]
    largest = max(present, default=0.0) or 1.0
    room = 8 + CHARACTER * max((len(show(value, panel.spec)) for value in present), default=1)
    left = 8 + CHARACTER * max(map(len, panel.categories), default=0)
    height = group * len(panel.categories)

    def draw(axes: Axes) -> None:
        axes.set_xlim(0, largest)
        axes.set_ylim(height, 0)
        axes.axvline(0, color=MUTED, linewidth=1, clip_on=False)
        for place, category in enumerate(panel.categories):
            middle = place * group + group / 2
            axes.annotate(
                category,
                (0, middle),
                xytext=(-6, 0),
                textcoords="offset pixels",
                color=INK,
                ha="right",
                va="center_baseline",
            )
            for number in range(len(panel.series)):
                _bar(axes, panel, number, place, place * group + GAP / 2 + number * THICKNESS)

    description = f"{panel.title}: bars of {panel.axis} for each language"
    return draw_svg(WIDTH, height + 2, (left, 1, room, 1), key, description, draw)


def _bar(axes: Axes, panel: Bars, number: int, place: int, top: float) -> None:
    value = panel.values[number][place]
    colour = series_colour(panel.series[number].number)
    if value is not None:
        axes.barh(
            top + THICKNESS / 2,
            value,
            height=THICKNESS - 1,
            facecolor=colour,
            edgecolor=PAPER,
            linewidth=0,
            hatch=HATCHES[panel.series[number].number % len(HATCHES)],
            clip_on=False,
        )
    axes.annotate(
        show(value, panel.spec),
        (value or 0, top + THICKNESS / 2),
        xytext=(4, 0),
        textcoords="offset pixels",
        color=INK,
        fontsize=FONT_SIZE - 1,
        va="center_baseline",
    )
