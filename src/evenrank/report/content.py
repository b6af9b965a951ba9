"""What a report consists of, as plain data: HTML, Markdown and JSON render the same blocks.

A :class:`Report` has parts (one for each benchmark, then one about all results), a part has
sections, a section has blocks. All texts are plain text: a renderer escapes them.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Literal

from evenrank.tables import Column, Row, Table

STEPS = 12
"""Rows of the table of a curve: steps at equal distances."""


@dataclass(frozen=True)
class Series:
    """A result in a chart: its label, and the number that fixes its colour everywhere."""

    number: int
    label: str


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """Box plots on a logarithmic axis: for each row of a table, one box for each series.

    Attributes:
        axis: What the numbers are.
        series: The results.
        limits: The smallest and the largest number of the axis, common to the panels of a figure.
        table: For each series the columns 10 %, 25 %, median, 75 %, 90 % and mean.
    """

    axis: str
    series: tuple[Series, ...]
    limits: tuple[float, float]
    table: Table
    kind: Literal["boxes"] = field(default="boxes", init=False)


@dataclass(frozen=True)
class Curve:
    """A line through points, ``x`` ascending."""

    series: Series
    x: tuple[float, ...]
    y: tuple[float, ...]

    def at(self, x: float) -> float | None:
        """Return the last value that is known at ``x``."""
        place = bisect_right(self.x, x)
        return self.y[place - 1] if place else None


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Curves over a common axis."""

    title: str
    x_axis: str
    y_axis: str
    curves: tuple[Curve, ...]
    kind: Literal["lines"] = field(default="lines", init=False)

    @property
    def table(self) -> Table:
        """The values of the curves at a few steps."""
        longest = max((curve.x for curve in self.curves), key=len)
        count = min(STEPS, len(longest))
        steps = [longest[round((n + 1) * len(longest) / count) - 1] for n in range(count)]
        return Table(
            caption=f"{self.title}: {self.y_axis}",
            head=self.x_axis,
            columns=tuple(Column(title=curve.series.label, spec=".4g") for curve in self.curves),
            rows=tuple(
                Row(title=f"{step:,.0f}", cells=tuple(curve.at(step) for curve in self.curves))
                for step in steps
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Points:
    """Points in a plane, such as two figures of each system; more of both is better.

    Attributes:
        title: What they show.
        x_axis: The first figure.
        y_axis: The second figure.
        points: Series and its two figures.
        named: Whether the labels are next to the points; not where there are too many.
    """

    title: str
    x_axis: str
    y_axis: str
    points: tuple[tuple[Series, float, float], ...]
    named: bool = True
    kind: Literal["points"] = field(default="points", init=False)

    @property
    def front(self) -> tuple[int, ...]:
        """Places of the points on the Pareto front, by their first figure."""
        order = sorted(
            range(len(self.points)), key=lambda at: (-self.points[at][1], -self.points[at][2])
        )
        front: list[int] = []
        for at in order:
            if not front or self.points[at][2] > self.points[front[-1]][2]:
                front.append(at)
        return tuple(reversed(front))

    @property
    def table(self) -> Table:
        """The points, those on the front marked."""
        front = set(self.front)
        return Table(
            caption=self.title,
            head="",
            columns=(
                Column(title=self.x_axis),
                Column(title=self.y_axis),
                Column(title="on the front", text=True),
            ),
            rows=tuple(
                Row(title=series.label, cells=(x, y, "yes" if at in front else ""))
                for at, (series, x, y) in enumerate(self.points)
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What the colours of heat maps mean: the value at each end, and in the middle."""

    low: str
    high: str
    middle: str = ""
    diverging: bool = False


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Heat maps (tables with shaded cells) or charts under one caption."""

    caption: str
    panels: tuple[Table | Boxes | Lines | Points, ...]
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
    """Text whose lines stay as they are, such as a configuration; a page folds it."""

    title: str
    text: str
    kind: Literal["listing"] = field(default="listing", init=False)


@dataclass(frozen=True)
class Download:
    """A table that is too large to be read; a page offers it as a compressed CSV file."""

    file: str
    table: Table
    kind: Literal["download"] = field(default="download", init=False)


@dataclass(frozen=True)
class Quote:
    """A text of a benchmark, in its language."""

    lang: str
    text: str


@dataclass(frozen=True)
class Found:
    """A passage in a ranking, with facts such as its rank."""

    passage: Quote
    facts: str
    relevant: bool


@dataclass(frozen=True, kw_only=True)
class QueryResults:
    """A query and what was found for it.

    Attributes:
        query: The query.
        number: Its place in a list of queries, or nothing.
        summary: Its result in a few words, or nothing.
        rankings: Passages, each list under a title (a result's label, or nothing).
        ranks: The ranks of the relevant passages, if they are not with the passages.
        open: Whether a page shows the rankings from the start.
    """

    query: Quote
    number: str = ""
    summary: str = ""
    rankings: tuple[tuple[str, tuple[Found, ...]], ...]
    ranks: Table | None = None
    open: bool = False
    kind: Literal["query"] = field(default="query", init=False)


@dataclass(frozen=True)
class Fold:
    """Blocks that a page shows when the reader opens them.

    Attributes:
        title: What they show.
        blocks: The blocks.
        open: Whether the page shows them from the start.
    """

    title: str
    blocks: tuple[Table | Figure | Listing | QueryResults | Download, ...]
    open: bool = False
    kind: Literal["fold"] = field(default="fold", init=False)


Block = Text | Table | Figure | Listing | Download | QueryResults | Fold


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
