"""One table for everything that prints tables: terminal, Markdown, and the report's page.

A :class:`Table` is plain data. :func:`to_rich` renders it for a terminal, :func:`to_markdown` for
Markdown; the report's template renders it as HTML. Numbers are formatted by :func:`show` only.
All texts are plain text: a renderer escapes them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from evenrank.text import printable

if TYPE_CHECKING:
    import rich.table

Better = Literal["higher", "lower", "none"]
Tone = Literal["", "good", "bad", "open", "strong"]
Value = float | str | None
"""A number, a text, or ``None`` where there is nothing to show."""

NOTHING = "–"
MARK = "•"

_STYLES: dict[Tone, str] = {
    "": "",
    "good": "green",
    "bad": "red",
    "open": "yellow",
    "strong": "bold",
}
_ARROWS: dict[Better, str] = {"higher": " ↑", "lower": " ↓", "none": ""}
_SPECIAL = re.compile(r"([\\`*_\[\]#|<>~$&])")
_LIST_OR_RULE = re.compile(r"^(\d*)([-+=.)])")


def show(value: Value, spec: str = ".4f") -> str:
    """Return a value as it is printed; a dash where there is no value.

    There is no zero before the point if two or more digits follow.

    >>> show(0.79184), show(1215.26, ",.1f"), show(-0.0125, "+.4f"), show(None), show("en")
    ('.7918', '1,215.3', '−.0125', '–', 'en')
    """
    if isinstance(value, str):
        return printable(value)
    if value is None or not math.isfinite(value):
        return NOTHING
    text = format(value, spec)
    if not re.search("[1-9]", text):  # no minus before a zero
        text = text.replace("-", "+" if spec.startswith("+") else "")
    return re.sub(r"^([+-]?)0(\.\d\d+)$", r"\1\2", text).replace("-", "−")


@dataclass(frozen=True)
class Cell:
    """A cell that is more than its value.

    Attributes:
        value: Its value.
        aside: Small print next to the value, such as an interval or a mark.
        tone: What the value means: ``good``, ``bad``, ``open`` (undecided) or ``strong``.
        spec: How its number is printed, if not as the rest of the column.
        shade: Strength of its colour in a heat map, -1..1: the sign chooses the colour.
    """

    value: Value
    aside: str = ""
    tone: Tone = ""
    spec: str | None = None
    shade: float | None = None


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column.

    Attributes:
        title: Its heading.
        group: A heading above it, shared with its neighbours of the same group.
        better: Which direction is better.
        spec: How its numbers are printed, as a format specification.
        term: A term that its heading (of the group, if there is one) links to, in a page.
        text: Whether it contains words: these are aligned at the start, numbers at the end.
    """

    title: str
    group: str = ""
    better: Better = "none"
    spec: str = ".4f"
    term: str = ""
    text: bool = False

    @property
    def heading(self) -> str:
        """Group and title on one line."""
        return f"{self.group}, {self.title}" if self.group else self.title


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row.

    Attributes:
        title: Its heading, shown in the first column.
        cells: One for each column.
        role: ``frame`` rows are for reference, ``total`` rows summarise the rows above.
        terms: The terms that the row defines, for links from headings.
    """

    title: str
    cells: tuple[Value | Cell, ...]
    role: Literal["plain", "frame", "total"] = "plain"
    terms: tuple[str, ...] = ()

    @property
    def full_cells(self) -> tuple[Cell, ...]:
        """The cells, plain values included, as :class:`Cell`."""
        return tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in self.cells)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    Attributes:
        caption: What it shows; printed above it.
        head: Heading of the column of the rows' titles.
        columns: The other columns.
        rows: The rows.
        best: The best values are marked down each column, across each group of columns, or not.
        note: Small print below it; a terminal shows its lines as they are.
    """

    caption: str
    head: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    best: Literal["down", "across", "none"] = "none"
    note: str = ""
    kind: Literal["table"] = field(default="table", init=False)

    def texts(self) -> list[list[str]]:
        """Return the cells as they are printed, by row, without their small print."""
        return [
            [
                show(cell.value, column.spec if cell.spec is None else cell.spec)
                for cell, column in zip(row.full_cells, self.columns, strict=True)
            ]
            for row in self.rows
        ]

    def groups(self) -> list[tuple[Column, int]]:
        """Return the headings above the columns: the first column of each, and how many."""
        groups = groupby(self.columns, key=lambda column: column.group)
        return [(first, 1 + len(others)) for _, (first, *others) in groups]

    @property
    def shaded(self) -> bool:
        """Whether it is a heat map."""
        return any(cell.shade is not None for row in self.rows for cell in row.full_cells)


