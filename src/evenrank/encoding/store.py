"""The embedding store: what an encoder has encoded, for the next evaluation.

The texts of a benchmark are cut into pieces of about a thousand. A piece is one safetensors file,
and its name is the hash of its texts and of all that their vectors depend on. So whether a piece
is there says whether its texts are encoded, and no other piece is read for it. Where a piece
ends depends on the texts near its end alone: a text that is added, changed or removed concerns its
piece and sometimes the next ones, and all other pieces keep their names.

Files are written whole or not at all. Whatever stops the work loses the current piece and nothing
else. Processes share the work by locking pieces; the lock of a process that died is free.

Shapes: ``N`` texts, ``H`` width of the embeddings.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
import orjson
import pyarrow as pa
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from evenrank.encoding.model import EmbeddingModel, Kind
from evenrank.errors import ConfigError, DataError, FileError
from evenrank.files import require_writable, whole_file
from evenrank.processes import Team
from evenrank.progress import track

Precision = Literal["float32", "float16"]
Rows = NDArray[np.float32] | NDArray[np.float16]
Texts: TypeAlias = Sequence[str] | pa.ChunkedArray

MINIMUM_PIECE, MAXIMUM_PIECE = 512, 4096
"""Texts in a piece. A small one loses little to a kill; a large one saves padding."""
_ONE_IN = 512
"""After the minimum, a piece ends at one text in this many, chosen by hash: 1,024 on average."""
_READ_AT_ONCE = 16_384
_MAPPED_AT_ONCE = 64
"""A memory map keeps its file open, and a process may have only so many files open."""
_FORMAT = 2


def as_list(texts: Texts) -> list[str]:
    """Return texts, or some rows of a column, as a list."""
    return texts.to_pylist() if isinstance(texts, pa.ChunkedArray) else list(texts)


def each(texts: Texts) -> Iterator[str]:
    """Yield texts, of which a few thousand are in memory at once."""
    for start in range(0, len(texts), _READ_AT_ONCE):
        yield from as_list(texts[start : start + _READ_AT_ONCE])


@dataclass(frozen=True)
class Piece:
    """Consecutive texts, ``start:stop``, and the name of the file of their embeddings."""

    start: int
    stop: int
    name: str


class EmbeddingStore:
    """The embeddings of one encoder with one prompt at one precision.

    Args:
        folder: Its folder, which is created when the first piece is written.
        facts: All that vectors depend on apart from the texts.
        width: ``H``.
        dtype: Precision of the rows on the disk.
    """

    def __init__(self, folder: Path, facts: dict[str, str], width: int, dtype: Precision) -> None:
        self.folder, self.width, self.dtype = folder, width, dtype
        self.facts = {**facts, "width": width, "dtype": dtype, "format": _FORMAT}

    def pieces(self, texts: Texts) -> list[Piece]:
        """Return the pieces of some texts, which are read once, a few at a time."""
        key = orjson.dumps(self.facts, option=orjson.OPT_SORT_KEYS)
        found, start = [], 0
        digest, name = b"", hashlib.blake2b(key, digest_size=16)
        for at, text in enumerate(each(texts), start=1):
            data = text.encode("utf-8", "surrogatepass")
            digest = hashlib.blake2b(data, digest_size=16).digest()
            name.update(digest)
            cut = int.from_bytes(digest[:4]) % _ONE_IN == 0 and at - start >= MINIMUM_PIECE
            if cut or at - start == MAXIMUM_PIECE or at == len(texts):
                found.append(Piece(start, at, name.hexdigest()))
                start, name = at, hashlib.blake2b(key, digest_size=16)
        return found

    def path(self, piece: Piece) -> Path:
        """Return the file of a piece."""
        return self.folder / f"{piece.name}.safetensors"

    def missing(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Return the pieces that are not there, after a proof that there is space for them.

        Raises:
            FileError: The store cannot be written to, or the disk is too small.
        """
        missing = [piece for piece in pieces if not self.path(piece).exists()]
        if missing:
            texts = sum(piece.stop - piece.start for piece in missing)
            needed = texts * self.width * np.dtype(self.dtype).itemsize
            existing = next(path for path in (self.folder, *self.folder.parents) if path.exists())
            if (free := shutil.disk_usage(existing).free) < needed:
                found = f"{free / 1e9:,.1f} GB free"
                expected = f"{needed / 1e9:,.1f} GB for the embeddings of {texts:,} texts"
                raise FileError(str(self.folder), found, expected, "Free some space")
            require_writable(self.folder, keep=True)
        return missing

    def add(self, piece: Piece, encode: Callable[[], NDArray[np.float32]], *, wait: bool) -> bool:
        """Encode and write a piece unless it is there.

        Args:
            piece: The piece.
            encode: Returns its ``(N, H)`` vectors.
            wait: Wait for another process that encodes this piece.

        Returns:
            Whether the piece is there now; ``False`` if another process is encoding it.

        Raises:
            FileError: The disk is full, or cannot be written.
        """
        if self.path(piece).exists():
            return True
        locks = self.folder / "locks"
        try:
            locks.mkdir(parents=True, exist_ok=True)
            with FileLock(locks / f"{piece.name[:2]}.lock", timeout=-1 if wait else 0):
                if not self.path(piece).exists():
                    self._write(piece, encode())
        except Timeout:
            return False
        except OSError as cause:
            raise FileError.of(cause, locks) from cause
        return True

    def read(self, pieces: Sequence[Piece]) -> StoredRows:
        """Return the embeddings of pieces, all of which are there.

        Raises:
            DataError: A file is missing, cut short, or not the one of its name.
        """
        return StoredRows([self._open(piece) for piece in pieces], self.width, self.dtype)

    def _write(self, piece: Piece, rows_NH: NDArray[np.float32]) -> None:
        import safetensors.numpy

        for left in self.folder.glob(f".{piece.name}*.part"):  # of a writer that was killed
            left.unlink(missing_ok=True)
        rows = np.ascontiguousarray(rows_NH, dtype=self.dtype)
        empty = np.flatnonzero(~rows.any(axis=1)).tolist()
        facts = {**self.facts, "piece": piece.name, "empty": empty, "sha256": _sha256(rows)}
        # one key: the library writes several in any order, and files are compared byte by byte
        card = {"evenrank": orjson.dumps(facts, option=orjson.OPT_SORT_KEYS).decode()}
        with whole_file(self.path(piece), overwrite=True) as part:
            part.write_bytes(safetensors.numpy.save({"rows": rows}, card))

    def _open(self, piece: Piece) -> _File:
        from safetensors import SafetensorError, safe_open

        path = self.path(piece)
        try:
            with safe_open(path, framework="numpy") as file:
                facts = orjson.loads((file.metadata() or {})["evenrank"])
                shape = tuple(file.get_slice("rows").get_shape())
            with path.open("rb") as raw:
                offset = 8 + int.from_bytes(raw.read(8), "little")
            found = {name: facts[name] for name in (*self.facts, "piece")}
            sha256, empty = str(facts["sha256"]), [int(row) for row in facts["empty"]]
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as cause:
            words = f"no readable embeddings ({type(cause).__name__}: {cause})"
            raise _damaged(path, words, "the file that was written") from cause
        expected = {**self.facts, "piece": piece.name}
        if found != expected or shape != (piece.stop - piece.start, self.width):
            wrong = {name: found[name] for name in found if found[name] != expected[name]}
            raise _damaged(path, f"embeddings of {wrong or shape}", "those of its name")
        return _File(path, offset, shape, np.dtype(self.dtype), sha256, empty)


