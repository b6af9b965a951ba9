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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from evenrank.data.corpus import SCHEMA, Counts, ParallelCorpus, components, index_rows
from evenrank.data.filters import Filter
from evenrank.data.layouts.base import JOINED, Layout, Place, WrongRow, layout_of
from evenrank.data.mapping import map_rows, releasable_rows
from evenrank.data.readers.base import REMEDY, Numbered, Part, Row, Source, Unreadable
from evenrank.data.rows import NAMES, Values, columns_of, values_of
from evenrank.errors import ConfigError, DataError
from evenrank.files import fingerprint_of, write_json
from evenrank.progress import bar

BATCH_ROWS = 16_384
BATCH_CHARACTERS = 1 << 26
"""Limits of a batch: for memory, and for the 2 GiB that a column of strings may have in Arrow."""
_LANG, _QUERY, _PASSAGE = map(SCHEMA.get_field_index, ("lang", "query", "passage"))

Columns = list[list[Any]]
"""Values of some rows by column, in the order of ``SCHEMA``."""


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
            joined = _write_rows(source, request, counts, bad, writer)
        if not writer.languages and bad.first:
            found = f"no good row; the first bad one is {bad.first.place} with {bad.first.found}"
            raise DataError(source.name, found, bad.first.expected, bad.first.remedy)
        _check_languages(source, request, writer.languages, counts)
        if joined:
            join_passages(folder / "rows.arrow", joined)
        table, release = releasable_rows(folder / "rows.arrow")
        index = index_rows(table, release)
        for again, first in index.repeated.tolist():
            row = table.slice(again, 1).to_pylist()[0]
            found = f"id {row['id']!r} again in {row['lang']!r}, after {writer.place(first)}"
            error = DataError(writer.place(again), found, "each id once in a language", REMEDY)
            bad.add(error, _raw(row))
    np.save(folder / "matrix.npy", index.rows)
    np.save(folder / "groups.npy", index.groups)
    pinned = [source.revision] if source.revision else []
    fingerprint = writer.fingerprint
    if pinned or joined:
        fingerprint = fingerprint_of(fingerprint, *pinned, *(repr(ids) for ids in joined))
    facts = {"languages": index.languages, "fingerprint": fingerprint}
    write_json(folder / "facts.json", facts | {"counts": asdict(counts)})


def load(folder: Path, name: str) -> ParallelCorpus:
    """Map what :func:`convert` wrote; only the facts are read."""
    facts = orjson.loads((folder / "facts.json").read_bytes())
    return ParallelCorpus(
        name=name,
        table=map_rows(folder / "rows.arrow"),
        languages=tuple(facts["languages"]),
        rows=np.asarray(np.load(folder / "matrix.npy", mmap_mode="r")),
        groups=np.asarray(np.load(folder / "groups.npy", mmap_mode="r")),
        fingerprint=facts["fingerprint"],
        counts=Counts(**facts["counts"]),
    )


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
        self._columns: Columns = [[] for _ in SCHEMA]
        self._characters = 0
        self._numbers = array("I")
        self._parts: list[Part] = []
        self._first_rows: list[int] = []

    def add(self, columns: Columns, part: Part, numbers: Sequence[int]) -> None:
        """Write rows of a part, by column, with their numbers in it."""
        if not self._parts or self._parts[-1] is not part:
            self._parts.append(part)
            self._first_rows.append(len(self._numbers))
        self._numbers.extend(numbers)
        lengths = [len(q) + len(p) for q, p in zip(columns[_QUERY], columns[_PASSAGE], strict=True)]
        start = 0
        while start < len(lengths):  # batches end at the same rows, however rows are added
            stop = min(len(lengths), start + BATCH_ROWS - len(self._columns[0]))
            if self._characters + sum(lengths[start:stop]) >= BATCH_CHARACTERS:
                sums = accumulate(lengths[start:stop], initial=self._characters)
                stop = start + next(at for at, sum_ in enumerate(sums) if sum_ >= BATCH_CHARACTERS)
            for column, values in zip(self._columns, columns, strict=True):
                column.extend(values[start:stop])
            self._characters += sum(lengths[start:stop])
            if len(self._columns[0]) == BATCH_ROWS or self._characters >= BATCH_CHARACTERS:
                self._flush()
            start = stop

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
        if self._columns[0]:
            self._flush()
        with self._file:  # closes the file also if the disk is full
            self._writer.close()
            self._file.flush()
            os.fsync(self._file.fileno())

    def _flush(self) -> None:
        for column in self._columns:
            self._digest.update(orjson.dumps(column))
        fields = zip(self._columns, SCHEMA, strict=True)
        arrays = [pa.array(column, field.type) for column, field in fields]
        self._writer.write_batch(pa.record_batch(arrays, schema=SCHEMA))
        self.languages.update(self._columns[_LANG])
        self._columns, self._characters = [[] for _ in SCHEMA], 0


