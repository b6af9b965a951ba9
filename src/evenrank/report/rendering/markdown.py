"""A report as Markdown, with tables that GitHub renders."""

from __future__ import annotations

import re
from collections.abc import Iterator

from evenrank.report.content import (
    Block,
    Column,
    Failures,
    Figure,
    Listing,
    Placed,
    Quote,
    Rankings,
    Report,
    Table,
    Text,
    best_cells,
    show,
)
from evenrank.report.rendering.numbers import panel_table

SPECIAL = re.compile(r"([\\`*_\[\]#|<>~$&])")
LIST_OR_RULE = re.compile(r"^(\d*)([-+=.)])")
ARROWS = {"higher": " ↑", "lower": " ↓", "none": ""}


def render_markdown(report: Report) -> str:
    """Return the report as Markdown; figures become tables of their numbers."""
    return "\n\n".join(_paragraphs(report)) + "\n"


def escape(text: str) -> str:
    r"""Return text such that Markdown shows it as it is, on one line.

    >>> print(escape("<b>a|b</b>"))
    \<b\>a\|b\</b\>
    """
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _paragraph(text: str) -> str:
    """Return text as a paragraph, whatever it begins with."""
    return LIST_OR_RULE.sub(r"\1\\\2", escape(text))


def _paragraphs(report: Report) -> Iterator[str]:
    yield f"# {escape(report.title)}"
    yield _paragraph(report.lead)
    for part in report.parts:
        yield f"## {escape(part.title)}"
        if part.lead:
            yield _paragraph(part.lead)
        for section in part.sections:
            yield f"### {escape(section.title)}"
            for block in section.blocks:
                yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Text():
            yield _paragraph(block.text)
        case Table():
            yield from _table(block)
        case Figure():
            yield _paragraph(block.caption)
            for panel in block.panels:
                yield from _table(panel_table(panel))
        case Rankings():
            yield from _rankings(block)
        case Failures():
            yield from _failures(block)
        case Listing():
            yield _paragraph(f"{block.title}:")
            yield _fenced(block.text)


def _table(table: Table) -> Iterator[str]:
    best = best_cells(table)
    yield f"**{escape(table.caption)}**"
    lines = [
        _line([table.head, *map(_heading, table.columns)]),
        "|".join(["", ":--", *(["--:"] * len(table.columns)), ""]),
    ]
    for number, row in enumerate(table.rows):
        cells = [
            (show(value, column.spec), (number, place) in best)
            for place, (value, column) in enumerate(zip(row.cells, table.columns, strict=True))
        ]
        title = f"_{escape(row.title)}_" if row.role == "frame" else escape(row.title)
        marked = [f"**{escape(text)}**" if bold else escape(text) for text, bold in cells]
        marked = [f"{text} {escape(row.aside(at))}".strip() for at, text in enumerate(marked)]
        lines.append("| " + " | ".join([title, *marked]) + " |")
    yield "\n".join(lines)
    if table.note:
        yield _paragraph(table.note)


def _heading(column: Column) -> str:
    title = f"{column.group}, {column.title}" if column.group else column.title
    return title + ARROWS[column.better]


def _line(texts: list[str]) -> str:
    return "| " + " | ".join(escape(text) for text in texts) + " |"


def _rankings(rankings: Rankings) -> Iterator[str]:
    yield f"> {_quote(rankings.question)}"
    for answers in rankings.answers:
        yield f"**{escape(answers.series.label)}**"
        yield "\n".join(
            [
                _line(["Rank", "Passage", "Score", "Answer"]),
                "|--:|:--|--:|:-:|",
                *(
                    f"| {answer.rank:,d} | {_quote(answer.passage)} | {answer.score:.3f} | "
                    f"{'✓' if answer.relevant else ''} |"
                    for answer in answers.answers
                ),
            ]
        )
    yield from _table(rankings.ranks)


def _failures(failures: Failures) -> Iterator[str]:
    yield f"**{escape(failures.title)}**"
    yield from _table(failures.overview)
    labels = [series.label for series in failures.series]
    for number, failure in enumerate(failures.questions, 1):
        yield f"> {number}\\. {_quote(failure.question)} {escape(failure.summary)}"
        if failure.passages:
            yield "\n".join(
                [
                    _line([*labels, "Passage"]),
                    "|".join(["", *(["--:"] * len(labels)), ":--", ""]),
                    *map(_placed, failure.passages),
                ]
            )


def _placed(placed: Placed) -> str:
    ranks = [escape(show(rank, ",d")) for rank in placed.ranks]
    note = f" ({escape(placed.note)})" if placed.note else ""
    return "| " + " | ".join([*ranks, _quote(placed.passage) + note]) + " |"


def _quote(quote: Quote) -> str:
    """Return a text with its language, isolated so that it turns nothing around it."""
    return f"`{quote.lang}` \u2068{escape(quote.text)}\u2069"


def _fenced(text: str) -> str:
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}json\n{text}\n{fence}"
