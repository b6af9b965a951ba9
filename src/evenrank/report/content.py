"""What a report is made of, as plain data: HTML, Markdown and JSON all render the same blocks.

A :class:`Report` has parts (one for each benchmark, then one about all results); a part has
sections; a section has blocks: paragraphs, tables, figures, listings, rankings, failures. Texts
are plain text: whoever renders them escapes them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

Better = Literal["higher", "lower", "none"]
Value = float | str | None
"""A cell: a number, a text, or ``None`` where there is nothing to show."""

NOTHING = "–"
MARK = "•"


def show(value: Value, spec: str = ".4f") -> str:
    """Return a cell's value as it is printed; a dash where there is none.

    >>> show(0.79184), show(-12.34, "+,.1f"), show(None), show("en")
    ('0.7918', '−12.3', '–', 'en')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NOTHING
    return value if isinstance(value, str) else format(value, spec).replace("-", "−")


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its heading.
        group: A heading above it, shared with its neighbours of the same group.
        better: Which direction is better.
        spec: How its numbers are printed, as a format specification.
    """

    title: str
    group: str = ""
    better: Better = "none"
    spec: str = ".4f"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of a table.

    Attributes:
        title: Its heading.
        cells: Its values, one for each column.
        role: ``frame`` rows are for reference, ``total`` rows sum the others up.
        asides: Small print beside each cell, such as an interval or a mark; empty for none.
    """

    title: str
    cells: tuple[Value, ...]
    role: Literal["plain", "frame", "total"] = "plain"
    asides: tuple[str, ...] = ()

    def aside(self, column: int) -> str:
        """Return the small print of a cell."""
        return self.asides[column] if self.asides else ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; the best values are marked down each column or across each group of columns."""

    caption: str
    head: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    best: Literal["down", "across", "none"] = "none"
    note: str = ""
    kind: Literal["table"] = field(default="table", init=False)


@dataclass(frozen=True)
class Series:
    """A result in a figure: its label, and the number that fixes its colour everywhere."""

    number: int
    label: str


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """A matrix of numbers with a colour each.

    Attributes:
        title: What the panel shows; also its description for who cannot see it.
        row_axis: What the rows are.
        column_axis: What the columns are.
        rows: ``R`` names.
        columns: ``C`` names.
        values: ``R`` x ``C`` numbers, ``None`` where there is none.
        shades: ``R`` x ``C`` strengths of colour: -1..1, where the sign chooses the colour, and 0
            is the colour of the page.
        spec: How the numbers are printed.
        marked: ``R`` x ``C``, which squares carry a dot; empty for none.
    """

    title: str
    row_axis: str
    column_axis: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    shades: tuple[tuple[float | None, ...], ...]
    spec: str = ".2f"
    marked: tuple[tuple[bool, ...], ...] = ()
    kind: Literal["heatmap"] = field(default="heatmap", init=False)


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Horizontal bars: for each category, one bar for each series."""

    title: str
    axis: str
    categories: tuple[str, ...]
    series: tuple[Series, ...]
    values: tuple[tuple[float | None, ...], ...]
    """One row of numbers for each series, one number for each category."""
    spec: str = ",.0f"
    kind: Literal["bars"] = field(default="bars", init=False)


@dataclass(frozen=True)
class Spread:
    """A distribution in six numbers; quantiles by linear interpolation."""

    p10: float
    p25: float
    median: float
    p75: float
    p90: float
    mean: float


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """Horizontal boxes on a logarithmic axis: for each category, one for each series."""

    title: str
    axis: str
    categories: tuple[str, ...]
    series: tuple[Series, ...]
    values: tuple[tuple[Spread | None, ...], ...]
    spec: str = ",.0f"
    kind: Literal["boxes"] = field(default="boxes", init=False)