def join_passages(path: Path, joined: Iterable[Sequence[str]]) -> None:
    """Give the passages that belong together one id: the first of theirs that was read.

    Args:
        path: A file of rows.
        joined: Ids of passages that belong together; one id may be in several.
    """
    numbers: dict[str, int] = {}
    pairs = [(ids[0], other) for ids in joined for other in ids[1:]]
    left, right = (
        np.array([numbers.setdefault(pair[side], len(numbers)) for pair in pairs])
        for side in (0, 1)
    )
    group = components(len(numbers), left, right)
    names, values = list(numbers), pa.array(list(numbers))
    roots = pa.array([names[first] for first in np.unique(group, return_index=True)[1]])
    shared = roots.take(pa.array(group))
    column = SCHEMA.get_field_index("passage_id")
    part = path.with_suffix(".joined")
    with (
        pa.memory_map(str(path)) as source,
        pa.ipc.open_file(source) as reader,
        part.open("wb") as target,
    ):
        writer = pa.ipc.new_file(target, SCHEMA)
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            ids = batch.column(column)
            new = pc.coalesce(shared.take(pc.index_in(ids, values)), ids)
            writer.write_batch(batch.set_column(column, SCHEMA.field(column), new))
        writer.close()
        target.flush()
        os.fsync(target.fileno())
    part.replace(path)


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


def _write_rows(
    source: Source, request: Request, counts: Counts, bad: _BadRows, writer: RowWriter
) -> list[list[str]]:
    """Write the rows to keep, count the others, and add the bad ones to ``bad``.

    Returns:
        Ids of passages that belong together.
    """
    where, languages = request.where, request.languages
    seen = dict.fromkeys(column for part in source.parts for column in part.columns)
    if where and seen:
        _check_columns(where, seen)
    joined: list[list[str]] = []
    layouts: dict[str, Layout | None] = {}
    for part, rows in _chunks(source, request):
        counts.read += len(rows)
        if where:
            if not where.columns <= seen.keys():
                seen |= dict.fromkeys(
                    name for _, row in rows if isinstance(row, dict) for name in row
                )
            kept = [r for r in rows if not isinstance(r[1], dict) or where.holds(r[1])]
            counts.filtered += len(rows) - len(kept)
            rows = kept
        if part.name not in layouts and (first := _first(rows)):
            layouts[part.name] = layout_of(first)
        if layout := layouts.get(part.name):
            rows = _in_our_fields(rows, layout, part, counts)
            joined += _joined(rows)
        numbers, columns = _good_rows(rows, part, bad)
        if languages is not None:
            kept_rows = [at for at, lang in enumerate(columns[_LANG]) if lang in languages]
            counts.other_languages += len(numbers) - len(kept_rows)
            numbers = [numbers[at] for at in kept_rows]
            columns = [[column[at] for at in kept_rows] for column in columns]
        writer.add(columns, part, numbers)
    if where:
        _check_columns(where, seen)
    return joined


def _first(rows: Iterable[Numbered]) -> Row | None:
    return next((row for _, row in rows if isinstance(row, dict)), None)


def _in_our_fields(
    rows: list[Numbered], layout: Layout, part: Part, counts: Counts
) -> list[Numbered]:
    """Return the rows of a layout as rows with our fields, or what is wrong with them."""
    ours: list[Numbered] = []
    for number, row in rows:
        if isinstance(row, Unreadable):
            ours.append((number, row))
            continue
        try:
            some: list[Numbered] = [(number, one) for one in layout.rows(row, Place(part, number))]
        except WrongRow as wrong:
            place, found = part.place(number), f"{wrong.found} in {layout.title}"
            some = [(number, Unreadable.at(place, found, wrong.expected, raw=_raw(row)))]
        counts.filtered += not some
        ours += some
    return ours


def _joined(rows: Iterable[Numbered]) -> Iterator[list[str]]:
    """Yield the ids of passages that rows say belong together, each list once."""
    last: object = None
    for _, row in rows:
        if isinstance(row, dict) and (ids := row.get(JOINED)) is not None and ids is not last:
            yield [str(id_) for id_ in ids]
            last = ids


def _good_rows(rows: list[Numbered], part: Part, bad: _BadRows) -> tuple[list[int], Columns]:
    """Return the numbers and the columns of the good rows."""
    numbers = [number for number, _ in rows]
    if columns := columns_of([row for _, row in rows], part):
        return numbers, columns
    good: list[int] = []
    values: list[Values] = []
    for number, row in rows:  # one by one, to find the bad ones
        try:
            if isinstance(row, Unreadable):
                raise row.error
            values.append(values_of(row, part, number))
            good.append(number)
        except DataError as error:
            bad.add(error, _raw(row))
    return good, list(map(list, zip(*values, strict=True))) if values else [[] for _ in SCHEMA]


def _chunks(source: Source, request: Request) -> Iterator[tuple[Part, list[Numbered]]]:
    """Yield the rows of the parts in the requested languages; an empty part is an error."""
    columns = NAMES | (request.where.columns if request.where else frozenset())
    languages = request.languages
    parts = [p for p in source.parts if not (p.lang and languages) or p.lang in languages]
    total = sum(part.size for part in parts) or None
    with bar(f"Reading {source.name}", total, source.unit) as progress:
        for part in parts:
            empty = True
            for chunk in part.read(columns):
                empty = empty and not chunk.rows
                if part.lang:
                    for _, row in chunk.rows:
                        if isinstance(row, dict) and "language" not in row:
                            row.setdefault("lang", part.lang)
                yield part, chunk.rows
                progress.advance(chunk.consumed)
            if empty:
                remedy = "Restore the file or remove it"
                nothing = Unreadable.at(part.name, "no rows", "at least one", remedy)
                yield part, [(0, nothing)]


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
