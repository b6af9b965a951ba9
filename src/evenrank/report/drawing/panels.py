"""Draw the panel of a figure, whatever its kind."""

from __future__ import annotations

from evenrank.report.content import Bars, Boxes, HeatMap, Lines, Panel
from evenrank.report.drawing.bars import draw_bars
from evenrank.report.drawing.boxes import draw_boxes
from evenrank.report.drawing.heatmap import draw_heatmap
from evenrank.report.drawing.lines import draw_lines


def draw_panel(panel: Panel, key: str) -> str:
    """Return a panel as an ``<svg>`` element.

    Args:
        panel: What to draw.
        key: Unique in the page; ids are made from it.
    """
    match panel:
        case HeatMap():
            return draw_heatmap(panel, key)
        case Bars():
            return draw_bars(panel, key)
        case Boxes():
            return draw_boxes(panel, key)
        case Lines():
            return draw_lines(panel, key)
