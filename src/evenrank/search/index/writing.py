"""Writing the files of an index: passages as they come, vectors block by block.

Files are written from start to end and never through a memory map, so that a full disk is an error
of one write, and not the end of the process.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenrank.errors import DataError
from evenrank.search.base import Passage
from evenrank.search.index.passages import OWN, hash_of_id

_BATCH_ROWS = 16_384
_BATCH_CHARACTERS = 1 << 26
_TYPES: dict[type, pa.DataType] = {
    str: pa.string(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
}
_WORDS = {str: "a text", bool: "true or false", int: "a number", float: "a number"}


class PassageWriter:
    """Writes passages to Arrow files, and remembers hashes of their ids and texts.

    A file has one set of columns. When a passage has a new field, the next file begins.

    Args:
        folder: Where to write ``passages-0.arrow`` and so on.
        name: What messages call the source.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._types: dict[str, type] = {}
        self._batch: list[Passage] = []
        self._characters = 0
        self._files: list[Path] = []
        self._writer: Any = None
        self._ids, self._texts = array("Q"), bytearray()

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """A hash of each id, in the order of the passages."""
        return np.frombuffer(self._ids, dtype=np.uint64)

    @property
    def digests(self) -> NDArray[np.uint64]:
        """Two numbers of each text, in the order of the passages."""
        return np.frombuffer(self._texts, dtype=np.uint64).reshape(-1, 2)

    def add(self, passages: Iterable[Passage]) -> None:
        """Write passages.

        Raises:
            DataError: A field has values of two types.
        """
        for passage in passages:
            self._check_types(passage)
            data = passage.text.encode("utf-8", "surrogatepass")
            self._ids.append(hash_of_id(passage.id))
            self._texts += hashlib.blake2b(data, digest_size=16).digest()
            self._batch.append(passage)
            self._characters += len(passage.text)
            if len(self._batch) == _BATCH_ROWS or self._characters >= _BATCH_CHARACTERS:
                self._flush()

    def close(self) -> None:
        """Write what is left.

        Raises:
            DataError: There is no passage.
        """
        if self._batch:
            self._flush()
        self._end_file()
        if not self._ids:
            raise DataError(self._name, "no passages", "at least one", "Correct the source")

    def _check_types(self, passage: Passage) -> None:
        for name, value in passage.metadata.items():
            known = self._types.get(name)
            if known is type(value):
                continue
            if known is None:
                self._check_name(name)
            elif {known, type(value)} != {int, float}:
                place = f"{self._name}, passage {passage.id!r}, field {name!r}"
                expected = f"{_WORDS[known]}, as in the passages before"
                raise DataError(place, repr(value)[:60], expected, "Write one type")
            if self._batch:  # it has the types of before
                self._flush()
            self._end_file()
            self._types[name] = type(value) if known is None else float

    def _check_name(self, name: str) -> None:
        if name in OWN or not name:
            place, found = f"{self._name}, metadata", f"a field {name!r}"
            raise DataError(place, found, "another name", "Rename the field")

    def _flush(self) -> None:
        columns = [
            pa.array([one.id for one in self._batch], pa.string()),
            pa.array([one.language for one in self._batch], pa.string()),
            pa.array([one.text for one in self._batch], pa.string()),
            pa.array([one.group for one in self._batch], pa.string()),
            *(
                pa.array([one.metadata.get(name) for one in self._batch], _TYPES[type_])
                for name, type_ in self._types.items()
            ),
        ]
        batch = pa.record_batch(columns, names=[*OWN, *self._types])
        if self._writer is None:
            path = self._folder / f"passages-{len(self._files)}.arrow"
            self._files.append(path)
            self._writer = pa.ipc.new_file(str(path), batch.schema)
        self._writer.write_batch(batch)
        self._batch, self._characters = [], 0

    def _end_file(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def write_array(path: Path, rows: NDArray[Any]) -> None:
    """Write an array as ``numpy.save`` does."""
    write_rows(path, [rows], rows.shape, rows.dtype)


def write_rows(
    path: Path,
    blocks: Iterable[NDArray[Any]],
    shape: tuple[int, ...],
    dtype: np.dtype[Any] | type | str,
) -> None:
    """Write an array that comes in blocks of rows."""
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_2_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype=dtype).data)
        file.flush()
        os.fsync(file.fileno())
