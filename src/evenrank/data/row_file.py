"""Writing checked rows to an Arrow file, batch by batch, with a fingerprint of their content."""

from __future__ import annotations

import bisect
import hashlib
import os
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evenrank.data.corpus import SCHEMA
from evenrank.data.readers.base import Part
from evenrank.data.rows import Values

BATCH_ROWS = 16_384
BATCH_CHARACTERS = 1 << 26
"""Bounds of a batch: for memory, and for the 2 GiB that a column of strings may have in Arrow."""


class RowWriter:
    """Writes rows to an Arrow file of its own and remembers where each came from.

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
        """Write a row that stands at ``number`` of ``part``."""
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
        """The SHA-256 of all rows, shortened; the same for the same rows in the same order."""
        return self._digest.hexdigest()[:16]

    def close(self) -> None:
        """Write what is left and end the file."""
        if self._batch:
            self._flush()
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def _flush(self) -> None:
        columns = zip(*self._batch, strict=True)
        arrays = [pa.array(c, field.type) for c, field in zip(columns, SCHEMA, strict=True)]
        for column in arrays:
            _update(self._digest, column)
        self._writer.write_batch(pa.record_batch(arrays, schema=SCHEMA))
        self.languages |= {values.lang for values in self._batch}
        self._batch, self._characters = [], 0


def _update(digest: Any, column: pa.Array) -> None:  # noqa: ANN401 - hashlib's own type is private
    """Add a column to the digest: the length of each value (-1 for null), then all values."""
    if pa.types.is_list(column.type):
        _add_lengths(digest, pc.list_value_length(column))
        column = column.flatten()
    _add_lengths(digest, pc.binary_length(column))
    _, offsets, data = column.buffers()
    if data is not None:
        end = np.frombuffer(offsets, np.int32)[column.offset + len(column)]
        start = np.frombuffer(offsets, np.int32)[column.offset]
        digest.update(memoryview(data)[start:end])


def _add_lengths(digest: Any, lengths: pa.Array) -> None:  # noqa: ANN401
    digest.update(pc.fill_null(lengths, -1).to_numpy(zero_copy_only=False).astype("<i4").tobytes())
