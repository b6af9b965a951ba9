"""From any source to a folder that opens at once: mapped rows, and the matrix beside them.

The folder holds

``rows.arrow``
    The good rows with ``SCHEMA``, in the order of the source.
``matrix.npy``, ``groups.npy``
    ``ParallelCorpus.rows`` and ``.groups``.
``skipped.jsonl``
    The bad rows: ``place``, ``reason`` and ``raw``, the text that stands there.
``facts.json``
    Languages, fingerprint and counts.

Memory is bounded by a batch of rows while the source is read, and by about 100 bytes a row while
the rows are indexed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from evenrank.data.corpus import ParallelCorpus, index_rows
from evenrank.data.filters import Filter
from evenrank.data.readers.base import Part, Row, Source, Unreadable
from evenrank.data.row_file import RowWriter
from evenrank.data.rows import NAMES, REMEDY, Values, values_of
from evenrank.errors import ConfigError, DataError
from evenrank.files import write_json
from evenrank.progress import bar


@dataclass
class Counts:
    """What became of the rows that were read: all that are in none of these are in the corpus.

    Attributes:
        read: All rows.
        filtered: Left out by the filter.
        other_languages: Left out because their language was not asked for. (Files of such
            languages are not even read.)
        skipped: Left out because they are bad.
    """

    read: int = 0
    filtered: int = 0
    other_languages: int = 0
    skipped: int = 0


@dataclass(frozen=True)
class Request:
    """What is wanted of a source.

    Attributes:
        where: Rows to keep; all if ``None``.
        languages: Languages to keep, normalised; all if ``None``.
        strict: Raise the first error, instead of leaving out what is bad.
    """

    where: Filter | None = None
    languages: frozenset[str] | None = None
    strict: bool = True


class _BadRows:
    """Raises the first error, or writes down all."""

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


def convert(source: Source, request: Request, folder: Path) -> None:
    """Read a source and fill a folder with what :func:`load` opens.

    Raises:
        DataError: A row is bad and the request is strict; no row is left; a language that was
            asked for has no rows.
        ConfigError: The filter names a column that the source has not.
    """
    counts = Counts()
    if all(part.lang for part in source.parts):  # no need to read everything to know
        _check_languages(source, request, _named_languages(source), counts)
    with closing(_BadRows(folder / "skipped.jsonl", counts, request.strict)) as bad:
        with closing(RowWriter(folder / "rows.arrow")) as writer:
            for part, number, values in _good_rows(source, request, counts, bad):
                writer.add(values, part, number)
        if not writer.languages and bad.first:
            raise _nothing_good(source, bad.first)
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


def load(folder: Path, name: str) -> tuple[ParallelCorpus, Counts]:
    """Map what :func:`convert` wrote; nothing but the facts is read."""
    facts = orjson.loads((folder / "facts.json").read_bytes())
    corpus = ParallelCorpus(
        name=name,
        table=map_rows(folder),
        languages=tuple(facts["languages"]),
        rows=np.asarray(np.load(folder / "matrix.npy", mmap_mode="r")),
        groups=np.asarray(np.load(folder / "groups.npy", mmap_mode="r")),
        fingerprint=facts["fingerprint"],
    )
    return corpus, Counts(**facts["counts"])


def map_rows(folder: Path) -> pa.Table:
    """Return the rows of a converted corpus, memory-mapped."""
    return pa.ipc.open_file(pa.memory_map(str(folder / "rows.arrow"))).read_all()


def _good_rows(
    source: Source, request: Request, counts: Counts, bad: _BadRows
) -> Iterator[tuple[Part, int, Values]]:
    """Yield the rows to keep, count the others, and hand on those that are bad."""
    for part, number, row in _filtered(_raw_rows(source, request), source, request, counts):
        try:
            if isinstance(row, Unreadable):
                raise row.error
            values = values_of(row, part, number)
        except DataError as error:
            bad.add(error, _raw(row))
            continue
        if request.languages is not None and values.lang not in request.languages:
            counts.other_languages += 1
            continue
        yield part, number, values


def _raw_rows(source: Source, request: Request) -> Iterator[tuple[Part, int, Row | Unreadable]]:
    """Yield what stands in the parts whose language is wanted; an empty part is an error."""
    columns = NAMES | (request.where.columns if request.where else frozenset())
    wanted = request.languages
    parts = [p for p in source.parts if wanted is None or p.lang is None or p.lang in wanted]
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
                yield part, 0, Unreadable(DataError(part.name, "no rows", "at least one", remedy))


def _filtered(
    rows: Iterable[tuple[Part, int, Row | Unreadable]],
    source: Source,
    request: Request,
    counts: Counts,
) -> Iterator[tuple[Part, int, Row | Unreadable]]:
    """Yield the rows that pass the filter, and check that its columns exist."""
    where = request.where
    seen = dict.fromkeys(column for part in source.parts for column in part.columns)
    if where and seen:
        _check_columns(where, seen)
    for part, number, row in rows:
        counts.read += 1
        if where and isinstance(row, dict):
            if not where.columns <= seen.keys():
                seen |= dict.fromkeys(row)
            if not where.holds(row):
                counts.filtered += 1
                continue
        yield part, number, row
    if where:
        _check_columns(where, seen)


def _check_columns(where: Filter, seen: Iterable[str]) -> None:
    unknown = sorted(where.columns.difference(seen))
    if unknown:
        raise ConfigError(
            f"filter '{where}'",
            f"no column {', '.join(map(repr, unknown))} in any row",
            f"one of {', '.join(seen)}",
            "Correct the name of the column",
        )


def _check_languages(source: Source, request: Request, there: set[str], counts: Counts) -> None:
    """Refuse to go on without rows, or without a language that was asked for."""
    missing = sorted((request.languages or frozenset()) - there)
    if missing:
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


def _nothing_good(source: Source, first: DataError) -> DataError:
    found = f"no good row; the first bad one is {first.place} with {first.found}"
    return DataError(source.name, found, first.expected, "Mend the source")


def _raw(row: Row | Unreadable) -> str:
    if isinstance(row, Unreadable):
        return row.raw
    return orjson.dumps(row, default=_printed).decode()


def _printed(value: Any) -> str:  # noqa: ANN401 - whatever a column may hold
    return repr(value)
