"""From any source to a folder that opens at once: mapped rows, and their matrix.

The folder contains

``rows.arrow``
    The good rows with ``SCHEMA``, in the order of the source.
``matrix.npy``, ``groups.npy``
    ``ParallelCorpus.rows`` and ``.groups``.
``skipped.jsonl``
    The bad rows: ``place``, ``reason`` and ``raw``, the text of the row.
``facts.json``
    Languages, fingerprint and counts.

Memory is bounded by a batch of rows while the source is read, and by about 100 bytes a row while
the rows are indexed.
"""

from __future__ import annotations

import bisect
import hashlib
import os
from array import array
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa

from evenrank.data.corpus import SCHEMA, Counts, ParallelCorpus, index_rows
from evenrank.data.filters import Filter
from evenrank.data.readers.base import REMEDY, Part, Row, Source, Unreadable
from evenrank.data.rows import NAMES, Values, values_of
from evenrank.errors import ConfigError, DataError
from evenrank.files import write_json
from evenrank.progress import bar

BATCH_ROWS = 16_384
BATCH_CHARACTERS = 1 << 26
"""Limits of a batch: for memory, and for the 2 GiB that a column of strings may have in Arrow."""


@dataclass(frozen=True)
class Request:
    """What to read from a source.

    Attributes:
        where: Rows to keep; all if ``None``.
        languages: Languages to keep, normalised; all if ``None``.
        strict: Raise the first error, instead of leaving out bad rows.
    """

    where: Filter | None = None
    languages: frozenset[str] | None = None
    strict: bool = True


def convert(source: Source, request: Request, folder: Path) -> None:
    """Read a source and fill a folder with what :func:`load` opens.

    Raises:
        DataError: A row is bad and the request is strict; no row is left; a requested language
            has no rows.
        ConfigError: The filter names a column that the source does not have.
    """
    counts = Counts()
    if all(part.lang for part in source.parts):  # known without reading everything
        _check_languages(source, request, _named_languages(source), counts)
    with closing(_BadRows(folder / "skipped.jsonl", counts, request.strict)) as bad:
        with closing(RowWriter(folder / "rows.arrow")) as writer:
            for part, number, values in _good_rows(source, request, counts, bad):
                writer.add(values, part, number)
        if not writer.languages and bad.first:
            found = f"no good row; the first bad one is {bad.first.place} with {bad.first.found}"
            raise DataError(source.name, found, bad.first.expected, bad.first.remedy)
        _check_languages(source, request, writer.languages, counts)
        table = map_rows(folder)
        index = index_rows(table)
        for again, first in index.repeated.tolist():
            row = table.slice(again, 1).to_pylist()[0]
            found = f"id {row['id']!r} again in {row['lang']!r}, after {writer.place(first)}"
            error = DataError(writer.place(again), found, "each id once in a language", REMEDY)
            bad.add(error, _raw(row))
    np.save(folder / "matrix.npy", index.rows)
    np.save(folder / "groups.npy", index.groups)
    facts = {"languages": index.languages, "fingerprint": writer.fingerprint}
    write_json(folder / "facts.json", facts | {"counts": asdict(counts)})


def load(folder: Path, name: str) -> ParallelCorpus:
    """Map what :func:`convert` wrote; only the facts are read."""
    facts = orjson.loads((folder / "facts.json").read_bytes())
    return ParallelCorpus(
        name=name,
        table=map_rows(folder),
        languages=tuple(facts["languages"]),
        rows=np.asarray(np.load(folder / "matrix.npy", mmap_mode="r")),
        groups=np.asarray(np.load(folder / "groups.npy", mmap_mode="r")),
        fingerprint=facts["fingerprint"],
        counts=Counts(**facts["counts"]),
    )


def map_rows(folder: Path) -> pa.Table:
    """Return the rows of a converted corpus, memory-mapped."""
    return pa.ipc.open_file(pa.memory_map(str(folder / "rows.arrow"))).read_all()


