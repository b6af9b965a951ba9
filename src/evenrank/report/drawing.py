"""Charts as SVG elements of the page, drawn by Matplotlib.

Matplotlib draws with placeholder colours. In the SVG they become the page's CSS custom properties,
so that one drawing serves light, dark and print (``templates/report.css``).
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from evenrank.report.content import Boxes, Lines, Points
from evenrank.tables import show
from evenrank.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 420
BOX, GAP = 12, 8
"""Pixels: the height of a box, and the space between the boxes of two rows."""

SERIES_COLOURS = 8
DASHES: tuple[tuple[float, ...], ...] = ((), (5, 2), (1.5, 1.5), (6, 2, 1.5, 2))
"""Lengths of strokes and gaps, in widths of the line: a second cue next to colour."""

INK, MUTED, PAPER = "#0a0b00", "#0a0b01", "#0a0b02"
PROPERTIES = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    PAPER: "var(--paper)",
    **{f"#0a0c{number:02x}": f"var(--series-{number})" for number in range(SERIES_COLOURS)},
}
SETTINGS = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",  # comes with Matplotlib: every machine measures the same
    "font.size": 10,
    "text.color": INK,
    **dict.fromkeys(
        ("axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color"), MUTED
    ),
}


def draw(chart: Boxes | Lines | Points, key: str) -> str:
    """Return a chart as an ``<svg>`` element.

    Args:
        chart: What to draw.
        key: Unique in the page; ids begin with it.
    """
    if isinstance(chart, Boxes):
        height = len(chart.table.rows) * (GAP + BOX * len(chart.series))
        title = f"{chart.table.caption}: box plots of {chart.axis}"
        return _svg(height, key, title, lambda axes: _draw_boxes(axes, chart))
    title = f"{chart.title}: {chart.y_axis} by {chart.x_axis}"
    if isinstance(chart, Points):
        return _svg(280, key, title, lambda axes: _draw_points(axes, chart))
    return _svg(200, key, title, lambda axes: _draw_lines(axes, chart))


def dash_pattern(number: int) -> str:
    """Return the dashes of a series as ``stroke-dasharray`` of a line of 2 pixels.

    >>> dash_pattern(0), dash_pattern(1)
    ('none', '10 4')
    """
    return " ".join(f"{2 * length:g}" for length in DASHES[number % len(DASHES)]) or "none"


def _colour(number: int) -> str:
    return f"#0a0c{number % SERIES_COLOURS:02x}"


def _draw_boxes(axes: Axes, chart: Boxes) -> None:
    rows, count = chart.table.rows, len(chart.series)
    group = GAP + BOX * count
    values = np.array([[row.cells] for row in rows], dtype=float).reshape(len(rows), count, 6)
    axes.set_ylim(group * len(rows), 0)
    axes.set_yticks([(place + 0.5) * group for place in range(len(rows))], [r.title for r in rows])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    _logarithmic_axis(axes, chart.axis, *chart.limits)
    for number, series in enumerate(chart.series):
        present = np.flatnonzero(~np.isnan(values[:, number, 0]))
        y = present * group + GAP / 2 + (number + 0.5) * BOX
        p10, p25, median, p75, p90, mean = values[present, number].T
        colour = _colour(series.number)
        axes.hlines(y, p10, p90, color=colour, linewidth=1.2)
        axes.barh(y, p75 - p25, left=p25, height=BOX - 2, color=colour)
        axes.vlines(median, y - BOX / 2 + 1, y + BOX / 2 - 1, color=PAPER, linewidth=1.6)
        axes.plot(mean, y, "o", markersize=4, color=PAPER, markeredgecolor=INK, clip_on=False)
        for place, value in zip(y, mean, strict=True):
            axes.annotate(
                show(float(value), chart.table.columns[-1].spec),
                (1.09, place),
                xycoords=axes.get_yaxis_transform(),
                ha="right",
                va="center",
                fontsize=9,
            )


def _logarithmic_axis(axes: Axes, title: str, low: float, high: float) -> None:
    """A logarithmic axis; linear below 1 if values are that small."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    if low < 1:
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xlim(0, max(high, 1) * 1.15)
        powers = [10.0**power for power in range(16) if 10**power <= max(high, 1) * 1.15]
        axes.set_xticks([0, *powers])
    else:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.15, high * 1.15)
        few = LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 200 else (1.0,))
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True) if high / low < 5 else few)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel(title, fontsize=9)
    axes.grid(axis="x", linewidth=0.6, alpha=0.35)


def _draw_lines(axes: Axes, chart: Lines) -> None:
    from matplotlib.ticker import StrMethodFormatter

    for curve in chart.curves:
        number = curve.series.number
        axes.plot(
            curve.x,
            curve.y,
            color=_colour(number),
            linestyle=(0, DASHES[number % len(DASHES)] or None),
            linewidth=1.5,
            marker="o" if len(curve.x) <= 12 else None,
            markersize=3.5,
            clip_on=False,
        )
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel(chart.x_axis, fontsize=9)
    axes.grid(axis="y", linewidth=0.6, alpha=0.35)
    axes.spines["bottom"].set_visible(True)


def _draw_points(axes: Axes, chart: Points) -> None:
    front = [chart.points[at] for at in chart.front]
    axes.plot([x for _, x, _ in front], [y for _, _, y in front], color=MUTED, linewidth=0.8)
    for series, x, y in chart.points:
        axes.plot(x, y, "o", markersize=5, color=_colour(series.number), clip_on=False)
        if not chart.named:
            continue
        axes.annotate(
            printable(series.label),
            (x, y),
            xytext=(5, 4),
            textcoords="offset points",
            fontsize=8,
            color=INK,
        )
    axes.margins(0.1)
    axes.set_xlabel(chart.x_axis, fontsize=9)
    axes.set_ylabel(chart.y_axis, fontsize=9)
    axes.grid(linewidth=0.6, alpha=0.35)


def _svg(height: float, key: str, title: str, draw_on: Callable[[Axes], None]) -> str:
    """Draw on one pair of axes of ``WIDTH`` x ``height`` pixels and return an ``<svg>``."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context():  # not the user's settings, and not for the whole process
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**SETTINGS, "svg.hashsalt": key})
        figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)  # a pixel is 1/72 inch
        FigureCanvasSVG(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.spines[:].set_visible(False)
        axes.set_axisbelow(True)
        axes.tick_params(length=3, labelsize=9)
        draw_on(axes)
        buffer = io.StringIO()
        figure.savefig(
            buffer, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None}
        )
    return _for_page(buffer.getvalue(), key, title)


def _for_page(document: str, key: str, title: str) -> str:
    """Turn Matplotlib's SVG document into an element of a page."""
    drawing = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", document, flags=re.DOTALL)
    box, inner = re.search(r'viewBox="([^"]*)"[^>]*>(.*)</svg>', drawing, re.DOTALL).groups()  # type: ignore[union-attr]
    inner = re.sub(r'<g id="[^"]*"', "<g", inner)  # the same in every drawing
    inner = re.sub(r"font-family: [^;\"]*;? ?", "", inner)
    inner = re.sub(r'<path d="[^"]*" style="fill: none"/>', "", inner)  # empty backgrounds
    inner = re.sub(r"#0a0[bc][0-9a-f]{2}", lambda found: PROPERTIES[found[0]], inner)
    inner = re.sub(r"\s*\n\s*", "\n", inner)
    return (
        f'<svg viewBox="{box}" style="--width: {box.split()[2]}px" role="img" '
        f'aria-labelledby="{key}-title">\n<title id="{key}-title">{escape(title)}</title>'
        f"{inner}</svg>"
    )
