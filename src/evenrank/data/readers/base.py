"""What a corpus reader is: it recognises a source, and streams the rows as they are written there.

A reader neither checks nor renames a field: ``evenrank.data.rows`` does, for every form of source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from evenrank.errors import DataError
from evenrank.files import fingerprint_of
from evenrank.registry import Registry

REMEDY = "Fix it, or pass --skip-bad FILE to leave out bad rows"

Row = dict[str, Any]
"""A row's fields, under the names that the source gives them."""


@dataclass(frozen=True)
class Unreadable:
    """What is in the place of a row that cannot be read: what is wrong, and the raw text."""

    error: DataError
    raw: str = ""

    @classmethod
    def at(
        cls, place: str, found: str, expected: str, remedy: str = REMEDY, raw: str = ""
    ) -> Unreadable:
        """Return the row for an error, from the error's fields."""
        return cls(DataError(place, found, expected, remedy), raw)


Numbered = tuple[int, Row | Unreadable]
"""A row with its number, from 1."""


class Chunk(NamedTuple):
    """Some consecutive rows, and how much of the part they are."""

    rows: list[Numbered]
    consumed: float


@dataclass(frozen=True)
class Part:
    """A file, or another piece of a source that is read from start to end.

    Attributes:
        name: What messages call it.
        size: How much there is to read, in the unit of the source.
        read: Yields the rows. It gets the columns that matter; a reader of a columnar format
            leaves out the others.
        lang: The language of all rows, if the part itself says so.
        columns: The columns, if the part knows them without reading its rows.
        counts: What the numbers of the rows count.
        key: Its name within the source, without suffix. Rows without an id are called by it and by
            their number.
    """

    name: str
    size: float
    read: Callable[[frozenset[str]], Iterator[Chunk]]
    lang: str | None = None
    columns: tuple[str, ...] = ()
    counts: Literal["line", "row"] = "line"
    key: str = ""

    def place(self, number: int) -> str:
        """Return where a row is, for messages: ``de.jsonl:7``."""
        return f"{self.name}:{number}" if self.counts == "line" else f"{self.name}, row {number}"


@dataclass(frozen=True)
class Source:
    """A recognised source.

    Attributes:
        name: Name of the corpus unless the user gives one.
        origin: Identifies the source, not its content: an absolute path.
        stamp: Changes whenever the content may have changed.
        parts: What is read, in this order.
        unit: What the sizes of the parts count.
        revision: The commit of a data set of the Hub, if the user named a revision.
    """

    name: str
    origin: str
    stamp: str
    parts: tuple[Part, ...]
    unit: Literal["bytes", "rows"] = "bytes"
    revision: str = ""


@dataclass(frozen=True)
class Reader:
    """One form of source.

    Attributes:
        form: How such a source is written, for messages and help.
        recognises: Returns whether a source has this form, without reading it.
        open: Looks at the source; its rows are read later.
        general: Whether it is tried after the others, because it recognises much.
    """

    form: str
    recognises: Callable[[str], bool]
    open: Callable[[str], Source]
    general: bool = False


READERS: Registry[Reader] = Registry(
    "corpus reader", "evenrank.data.readers", "evenrank.benchmarks.world_facts.reader"
)


def open_source(source: str) -> Source:
    """Open a source with the first reader that recognises it: general ones last, then by name.

    Raises:
        DataError: No reader recognises the source, or it cannot be read.
    """
    if not source.strip():
        expected = "a file, a folder or hf:ID"
        raise DataError("corpus", "an empty name", expected, "Name one")
    for reader in sorted(map(READERS.get, READERS), key=lambda reader: reader.general):
        if reader.recognises(source):
            return reader.open(source)
    raise DataError(
        source,
        "a file that no reader knows" if Path(source).exists() else "no such file or folder",
        "; or ".join(READERS.get(name).form for name in READERS),
        "Correct the name",
    )


def stamp_of_files(*paths: Path) -> str:
    """Return a stamp that changes with the names, sizes and modification times of files."""
    facts = [(path, path.stat()) for path in paths]
    return fingerprint_of(*(f"{path}|{stat.st_size}|{stat.st_mtime_ns}" for path, stat in facts))
