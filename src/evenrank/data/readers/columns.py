"""What the readers of columnar data share: checks of the columns, and rows from Arrow batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from evenrank.data.readers.base import Chunk, Row, Unreadable
from evenrank.data.rows import FIELDS, REMEDY, Field
from evenrank.errors import DataError

_is = pa.types


def check_columns(schema: pa.Schema, place: str) -> None:
    """Refuse a schema that lacks a column, or has one of a type that cannot hold its field.

    Raises:
        DataError: Naming the column, what it is, and what it should be.
    """
    for field in FIELDS:
        name = field.name if field.name in schema.names else field.alias
        if name in schema.names:
            if not _can_hold(schema.field(name).type, field):
                found = f"column {name!r} of type {schema.field(name).type}"
                raise DataError(place, found, field.expected, "Convert the column")
        elif field.required:
            raise DataError(
                place,
                f"no column {field.name!r} among {', '.join(schema.names)}",
                f"a column {field.name!r} or {field.alias!r}",
                "Add or rename the column",
            )


def _can_hold(kind: Any, field: Field) -> bool:  # noqa: ANN401 - pyarrow has no types
    if _is.is_null(kind):
        return not field.required
    if field.kind == "texts":
        return bool(_is.is_list(kind) or _is.is_large_list(kind)) and _is_text(kind.value_type)
    return _is_text(kind) or (field.kind != "text" and bool(_is.is_integer(kind)))


def _is_text(kind: Any) -> bool:  # noqa: ANN401
    if _is.is_dictionary(kind):
        kind = kind.value_type
    return bool(_is.is_string(kind) or _is.is_large_string(kind) or _is.is_string_view(kind))


def chunks_of(batches: Iterable[Any], place: str, size_of_row: float) -> Iterator[Chunk]:
    """Yield the rows of Arrow batches, numbered from 1.

    Args:
        batches: Record batches or tables.
        place: What messages call the whole.
        size_of_row: What one row counts for progress.
    """
    number = 1
    for batch in batches:
        rows = list(enumerate(_rows(batch, place, number), number))
        number += len(rows)
        yield Chunk(rows, len(rows) * size_of_row)


def _rows(batch: Any, place: str, first: int) -> list[Row | Unreadable]:  # noqa: ANN401
    try:
        rows: list[Row | Unreadable] = batch.to_pylist()
        return rows
    except UnicodeDecodeError:  # one by one, to tell the bad from the good
        return [
            _row(batch.slice(at, 1), f"{place}, row {first + at}") for at in range(batch.num_rows)
        ]


def _row(batch: Any, place: str) -> Row | Unreadable:  # noqa: ANN401
    try:
        row: Row = batch.to_pylist()[0]
        return row
    except UnicodeDecodeError as cause:
        byte = cause.object[cause.start]
        found = f"byte 0x{byte:02x} in a text, which is no UTF-8"
        return Unreadable(DataError(place, found, "texts in UTF-8", REMEDY))
