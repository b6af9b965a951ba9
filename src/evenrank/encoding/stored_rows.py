"""Embeddings of a sequence of texts that stay on the disk, in the order of the texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenrank.encoding.chunks import Chunk, Rows
from evenrank.processes import Team
from evenrank.progress import track

_MAPPED_AT_ONCE = 64
"""A memory map keeps its file open, and a process may have only so many files open."""


class ChunkRows:
    """The rows of several chunks under one numbering; each is mapped when it is first read.

    Args:
        chunks: The chunks.
        width: Of their rows.
        dtype: Of their rows.
        verify: Compare a chunk's checksum before its rows are used for the first time.
    """

    def __init__(self, chunks: Sequence[Chunk], width: int, dtype: str, *, verify: bool) -> None:
        self._chunks = list(chunks)
        self._verify = verify
        self._verified: set[int] = set()
        self.starts = np.cumsum([0, *(chunk.rows for chunk in chunks)], dtype=np.int64)
        self.width = width
        self.dtype = np.dtype(dtype)
        self._map = lru_cache(maxsize=_MAPPED_AT_ONCE)(self._open)

    def chunk_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the chunk that each row is in."""
        return np.searchsorted(self.starts, rows, side="right") - 1

    def span(self, row: int, count: int) -> Rows:
        """Return ``count`` rows of one chunk, from ``row`` on, without a copy."""
        chunk = int(np.searchsorted(self.starts, row, side="right")) - 1
        first = row - int(self.starts[chunk])
        return self._map(chunk)[first : first + count]

    def gather(self, rows: NDArray[np.int64]) -> Rows:
        """Return some rows as an array, in the order given."""
        out = np.empty((len(rows), self.width), dtype=self.dtype)
        chunks = self.chunk_of(rows)
        for chunk in np.unique(chunks).tolist():
            here = np.flatnonzero(chunks == chunk)
            out[here] = self._map(chunk)[rows[here] - self.starts[chunk]]
        return out

    def verify(self, numbers: list[int], team: Team) -> None:
        """Compare the checksums of some chunks now, each in one of several processes.

        Raises:
            DataError: A chunk is damaged; in every process, whichever of them has read it.
        """
        if not self._verify:
            return
        for number in track(team.share(numbers), "Verifying embeddings", unit="chunks"):
            self._chunks[number].verify()
        team.add_up(np.ones(1))  # wait for all of them
        self._verified |= set(numbers)

    def _open(self, number: int) -> Rows:
        chunk = self._chunks[number]
        if self._verify and number not in self._verified:
            chunk.verify()
            self._verified.add(number)
        return chunk.map_rows()


class StoredRows:
    """An ``(N, H)`` matrix on the disk that is read like an array: by slices and by row numbers.

    A slice whose rows lie one after the other in one chunk is a view of the file and copies
    nothing; other slices and lists of row numbers are gathered. Memory is 16 bytes for each run of
    neighbouring rows: as many runs as chunks, and two more for each repeated text.

    Args:
        source: The rows.
        starts: ``(R,)`` position at which each run starts, the first one 0.
        rows: ``(R,)`` row at which it starts; no run goes over the end of a chunk.
        length: ``N``.
    """

    ndim = 2

    def __init__(
        self, source: ChunkRows, starts: NDArray[np.int64], rows: NDArray[np.int64], length: int
    ) -> None:
        self._source, self._starts, self._rows = source, starts, rows
        self.shape = (length, source.width)
        self.dtype = source.dtype

    def verify(self, team: Team) -> None:
        """Compare the checksums of all chunks that rows lie in, shared among processes.

        Without this each process compares the chunks that it reads, when it first does.

        Raises:
            DataError: A chunk is damaged.
        """
        self._source.verify(np.unique(self._source.chunk_of(self._rows)).tolist(), team)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Rows:  # noqa: ANN401 - as numpy
        """Return rows by a slice or by an array of row numbers."""
        if not isinstance(key, slice):
            return self._gather(np.asarray(key, dtype=np.int64))
        start, stop, step = key.indices(len(self))
        if step == 1 and start < stop:
            first, last = (int(self._run_of(np.int64(at))) for at in (start, stop - 1))
            if first == last:
                row = int(self._rows[first] + start - self._starts[first])
                return self._source.span(row, stop - start)
        return self._gather(np.arange(start, stop, step, dtype=np.int64))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Rows:  # noqa: ANN401
        """Read everything: for sets that fit into memory."""
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype)

    def _gather(self, positions: NDArray[np.int64]) -> Rows:
        positions = np.where(positions < 0, positions + len(self), positions)
        if positions.size and not 0 <= positions.min() <= positions.max() < len(self):
            raise IndexError(f"row {positions.max()} of {len(self)}")
        run = self._run_of(positions)
        return self._source.gather(self._rows[run] + positions - self._starts[run])

    def _run_of(self, positions: Any) -> Any:  # noqa: ANN401 - one or many
        return np.searchsorted(self._starts, positions, side="right") - 1