def open_store(
    folder: Path,
    model: EmbeddingModel,
    kind: Kind,
    *,
    dtype: Precision = "float32",
) -> EmbeddingStore:
    """Return the part of a store that belongs to an encoder and a kind of text.

    Args:
        folder: The store, which may have embeddings of many encoders.
        model: The source of the embeddings; its fingerprint covers all that they depend on.
        kind: Queries or passages, which have a prompt each.
        dtype: ``float16`` halves the disk space and changes scores by up to about 0.0005.

    Raises:
        ConfigError: There is no such precision.
    """
    if dtype not in get_args(Precision):
        raise ConfigError("store precision", repr(dtype), "float32 or float16", "Correct it")
    name = model.fingerprint
    prompt = model.prompts[0 if kind == "query" else 1]
    facts = {"encoder": name, "kind": kind, "prompt": prompt}
    return EmbeddingStore(folder / name / f"{kind}-{dtype}", facts, model.width, dtype)


class StoredRows:
    """An ``(N, H)`` matrix on the disk that is read like an array: by slices and by row numbers.

    A slice of one piece is a view of its file and copies nothing; other slices and lists of row
    numbers are gathered. In memory is a small record for each piece.

    Args:
        files: The files, in the order of their rows.
        width: ``H``.
        dtype: Of the rows.
    """

    ndim = 2

    def __init__(self, files: Sequence[_File], width: int, dtype: str) -> None:
        self._files = list(files)
        self._verified: set[int] = set()
        self._starts = np.cumsum([0, *(file.shape[0] for file in files)], dtype=np.int64)
        self._map = lru_cache(maxsize=_MAPPED_AT_ONCE)(self._open)
        self.shape = (int(self._starts[-1]), width)
        self.dtype = np.dtype(dtype)
        places = zip(self._starts.tolist(), files, strict=False)
        rows = [start + row for start, file in places for row in file.empty]
        self.empty: NDArray[np.int64] = np.array(rows, dtype=np.int64)
        """Numbers of the rows that have no direction: they are all zeros."""

    def verify(self, team: Team) -> None:
        """Compare the checksums of all files now, shared among processes.

        Otherwise each process compares those of the files that it reads, before their first use.

        Raises:
            DataError: A file is damaged.
        """
        numbers = range(len(self._files))
        for number in track(team.share(numbers), "Verifying embeddings", unit="files"):
            self._map(number)
        team.add_up(np.ones(1))  # wait for all of them
        self._verified |= set(numbers)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Rows:  # noqa: ANN401 - as numpy
        """Return rows by a slice or by an array of row numbers."""
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step == 1 and start < stop:
                spans = list(self._spans(start, stop))
                return spans[0] if len(spans) == 1 else cast(Rows, np.concatenate(spans))
            key = np.arange(start, stop, step)
        rows = np.asarray(key, dtype=np.int64)
        rows = np.where(rows < 0, rows + len(self), rows)
        if rows.size and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"row {rows.max()} of {len(self)}")
        out = np.empty((len(rows), self.shape[1]), dtype=self.dtype)
        numbers = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(numbers).tolist():
            here = np.flatnonzero(numbers == number)
            out[here] = self._map(number)[rows[here] - self._starts[number]]
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Rows:  # noqa: ANN401
        """Read everything: for sets that fit into memory."""
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype)

    def _spans(self, start: int, stop: int) -> Iterator[Rows]:
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        for number, (begin, end) in enumerate(pairwise(self._starts[first:].tolist()), start=first):
            if begin >= stop:
                return
            yield self._map(number)[max(start, begin) - begin : min(stop, end) - begin]

    def _open(self, number: int) -> Rows:
        rows = self._files[number].map_rows()
        if number not in self._verified:
            file = self._files[number]
            if (found := _sha256(rows)) != file.sha256:
                raise _damaged(file.path, f"SHA-256 {found}", f"SHA-256 {file.sha256}")
            self._verified.add(number)
        return rows


@dataclass(frozen=True)
class _File:
    """The file of a piece: where its rows begin, how many there are, and what they have to be."""

    path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    sha256: str
    empty: list[int]

    def map_rows(self) -> Rows:
        """Return the rows as a memory map.

        The map is private: PyTorch asks for memory that may be written to, and what is written
        there does not reach the file.
        """
        try:
            return cast(Rows, np.memmap(self.path, self.dtype, "c", self.offset, self.shape))
        except (OSError, ValueError) as cause:
            raise _damaged(self.path, f"no readable rows ({cause})", "all rows") from cause


def _sha256(rows: Rows) -> str:
    return hashlib.sha256(rows.data).hexdigest()


def _damaged(path: Path, found: str, expected: str) -> DataError:
    remedy = "Delete this file, and its texts are encoded again"
    return DataError(str(path), found, expected, remedy)