@dataclass(frozen=True)
class Curve:
    """A line through points, ``x`` ascending."""

    series: Series
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Curves over a common axis."""

    title: str
    x_axis: str
    y_axis: str
    curves: tuple[Curve, ...]
    spec: str = ".4g"
    kind: Literal["lines"] = field(default="lines", init=False)


Panel = HeatMap | Bars | Boxes | Lines


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What the colours of heat maps mean: the value at either end, and in the middle."""

    low: str
    high: str
    middle: str = ""
    diverging: bool = False


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One or more panels under one caption."""

    caption: str
    panels: tuple[Panel, ...]
    legend: tuple[Series, ...] = ()
    scale: Scale | None = None
    kind: Literal["figure"] = field(default="figure", init=False)


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: Literal["text"] = field(default="text", init=False)


@dataclass(frozen=True)
class Listing:
    """Text that keeps its lines, such as a configuration; folded away where it can be."""

    title: str
    text: str
    kind: Literal["listing"] = field(default="listing", init=False)


@dataclass(frozen=True)
class Quote:
    """Text of a benchmark, in its language."""

    lang: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A passage in a ranking."""

    rank: int
    score: float
    relevant: bool
    passage: Quote


@dataclass(frozen=True, kw_only=True)
class Answers:
    """One result's best passages for a question."""

    series: Series
    answers: tuple[Answer, ...]


@dataclass(frozen=True, kw_only=True)
class Rankings:
    """A question with the best passages of each result, side by side."""

    question: Quote
    answers: tuple[Answers, ...]
    ranks: Table
    kind: Literal["rankings"] = field(default="rankings", init=False)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A passage with its rank under each result: a number, or a text such as ``"not in run"``."""

    passage: Quote
    ranks: tuple[Value, ...]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A question that is answered badly.

    Attributes:
        question: The question.
        summary: Its best and its worst answer in a few words.
        passages: What stood above the answers, then the answers, the best first.
    """

    question: Quote
    summary: str
    passages: tuple[Placed, ...]


@dataclass(frozen=True, kw_only=True)
class Failures:
    """What one result answers worst: all in a table, then each question by itself, in its order.

    Attributes:
        title: What it shows.
        overview: A row for each question.
        series: The results that the ranks of passages are about, in this order.
        questions: The questions.
    """

    title: str
    overview: Table
    series: tuple[Series, ...]
    questions: tuple[Failure, ...]
    kind: Literal["failures"] = field(default="failures", init=False)


Block = Text | Table | Figure | Listing | Rankings | Failures


@dataclass(frozen=True, kw_only=True)
class SectionContent:
    """A section, filled."""

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class Part:
    """The sections about one benchmark, or about all results."""

    title: str
    lead: str
    sections: tuple[SectionContent, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """A whole report."""

    title: str
    lead: str
    parts: tuple[Part, ...]


def best_cells(table: Table) -> frozenset[tuple[int, int]]:
    """Return (row, column) of the cells that are best; values printed alike are all best.

    Nothing is best among fewer than two values, or where all are alike.

    >>> table = Table(
    ...     caption="", head="", best="down", columns=(Column(title="AP", better="higher"),),
    ...     rows=(Row(title="a", cells=(0.5,)), Row(title="b", cells=(0.6,))),
    ... )
    >>> sorted(best_cells(table))
    [(1, 0)]
    """
    rows = [number for number, row in enumerate(table.rows) if row.role != "frame"]
    columns = range(len(table.columns))
    if table.best == "down":
        contests = [[(row, column) for row in rows] for column in columns]
    elif table.best == "across":
        groups = dict.fromkeys(column.group for column in table.columns)
        contests = [
            [(row, column) for column in columns if table.columns[column].group == group]
            for row in rows
            for group in groups
        ]
    else:
        contests = []
    return frozenset(cell for contest in contests for cell in _winners(table, contest))


def _winners(table: Table, contest: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the best of some cells of a table."""
    column = table.columns[contest[0][1]] if contest else None
    values = {
        cell: float(value)
        for cell in contest
        if isinstance(value := table.rows[cell[0]].cells[cell[1]], int | float)
        and math.isfinite(value)
    }
    if column is None or column.better == "none" or len(values) < 2:
        return []
    pick = max if column.better == "higher" else min
    best = show(pick(values.values()), column.spec)
    winners = [cell for cell, value in values.items() if show(value, column.spec) == best]
    return winners if len(winners) < len(values) else []