class RowWriter:
    """Writes rows to an Arrow file, batch by batch, and remembers where each came from.

    Attributes:
        languages: Languages written so far.
    """

    def __init__(self, path: Path) -> None:
        self.languages: set[str] = set()
        self._file = path.open("wb")
        self._writer = pa.ipc.new_file(self._file, SCHEMA)
        self._digest = hashlib.sha256()
        self._batch: list[Values] = []
        self._characters = 0
        self._numbers = array("q")
        self._parts: list[Part] = []
        self._first_rows: list[int] = []

    def add(self, values: Values, part: Part, number: int) -> None:
        """Write row ``number`` of ``part``."""
        if not self._parts or self._parts[-1] is not part:
            self._parts.append(part)
            self._first_rows.append(len(self._numbers))
        self._numbers.append(number)
        self._batch.append(values)
        self._characters += len(values.query) + len(values.passage)
        if len(self._batch) == BATCH_ROWS or self._characters >= BATCH_CHARACTERS:
            self._flush()

    def place(self, row: int) -> str:
        """Return where a row of the file came from."""
        part = self._parts[bisect.bisect_right(self._first_rows, row) - 1]
        return part.place(self._numbers[row])

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of all rows, shortened; equal for equal rows in the same order."""
        return self._digest.hexdigest()[:16]

    def close(self) -> None:
        """Write what is left and end the file."""
        if self._batch:
            self._flush()
        with self._file:  # closes the file also if the disk is full
            self._writer.close()
            self._file.flush()
            os.fsync(self._file.fileno())

    def _flush(self) -> None:
        columns = list(zip(*self._batch, strict=True))
        for column in columns:
            self._digest.update(orjson.dumps(column))
        arrays = [pa.array(c, field.type) for c, field in zip(columns, SCHEMA, strict=True)]
        self._writer.write_batch(pa.record_batch(arrays, schema=SCHEMA))
        self.languages.update(values.lang for values in self._batch)
        self._batch, self._characters = [], 0


class _BadRows:
    """Raises the first error, or writes all errors to a file."""

    def __init__(self, path: Path, counts: Counts, strict: bool) -> None:
        self.first: DataError | None = None
        self._file = path.open("wb")
        self._counts = counts
        self._strict = strict

    def close(self) -> None:
        self._file.close()

    def add(self, error: DataError, raw: str) -> None:
        if self._strict:
            raise error
        self.first = self.first or error
        reason = f"found {error.found}, expected {error.expected}"
        record = {"place": error.place, "reason": reason, "raw": raw}
        self._file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
        self._counts.skipped += 1


def _good_rows(
    source: Source, request: Request, counts: Counts, bad: _BadRows
) -> Iterator[tuple[Part, int, Values]]:
    """Yield the rows to keep, count the others, and add the bad ones to ``bad``."""
    where, languages = request.where, request.languages
    seen = dict.fromkeys(column for part in source.parts for column in part.columns)
    if where and seen:
        _check_columns(where, seen)
    for part, number, row in _rows(source, request):
        counts.read += 1
        if where and isinstance(row, dict):
            if not where.columns <= seen.keys():
                seen |= dict.fromkeys(row)
            if not where.holds(row):
                counts.filtered += 1
                continue
        try:
            if isinstance(row, Unreadable):
                raise row.error
            values = values_of(row, part, number)
        except DataError as error:
            bad.add(error, _raw(row))
            continue
        if languages is None or values.lang in languages:
            yield part, number, values
        else:
            counts.other_languages += 1
    if where:
        _check_columns(where, seen)


def _rows(source: Source, request: Request) -> Iterator[tuple[Part, int, Row | Unreadable]]:
    """Yield the rows of the parts in the requested languages; an empty part is an error."""
    columns = NAMES | (request.where.columns if request.where else frozenset())
    languages = request.languages
    parts = [p for p in source.parts if not (p.lang and languages) or p.lang in languages]
    total = sum(part.size for part in parts) or None
    with bar(f"Reading {source.name}", total, source.unit) as progress:
        for part in parts:
            empty = True
            for chunk in part.read(columns):
                for number, row in chunk.rows:
                    empty = False
                    if part.lang and isinstance(row, dict) and "language" not in row:
                        row.setdefault("lang", part.lang)
                    yield part, number, row
                progress.advance(chunk.consumed)
            if empty:
                remedy = "Restore the file or remove it"
                yield part, 0, Unreadable.at(part.name, "no rows", "at least one", remedy)


def _check_columns(where: Filter, seen: Iterable[str]) -> None:
    if unknown := sorted(where.columns.difference(seen)):
        raise ConfigError(
            f"filter {where.text!r}",
            f"no column {', '.join(map(repr, unknown))} in any row",
            f"one of {', '.join(seen)}",
            "Correct the name of the column",
        )


def _check_languages(source: Source, request: Request, there: set[str], counts: Counts) -> None:
    """Refuse a source without rows, or without a requested language."""
    if missing := sorted((request.languages or frozenset()) - there):
        raise DataError(
            source.name,
            f"no rows in {', '.join(missing)}",
            f"languages that it has: {', '.join(sorted(there | _named_languages(source)))}",
            "Correct the languages, or the filter",
        )
    if not there:
        raise DataError(
            source.name,
            f"no rows ({counts.read} read, {counts.filtered} left out by the filter)",
            "at least one",
            "Correct the source or the filter",
        )


def _named_languages(source: Source) -> set[str]:
    """Return the languages that the parts say they are in."""
    return {part.lang for part in source.parts if part.lang is not None}


def _raw(row: Row | Unreadable) -> str:
    return row.raw if isinstance(row, Unreadable) else orjson.dumps(row, default=repr).decode()
