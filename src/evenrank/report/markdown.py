"""A report as Markdown, with tables that GitHub renders."""

from __future__ import annotations

import re
from collections.abc import Iterator

from evenrank.report.content import (
    Block,
    Download,
    Figure,
    Fold,
    Listing,
    QueryResults,
    Quote,
    Report,
    Text,
)
from evenrank.tables import Table, escape_markdown, markdown_paragraph, to_markdown
from evenrank.text import printable


def render_markdown(report: Report) -> str:
    """Return the report as Markdown; charts become tables of their numbers."""
    return "\n\n".join(_paragraphs(report)) + "\n"


def _paragraphs(report: Report) -> Iterator[str]:
    yield f"# {escape_markdown(report.title)}"
    yield markdown_paragraph(report.lead)
    for part in report.parts:
        yield f"## {escape_markdown(part.title)}"
        if part.lead:
            yield markdown_paragraph(part.lead)
        for section in part.sections:
            yield f"### {escape_markdown(section.title)}"
            for block in section.blocks:
                yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Text():
            yield markdown_paragraph(block.text)
        case Table():
            yield to_markdown(block)
        case Figure():
            yield markdown_paragraph(block.caption)
            for panel in block.panels:
                yield to_markdown(panel if isinstance(panel, Table) else panel.table)
        case QueryResults():
            yield from _query(block)
        case Listing():
            yield markdown_paragraph(f"{block.title}:")
            yield _fenced(block.text)
        case Fold():
            yield f"**{escape_markdown(block.title)}**"
            for inner in block.blocks:
                yield from _block(inner)
        case Download():
            yield markdown_paragraph(f"{block.table.caption}: in the HTML page and in JSON.")


def _query(block: QueryResults) -> Iterator[str]:
    number = block.number.replace(".", "\\. ")
    yield f"> {number}{_quote(block.query)} {escape_markdown(block.summary)}".rstrip()
    for title, found in block.rankings:
        if title:
            yield f"**{escape_markdown(title)}**"
        if found:
            yield "\n".join(
                f"- {_quote(one.passage)} ({escape_markdown(one.facts)})" for one in found
            )
    if block.ranks:
        yield to_markdown(block.ranks)


def _quote(quote: Quote) -> str:
    """Return a text with its language, isolated so that it turns no text around it."""
    return f"`{quote.lang}` \u2068{escape_markdown(quote.text)}\u2069"


def _fenced(text: str) -> str:
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = "\n".join(map(printable, text.splitlines()))
    return f"{fence}json\n{lines}\n{fence}"
