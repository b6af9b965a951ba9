"""The passages of an index: Arrow files that are memory-mapped, read by id, position and field.

A *position* is the place of a passage in the order of the index: by language, then in the order of
the source. A *row* is its place in the Arrow files, which keep the order of the source.

Shapes: ``D`` passages, ``L`` languages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evenrank.errors import DataError, UnknownNameError
from evenrank.search.base import Filters, Passage, Value

_AT_ONCE = 4096
OWN = ("id", "language", "text", "group")
"""Columns that every index has; all others are metadata."""
Kind = Literal["text", "number", "truth"]
"""What a metadata field contains."""
_NAMES: dict[Kind, str] = {"text": "a text", "number": "a number", "truth": "true or false"}


def kind_of(type_: pa.DataType) -> Kind:
    """Return what a column of metadata contains."""
    if pa.types.is_boolean(type_):
        return "truth"
    return "text" if pa.types.is_string(type_) or pa.types.is_large_string(type_) else "number"


def kind_of_value(value: object) -> Kind | None:
    """Return what a value is; ``None`` for one that a metadata field cannot have."""
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else None


def hash_of_id(id_: str) -> int:
    """Return 64 bits that find an id in the index."""
    data = id_.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


@dataclass(frozen=True, eq=False)
class PassageTable:
    """The passages of an index.

    Attributes:
        name: What messages call the index.
        table: Columns ``id``, ``language``, ``text``, ``group`` and those of metadata, by row.
        languages: ``L`` languages, sorted.
        offsets: ``(L + 1,)`` positions at which the languages begin.
        rows: ``(D,)`` the row of each position.
        hashes: ``(D,)`` uint64, sorted hashes of the ids.
        places: ``(D,)`` the position of each of ``hashes``.
    """

    name: str
    table: pa.Table
    languages: tuple[str, ...]
    offsets: NDArray[np.int64]
    rows: NDArray[np.uint32]
    hashes: NDArray[np.uint64]
    places: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Passages of each language."""
        return dict(zip(self.languages, np.diff(self.offsets).tolist(), strict=True))

    @cached_property
    def fields(self) -> dict[str, Kind]:
        """Metadata fields, and what they contain."""
        schema = self.table.schema
        return {one.name: kind_of(one.type) for one in schema if one.name not in OWN}

    def ids(self, positions: NDArray[Any]) -> list[str]:
        """Return the ids at some positions."""
        return self._values("id", self.rows[positions])

    def texts(self, positions: NDArray[Any]) -> list[str]:
        """Return the texts at some positions."""
        return self._values("text", self.rows[positions])

    def groups(self, positions: NDArray[Any]) -> list[str]:
        """Return the groups at some positions."""
        return self._values("group", self.rows[positions])

    def positions(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Return the positions of some ids.

        Raises:
            DataError: There is no such passage.
        """
        wanted = np.array([hash_of_id(id_) for id_ in ids], dtype=np.uint64)
        first = np.searchsorted(self.hashes, wanted)
        last = np.minimum(first, len(self) - 1)
        found = self.places[last].astype(np.int64)
        for number, (id_, own) in enumerate(zip(ids, self.ids(found), strict=True)):
            if own != id_:
                found[number] = self._position(id_, int(first[number]))
        return found

    def _position(self, id_: str, first: int) -> int:
        """Return the position of an id among those with an equal hash, which are rare."""
        stop = int(np.searchsorted(self.hashes, np.uint64(hash_of_id(id_)), side="right"))
        among = self.places[first:stop]
        for position, own in zip(among.tolist(), self.ids(among), strict=True):
            if own == id_:
                return int(position)
        expected = f"one of {len(self):,} passages"
        raise DataError(self.name, f"no passage {id_!r}", expected, "Search again")

    def fetch(self, ids: Iterable[str]) -> list[Passage]:
        """Return passages by id, in the order of ``ids``.

        Raises:
            DataError: There is no such passage.
        """
        return self._at(self.rows[self.positions(list(ids))])

    def each(self) -> Iterator[Passage]:
        """Yield all passages by position, of which a few are in memory."""
        for start in range(0, len(self), _AT_ONCE):
            yield from self._at(self.rows[start : start + _AT_ONCE])

    def _at(self, rows: NDArray[Any]) -> list[Passage]:
        names = self.table.column_names
        columns = [self._values(name, rows) for name in names]
        found = []
        for values in zip(*columns, strict=True):
            row = dict(zip(names, values, strict=True))
            id_, language, text, group = (row.pop(name) for name in OWN)
            metadata = {name: value for name, value in row.items() if value is not None}
            found.append(Passage(id_, language, text, group, metadata))
        return found

    def selected(self, filters: Filters) -> NDArray[np.bool_]:
        """Return ``(D,)`` whether the passage at each position matches all filters.

        Raises:
            DataError: No passage has such a field, or the field contains something else.
        """
        mask: NDArray[np.bool_] = np.ones(len(self), dtype=bool)
        for name, wanted in filters.items():
            mask &= self._matches(name, wanted)
        return mask[self.rows]

    def _matches(self, name: str, wanted: Value | Sequence[Value]) -> NDArray[np.bool_]:
        if name not in self.fields:
            raise UnknownNameError("field", name, self.fields, f"filter of {self.name}")
        values = [wanted] if isinstance(wanted, str | int | float) else list(wanted)
        kind = self.fields[name]
        for value in values:
            if kind_of_value(value) != kind:
                place = f"filter of {self.name}, field {name!r}"
                raise DataError(place, repr(value), _NAMES[kind], "Correct the value")
        column = self.table.column(name)
        numbers = pa.float64() if kind == "number" else column.type
        column = column.cast(numbers)
        try:
            there = pc.is_in(column, value_set=pa.array(values, numbers))
        except (OverflowError, pa.ArrowInvalid):  # a whole number that no field can contain
            return np.zeros(len(self), dtype=bool)
        return np.asarray(there)

    def _values(self, name: str, rows: NDArray[Any]) -> list[Any]:
        """Return the values of a column at some rows; only these are read."""
        found = np.empty(len(rows), dtype=object)
        chunk_of = np.searchsorted(self._starts, rows, side="right") - 1
        chunks = self.table.column(name).chunks
        for number in np.unique(chunk_of).tolist():
            at = np.flatnonzero(chunk_of == number)
            inside = pa.array(rows[at].astype(np.int64) - self._starts[number])
            found[at] = chunks[number].take(inside).to_pylist()
        return list(found)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """The row at which each chunk begins; the chunks of all columns are equal."""
        lengths = [len(chunk) for chunk in self.table.column("id").chunks]
        return np.cumsum([0, *lengths], dtype=np.int64)[:-1]


def table_of_passages(name: str, passages: Iterable[Passage]) -> PassageTable:
    """Return the table of passages in memory.

    Raises:
        DataError: An id comes twice.
    """
    listed = list(passages)
    rows: list[dict[str, Value]] = [
        {
            "id": one.id,
            "language": one.language,
            "text": one.text,
            "group": one.group,
            **one.metadata,
        }
        for one in listed
    ]
    names = dict.fromkeys(OWN) | dict.fromkeys(key for row in rows for key in row)
    table = pa.table({key: pa.array([row.get(key) for row in rows]) for key in names})
    hashes = np.array([hash_of_id(one.id) for one in listed], dtype=np.uint64)
    return indexed(name, table, hashes)


def indexed(name: str, table: pa.Table, hashes: NDArray[np.uint64]) -> PassageTable:
    """Return the table with its order: by language, then as the rows are.

    Args:
        name: What messages call it.
        table: The rows.
        hashes: Of the id of each row.

    Raises:
        DataError: An id comes twice.
    """
    languages = sorted(pc.unique(table.column("language")).to_pylist())
    langs = pc.index_in(table.column("language"), pa.array(languages)).to_numpy()
    order = np.argsort(langs.astype(np.int16), kind="stable")
    by_hash = np.argsort(hashes[order], kind="stable")
    found = PassageTable(
        name,
        table,
        tuple(languages),
        np.concatenate([[0], np.cumsum(np.bincount(langs, minlength=len(languages)))]),
        order.astype(np.uint32),
        hashes[order][by_hash],
        by_hash.astype(np.uint32),
    )
    _require_unique(found)
    return found


def _require_unique(table: PassageTable) -> None:
    """Refuse an id that comes twice."""
    equal = np.flatnonzero(table.hashes[1:] == table.hashes[:-1])
    for at in equal.tolist():
        one, other = table.ids(table.places[at : at + 2])
        if one == other:
            rows = sorted(table.rows[table.places[at : at + 2]].tolist())
            found = f"id {one!r} in rows {rows[0] + 1:,} and {rows[1] + 1:,}"
            raise DataError(table.name, found, "each id once", "Rename one of the two")
