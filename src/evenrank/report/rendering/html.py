"""A report as one HTML page that needs nothing but itself."""

from __future__ import annotations

from functools import partial
from importlib.resources import files
from itertools import count, groupby

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from evenrank.languages import is_right_to_left
from evenrank.report.content import (
    Better,
    Failures,
    Panel,
    Placed,
    Report,
    Table,
    best_cells,
    show,
)
from evenrank.report.drawing.lines import dash_pattern
from evenrank.report.drawing.panels import draw_panel
from evenrank.report.drawing.svg import SERIES_COLOURS
from evenrank.report.rendering.numbers import panel_table


def render_html(report: Report) -> str:
    """Return the page: inline styles and SVG, no script, and no request to anywhere.

    Whatever the results hold is escaped; a content security policy stands behind that.
    """
    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        best_cells=best_cells,
        direction=_direction,
        dashes=lambda series: dash_pattern(series.number),
        groups=_groups,
        panel_table=panel_table,
        series_colours=SERIES_COLOURS,
        show=show,
        standing=_standing,
        svg=partial(_svg, count(1)),
    )
    style = Markup(_template("report.css"))
    return environment.get_template("report.html").render(report=report, style=style)


def _template(name: str) -> str:
    return (files("evenrank.report") / "templates" / name).read_text(encoding="utf-8")


def _svg(numbers: count[int], panel: Panel) -> Markup:
    # Matplotlib's text and ours were escaped when the element was serialised
    return Markup(draw_panel(panel, f"panel-{next(numbers)}"))


def _direction(lang: str) -> str:
    """Return the value of ``dir`` for a text: Arabic that begins with a Latin name stays Arabic."""
    return "rtl" if is_right_to_left(lang) else "auto"


def _standing(failures: Failures, placed: Placed) -> str:
    """Return a passage's rank under each result that is known to rank it, and what is noted."""
    labels = [series.label for series in failures.series] if len(failures.series) > 1 else ["rank"]
    facts = [
        f"{label} {show(rank, ',d')}"
        for label, rank in zip(labels, placed.ranks, strict=True)
        if rank is not None
    ]
    return " · ".join([*facts, placed.note] if placed.note else facts)


def _groups(table: Table) -> list[tuple[str, int, Better]]:
    """Return the headings above the columns: text, number of columns, which way is better."""
    groups = groupby(table.columns, key=lambda column: column.group)
    return [(name, len(columns), columns[0].better) for name, (*columns,) in groups]
