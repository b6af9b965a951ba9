"""What a corpus reader is: it recognises a source, and streams the rows as they stand there.

A reader neither checks nor renames anything that it can hand on: fields are checked in one place,
``evenrank.data.rows``, for every form of source alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from evenrank.errors import DataError
from evenrank.files import fingerprint_of
from evenrank.registry import Registry

Row = dict[str, Any]
"""A row's fields, under the names that the source gives them."""


@dataclass(frozen=True)
class Unreadable:
    """A place in the source where a row should be and is not: what is wrong, and the raw text."""

    error: DataError
    raw: str = ""


class Chunk(NamedTuple):
    """Some consecutive rows with their numbers (from 1), and how much of the part they took."""

    rows: list[tuple[int, Row | Unreadable]]
    consumed: float


@dataclass(frozen=True)
class Part:
    """A file, or whatever else of a source is read from one end to the other.

    Attributes:
        name: What messages call it.
        size: How much there is to read, in the unit of the source.
        read: Yields the rows. It is given the columns that matter; a reader of a columnar format
            leaves out the others.
        lang: The language of all rows, where the part itself says so.
        columns: The columns, where the part knows them without reading its rows.
        counts: What the numbers of the rows count.
    """

    name: str
    size: float
    read: Callable[[frozenset[str]], Iterator[Chunk]]
    lang: str | None = None
    columns: tuple[str, ...] = ()
    counts: Literal["line", "row"] = "line"

    def place(self, number: int) -> str:
        """Return where a row stands, for messages: ``de.jsonl:7``."""
        return f"{self.name}:{number}" if self.counts == "line" else f"{self.name}, row {number}"


@dataclass(frozen=True)
class Source:
    """A recognised source.

    Attributes:
        name: Name of the corpus unless the user gives one.
        origin: What the source is, whatever its content: an absolute path.
        stamp: Changes whenever the content may have changed.
        parts: What is read, in this order.
        unit: What the sizes of the parts count.
    """

    name: str
    origin: str
    stamp: str
    parts: tuple[Part, ...]
    unit: Literal["bytes", "rows"] = "bytes"


@dataclass(frozen=True)
class Reader:
    """One form of source.

    Attributes:
        form: How such a source is written, for messages and help.
        recognises: Tells whether a source has this form, without reading it.
        open: Looks at the source; its rows are read later.
    """

    form: str
    recognises: Callable[[str], bool]
    open: Callable[[str], Source]


READERS: Registry[Reader] = Registry("corpus reader", "evenrank.data.readers")


def open_source(source: str) -> Source:
    """Find the reader of a source and let it look.

    Raises:
        DataError: No reader recognises the source, or it cannot be read.
    """
    for name in READERS:
        reader = READERS.get(name)
        if reader.recognises(source):
            return reader.open(source)
    raise DataError(
        source,
        "a file that no reader knows" if Path(source).exists() else "no such file or folder",
        "; or ".join(READERS.get(name).form for name in READERS),
        "Correct the name",
    )


def stamp_of_files(*paths: Path) -> str:
    """Return a stamp that changes with the files' names, sizes and times of change."""
    facts = [(path.name, path.stat()) for path in paths]
    return fingerprint_of(*(f"{name}|{stat.st_size}|{stat.st_mtime_ns}" for name, stat in facts))
