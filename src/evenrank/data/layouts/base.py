"""What a layout is: rows of another tool or data set, and how they become rows with our fields.

A layout does not depend on the form of the source: JSON lines, CSV, Parquet, a folder or the Hub.
It neither checks nor renames what our rows have too; ``evenrank.data.rows`` does.

- Rows without an id are called by file and number, so nothing joins them across languages, unless
  the layout knows that rows with one number are translations.
- Passages without an id are called by a digest of their text: the same text is the same passage,
  and so never a negative of itself.
- Several positive passages of a query are several items, ``q1#p1`` and ``q1#p2``, of one passage
  group (``JOINED``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from evenrank.data.readers.base import Part, Row
from evenrank.files import fingerprint_of
from evenrank.languages import language_in
from evenrank.registry import Registry

JOINED = "passages of the query"
"""A field with the ids of the passages that belong together; the row's own is one of them."""


class Place(NamedTuple):
    """Where a row was read."""

    part: Part
    number: int

    @property
    def key(self) -> str:
        """What a row without an id is called."""
        return f"{self.part.key}:{self.number}" if self.part.key else str(self.number)

    @property
    def parallel_key(self) -> str:
        """The same, without the language, for files with translations in the same order."""
        folders = [_without(name, self.part.lang) for name in self.part.key.split("/")]
        return self._replace(part=replace(self.part, key="/".join(filter(None, folders)))).key


def _without(name: str, lang: str | None) -> str:
    """Return the name of a file or folder without the language that is in it."""
    if lang is None or language_in(name) != lang:
        return name
    pieces = re.split("([/._-]+)", name)
    return "".join(piece for piece in pieces if language_in(piece) != lang).strip("._-")


class WrongRow(Exception):
    """What was found in a row, and what was expected."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(found, expected)
        self.found = found
        self.expected = expected


@dataclass(frozen=True)
class Layout:
    """A layout of rows.

    Attributes:
        title: What messages call it.
        fields: Fields that each row has, from which the layout is recognised.
        rows: Returns our rows of one of its rows; none where the data set says that query and
            passage do not belong together. Raises :class:`WrongRow`.
        optional: Fields that a row may have.
        absent: Fields that no row has.
    """

    title: str
    fields: frozenset[str]
    rows: Callable[[Row, Place], Iterable[Row]]
    optional: frozenset[str] = field(default_factory=frozenset)
    absent: frozenset[str] = field(default_factory=frozenset)


LAYOUTS: Registry[Layout] = Registry("row layout", "evenrank.data.layouts")


def layout_of(names: Collection[str]) -> Layout | None:
    """Return the layout of rows with these fields; ``None`` for rows with our own.

    >>> layout_of({"query", "pos", "neg"}).title, layout_of({"id", "query", "passage"})
    ('training data of FlagEmbedding', None)
    """
    there = set(names)
    for name in LAYOUTS:
        layout = LAYOUTS.get(name)
        if layout.fields <= there and not layout.absent & there:
            return layout
    return None


def text_key(text: object) -> object:
    """Return what a passage without an id is called; anything but a text stays as it is.

    >>> text_key("Ada.") == text_key("Ada."), text_key(None)
    (True, None)
    """
    return fingerprint_of(text) if isinstance(text, str) and text else text


def language_fields(row: Row) -> Row:
    """Return the language that a row names, if it does."""
    return {name: row[name] for name in ("lang", "language") if name in row}


def other_passages(negatives: list[Row], positives: list[Row]) -> list[object]:
    """Return the texts of negatives, without those that are a positive passage of the same query.

    Args:
        negatives: ``passage_id`` and ``passage`` of each.
        positives: The same.
    """
    known = [[row[name] for row in positives] for name in ("passage_id", "passage")]
    return [
        row["passage"]
        for row in negatives
        if row["passage_id"] not in known[0] and row["passage"] not in known[1]
    ]


def positives(row: Row, id_: object, passages: list[Row]) -> list[Row]:
    """Return a row for each positive passage of a query.

    Args:
        row: The fields that the rows share.
        id_: The id of the query.
        passages: ``passage_id``, ``passage`` and other fields of each passage.

    Raises:
        WrongRow: There is no passage.
    """
    if not passages:
        raise WrongRow("a query without a positive passage", "at least one")
    if len(passages) == 1:
        return [row | {"id": id_} | passages[0]]
    ids = [passage["passage_id"] for passage in passages]
    joined = {JOINED: ids}
    return [row | {"id": f"{id_}#{p['passage_id']}"} | p | joined for p in passages]