def best_cells(table: Table) -> frozenset[tuple[int, int]]:
    """Return (row, column) of the best cells; values that print the same are all best.

    Nothing is best among fewer than two values, or where all values print the same.

    >>> table = Table(
    ...     caption="", head="", best="down", columns=(Column(title="AP", better="higher"),),
    ...     rows=(Row(title="a", cells=(0.5,)), Row(title="b", cells=(0.6,))),
    ... )
    >>> sorted(best_cells(table))
    [(1, 0)]
    """
    rows = [number for number, row in enumerate(table.rows) if row.role == "plain"]
    columns = range(len(table.columns))
    if table.best == "down":
        contests = [[(row, column) for row in rows] for column in columns]
    elif table.best == "across":
        rows = [number for number, row in enumerate(table.rows) if row.role != "frame"]
        groups = dict.fromkeys(column.group for column in table.columns)
        contests = [
            [(row, column) for column in columns if table.columns[column].group == group]
            for row in rows
            for group in groups
        ]
    else:
        return frozenset()
    texts = table.texts()
    return frozenset(cell for contest in contests for cell in _winners(table, texts, contest))


def _winners(
    table: Table, texts: list[list[str]], contest: list[tuple[int, int]]
) -> list[tuple[int, int]]:
    better = table.columns[contest[0][1]].better if contest else "none"
    values = {
        (row, column): float(value)
        for row, column in contest
        if isinstance(value := table.rows[row].full_cells[column].value, int | float)
        and math.isfinite(value)
    }
    if better == "none" or len(values) < 2:
        return []
    row, column = (max if better == "higher" else min)(values, key=lambda cell: values[cell])
    winners = [cell for cell in values if texts[cell[0]][cell[1]] == texts[row][column]]
    return winners if len(winners) < len(values) else []


def to_rich(table: Table) -> rich.table.Table:
    """Return the table for a terminal: the best values in bold, tones as colours."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(
        box=SIMPLE_HEAD,
        title=Text(f"\n{printable(table.caption)}", style="bold") if table.caption else None,
        title_justify="left",
        caption=Text("\n".join(map(printable, table.note.splitlines()))) if table.note else None,
        caption_justify="left",
        padding=(0, 1, 0, 0),
        show_edge=False,
        show_header=bool(table.head or any(column.heading for column in table.columns)),
    )
    shown.add_column(Text(printable(table.head)), overflow="fold")
    for column in table.columns:
        heading = "\n".join(printable(part) for part in (column.group, column.title) if part)
        justify: Literal["left", "right"] = "left" if column.text else "right"
        shown.add_column(Text(heading), justify=justify, overflow="fold")
    best = best_cells(table)
    for number, (row, texts) in enumerate(zip(table.rows, table.texts(), strict=True)):
        if row.role == "total":
            shown.add_section()
        cells = [Text(printable(row.title))]
        for place, (cell, text) in enumerate(zip(row.full_cells, texts, strict=True)):
            plain = text if isinstance(cell.value, str) else text.replace("−", "-")
            style = "bold" if (number, place) in best else _STYLES[cell.tone]
            aside = printable(cell.aside).replace("−", "-")
            cells.append(Text(f"{plain} {aside}" if aside else plain, style=style))
        shown.add_row(*cells, style="dim" if row.role == "frame" else None)
    return shown


def to_markdown(table: Table) -> str:
    """Return the table as GitHub's Markdown, with caption and note; the best values in bold."""
    return "\n\n".join(_markdown(table))


def _markdown(table: Table) -> Iterator[str]:
    if table.caption:
        yield f"**{escape_markdown(table.caption)}**"
    headings = [column.heading + _ARROWS[column.better] for column in table.columns]
    rules = [":--" if column.text else "--:" for column in table.columns]
    best = best_cells(table)
    lines = [
        f"| {' | '.join(map(escape_markdown, [table.head, *headings]))} |",
        f"|{'|'.join([':--', *rules])}|",
    ]
    for number, (row, texts) in enumerate(zip(table.rows, table.texts(), strict=True)):
        title = escape_markdown(row.title)
        cells = [f"_{title}_" if row.role == "frame" else title]
        for place, (cell, text) in enumerate(zip(row.full_cells, texts, strict=True)):
            safe = escape_markdown(text)
            strong = (number, place) in best or cell.tone == "strong"
            safe = f"**{safe}**" if strong and safe else safe
            cells.append(f"{safe} {escape_markdown(cell.aside)}".strip())
        lines.append(f"| {' | '.join(cells)} |")
    yield "\n".join(lines)
    if table.note:
        yield markdown_paragraph(table.note)


def escape_markdown(text: str) -> str:
    r"""Return a text such that Markdown shows it as it is, on one line.

    >>> print(escape_markdown("<b>a|b</b>"))
    \<b\>a\|b\</b\>
    """
    return _SPECIAL.sub(r"\\\1", " ".join(printable(text).split()))


def markdown_paragraph(text: str) -> str:
    """Return a text as one paragraph of Markdown, also if it begins like a list or a rule."""
    return _LIST_OR_RULE.sub(r"\1\\\2", escape_markdown(text))
