"""A report as one HTML page that needs no other file."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from base64 import b64encode
from collections.abc import Iterable, Iterator
from functools import partial
from importlib.resources import files
from itertools import count
from urllib.parse import quote

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from evenrank.languages import is_right_to_left
from evenrank.report.content import Block, Boxes, Download, Figure, Fold, Lines, Points, Report
from evenrank.report.drawing import SERIES_COLOURS, dash_pattern, draw
from evenrank.report.heatmap import MANY
from evenrank.tables import Table, best_cells
from evenrank.text import printable

SHADES = 20
"""Steps of a colour in heat maps."""

DARK = 0.65
"""From this strength of colour on, text has the colour of the page: contrast is equal there."""


def render_html(report: Report) -> str:
    """Return the page: inline style and SVG, no request to anywhere.

    All texts of the results are escaped, and a content security policy allows nothing but the
    style and, if a table is long enough to be searched, one script that is known by its hash.
    """
    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    tables = list(
        _tables(block for part in report.parts for s in part.sections for block in s.blocks)
    )
    script = _template("search.js") if any(map(_is_long, tables)) else ""
    environment.globals.update(
        best_cells=best_cells,
        csv_file=_csv_file,
        dark=DARK,
        dash_pattern=dash_pattern,
        direction=lambda lang: "rtl" if is_right_to_left(lang) else "auto",
        is_long=_is_long,
        script=Markup(script),
        script_hash=b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        series_colours=SERIES_COLOURS,
        shade_class=_shade_class,
        shades=SHADES,
        style=Markup(_template("report.css")),
        svg=partial(_svg, count(1)),
        term_id=lambda term: f"term-{quote(term, safe='').replace('%', '.')}",
        terms={term for table in tables for row in table.rows for term in row.terms},
    )
    return environment.get_template("report.html").render(report=report)


def _template(name: str) -> str:
    return (files("evenrank.report") / "templates" / name).read_text(encoding="utf-8")


def _tables(blocks: Iterable[Block]) -> Iterator[Table]:
    for block in blocks:
        if isinstance(block, Table):
            yield block
        elif isinstance(block, Fold):
            yield from _tables(block.blocks)
        elif isinstance(block, Figure):
            yield from (p if isinstance(p, Table) else p.table for p in block.panels)


def _is_long(table: Table) -> bool:
    """Return whether a table has its own scroll bar and can be searched."""
    return len(table.rows) > MANY


def _svg(numbers: count[int], chart: Boxes | Lines | Points) -> Markup:
    return Markup(draw(chart, f"chart-{next(numbers)}"))


def _shade_class(shade: float) -> str:
    """Return the classes of a heat map's cell: colour and strength, and ``dark`` if so."""
    strength = min(1.0, abs(shade))
    name = f"{'m' if shade >= 0 else 'l'}{round(strength * SHADES)}"
    return f"{name} dark" if round(strength * SHADES) / SHADES >= DARK else name


def _csv_file(download: Download) -> str:
    """Return a table as the URL of a compressed CSV file; the same table gives the same bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    table = download.table
    writer.writerow([table.head, *(column.heading for column in table.columns)])
    for row in table.rows:
        numbers = (
            format(cell.value, ".4g") if isinstance(cell.value, float) else cell.value
            for cell in row.full_cells
        )
        writer.writerow([row.title, *numbers])
    data = gzip.compress(text.getvalue().encode(), mtime=0)
    return f"data:application/gzip;base64,{b64encode(data).decode()}"
