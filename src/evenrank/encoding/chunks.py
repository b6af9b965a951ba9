"""Chunk files of the embedding store: rows, the keys of their texts, and a record that seals both.

``<name>.rows.npy`` is an ``(N, H)`` matrix, ``<name>.keys.npy`` the ``(N, 2)`` keys, and
``<name>.json`` their sizes and SHA-256. The record is written last: without it there is no chunk.
All three are written whole, and synced to the disk before they get their names.

Shapes: ``N`` texts, ``H`` width of the embeddings.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from evenrank.errors import DataError
from evenrank.files import sha256_of, whole_file, write_json

Keys = NDArray[np.uint64]
"""``(N, 2)``: 128 bits of BLAKE2b of each text."""
Rows = NDArray[np.float32] | NDArray[np.float16]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    bytes: int
    sha256: str


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    rows: int
    width: int
    dtype: str
    files: dict[str, _File]


@dataclass(frozen=True)
class Chunk:
    """A chunk of a store whose record and file sizes are right.

    Attributes:
        folder: Where its files are.
        name: What their names begin with.
        rows: ``N``.
        width: ``H``.
        dtype: ``float32`` or ``float16``.
        sha256: Of the matrix file.
    """

    folder: Path
    name: str
    rows: int
    width: int
    dtype: str
    sha256: str

    def file(self, part: str) -> Path:
        """Return the path of one of its files, ``rows`` or ``keys``."""
        return _file(self.folder, self.name, part)

    def map_rows(self) -> Rows:
        """Return the ``(N, H)`` matrix as a memory map.

        The map is private: PyTorch asks for memory that may be written to, and what is written
        there does not reach the file.
        """
        shape = (self.rows, self.width)
        return cast(Rows, _load(self, "rows", shape, self.dtype, mmap_mode="c"))

    def verify(self) -> None:
        """Read the matrix and compare its checksum.

        Raises:
            DataError: A byte has changed since it was written.
        """
        _check_sha256(self.file("rows"), self.sha256)


def keys_of(texts: Iterable[str]) -> Keys:
    """Return the key of each text.

    >>> keys = keys_of(["Schnee", "snow", "Schnee"])
    >>> keys.shape, bool((keys[0] == keys[2]).all()), bool((keys[0] == keys[1]).any())
    ((3, 2), True, False)
    """
    digests = b"".join(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        for text in texts
    )
    return np.frombuffer(digests, dtype="<u8").reshape(-1, 2)


def write_chunk(folder: Path, keys: Keys, rows: Rows) -> Chunk:
    """Write a chunk so that it is either whole on the disk or not there.

    Its name comes from the keys: the same texts make the same chunk, whoever writes it.

    Args:
        folder: Where its files go.
        keys: ``(N, 2)`` keys of different texts.
        rows: ``(N, H)`` their embeddings.
    """
    name = hashlib.blake2b(keys.tobytes(), digest_size=16).hexdigest()
    for left in folder.glob(f".{name}.*.part"):  # of a writer that was killed
        left.unlink(missing_ok=True)
    files = {}
    for part, array in (("rows", rows), ("keys", keys)):
        path = _file(folder, name, part)
        with whole_file(path, overwrite=True) as temporary, temporary.open("wb") as out:
            header = np.lib.format.header_data_from_array_1_0(array)
            np.lib.format.write_array_header_1_0(out, header)
            out.write(np.ascontiguousarray(array).data)  # np.save hides why a disk took no more
        files[part] = _File(bytes=path.stat().st_size, sha256=sha256_of(path))
    record = _Record(rows=len(rows), width=rows.shape[1], dtype=str(rows.dtype), files=files)
    write_json(folder / f"{name}.json", record.model_dump())
    _sync_folder(folder)
    return Chunk(folder, name, record.rows, record.width, record.dtype, files["rows"].sha256)


def read_chunk(path: Path, width: int, dtype: str) -> tuple[Chunk, Keys]:
    """Read a chunk's record and keys, and check the sizes of both files and the keys' checksum.

    Args:
        path: The record.
        width: Width that the store's rows have.
        dtype: Type that they have.

    Raises:
        DataError: A file is missing, cut short or changed, or is none of this store.
    """
    try:
        record = _Record.model_validate_json(path.read_bytes())
    except ValidationError as cause:
        raise _damaged(path, "no readable record", "a record of a chunk") from cause
    if (record.width, record.dtype) != (width, dtype) or set(record.files) != {"rows", "keys"}:
        raise _damaged(
            path, f"{record.dtype} rows of width {record.width}", f"{dtype} rows of width {width}"
        )
    folder, name = path.parent, path.stem
    for part, file in record.files.items():
        target = _file(folder, name, part)
        size = target.stat().st_size if target.is_file() else None
        if size != file.bytes:
            found = "no such file" if size is None else f"{size:,} bytes"
            raise _damaged(target, found, f"{file.bytes:,} bytes")
    chunk = Chunk(folder, name, record.rows, width, dtype, record.files["rows"].sha256)
    _check_sha256(chunk.file("keys"), record.files["keys"].sha256)
    return chunk, _load(chunk, "keys", (record.rows, 2), "uint64")


def _file(folder: Path, name: str, part: str) -> Path:
    return folder / f"{name}.{part}.npy"


def _load(chunk: Chunk, part: str, shape: tuple[int, int], dtype: str, **options: Any) -> Any:  # noqa: ANN401 - as np.load
    path = chunk.file(part)
    try:
        array = np.load(path, allow_pickle=False, **options)
    except (OSError, ValueError) as cause:
        raise _damaged(path, f"no readable matrix ({cause})", "a .npy file") from cause
    if array.shape != shape or array.dtype != np.dtype(dtype):
        raise _damaged(path, f"{array.dtype} {array.shape}", f"{dtype} {shape}")
    return array


def _check_sha256(path: Path, expected: str) -> None:
    found = sha256_of(path)
    if found != expected:
        raise _damaged(path, f"SHA-256 {found}", f"SHA-256 {expected}")


def _damaged(path: Path, found: str, expected: str) -> DataError:
    name = path.name.partition(".")[0]
    remedy = f"Delete {path.parent / name}.*, and its texts will be encoded again"
    return DataError(str(path), found, expected, remedy)


def _sync_folder(folder: Path) -> None:
    """Make the new names durable, where the system lets one sync a folder."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
