"""How a section of a report is defined and found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from evenrank.registry import Registry
from evenrank.report.content import Block
from evenrank.report.entry import Entry

Scope = Literal["benchmark", "report"]
Entries = Sequence[Entry]
ContentFunction = Callable[[Entries], Iterable[Block]]


@dataclass(frozen=True)
class Section:
    """A registered section.

    Attributes:
        name: Its name, also the anchor in the page.
        title: Its heading.
        order: Sections are shown in ascending order.
        scope: Whether it is about the results on one benchmark, or about all results.
        applies: Whether there is anything to show for these results.
        content: Its blocks for these results.
    """

    name: str
    title: str
    order: int
    scope: Scope
    applies: Callable[[Entries], bool]
    content: ContentFunction


SECTIONS: Registry[Section] = Registry("report section", "evenrank.report.sections")


def section(
    name: str,
    title: str,
    *,
    order: int,
    scope: Scope = "benchmark",
    applies: Callable[[Entries], bool] = bool,
) -> Callable[[ContentFunction], ContentFunction]:
    """Return a decorator that registers a function as the content of a section."""

    def register(content: ContentFunction) -> ContentFunction:
        SECTIONS.register(name, Section(name, title, order, scope, applies, content))
        return content

    return register


def sections_in_order(scope: Scope) -> list[Section]:
    """Return the sections of one scope, in the order of the page."""
    found = [SECTIONS.get(name) for name in SECTIONS]
    return sorted(
        (section for section in found if section.scope == scope),
        key=lambda section: (section.order, section.name),
    )
