"""The vectors of an index that is built: copied where the index has the text, encoded where not.

Shapes: ``D`` passages, ``H`` width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from evenrank.encoding.encode import Work, encode_texts
from evenrank.encoding.store import Precision, Rows
from evenrank.errors import DataError
from evenrank.progress import bar, quiet
from evenrank.search.index.manifest import (
    CURRENT,
    check_files,
    generation_folder,
    read_manifest,
    read_pointer,
)
from evenrank.search.index.passages import PassageTable
from evenrank.search.index.writing import write_rows

BLOCK = 16_384
"""Passages whose vectors are in memory at once."""


@dataclass(frozen=True, eq=False)
class Earlier:
    """Vectors of the index before."""

    digests: NDArray[np.uint64]
    vectors: NDArray[Any]


def _earlier_of(folder: Path, work: Work, precision: Precision) -> Earlier | None:
    """Return what can be used again: vectors of the same model at the same precision."""
    encoder = work.source
    if encoder.by_id or not (folder / CURRENT).exists():
        return None
    try:
        generation = generation_folder(folder, read_pointer(folder))
        manifest = read_manifest(generation)
        check_files(generation, manifest, all_bytes=True)
    except DataError:  # it is replaced by a whole one
        return None
    if (manifest.model.fingerprint, manifest.precision) != (encoder.fingerprint, precision):
        return None
    arrays = (np.load(generation / name, mmap_mode="r") for name in ("texts.npy", "vectors.npy"))
    return Earlier(*arrays)


@dataclass(frozen=True, eq=False)
class Vectors:
    """The vectors of an index while it is built.

    Attributes:
        work: The encoder, and how it is used.
        precision: Type of the vectors.
        store: Where new vectors are until the index is complete.
        earlier: What can be used again.
    """

    work: Work
    precision: Precision
    store: Path
    earlier: Earlier | None

    def write(self, path: Path, passages: PassageTable) -> int:
        """Write the vectors by position, and return how many texts were encoded."""
        total, encoder, earlier = len(passages), self.work.source, self.earlier
        shape = (total, encoder.width)
        if encoder.by_id:
            write_rows(path, self._by_id(passages), shape, self.precision)
            return total
        digests = np.load(path.with_name("texts.npy"), mmap_mode="r")
        old = _rows_of(digests, earlier.digests) if earlier else np.full(total, -1)
        distinct, places = _distinct(digests, np.flatnonzero(old < 0))
        new = np.full(total, -1)
        new[old < 0] = places
        rows: Rows = np.empty((0, encoder.width), dtype=np.float32)
        if len(distinct):
            texts = _Texts(passages, distinct)
            work = replace(self.work, name_of=texts.name)
            rows = encode_texts(work, texts, store=self.store, dtype=self.precision)
        write_rows(path, self._joined(rows, new, old), shape, self.precision)
        return len(distinct)

    def _by_id(self, passages: PassageTable) -> Iterator[NDArray[Any]]:
        for start in range(0, len(passages), BLOCK):
            positions = np.arange(start, min(start + BLOCK, len(passages)))
            with quiet():
                yield encode_texts(self.work, passages.ids(positions))

    def _joined(
        self,
        rows: Rows,
        new: NDArray[np.int64],
        old: NDArray[np.int64],
    ) -> Iterator[NDArray[Any]]:
        """Yield the vectors from the index before and from the encoder, in order."""
        with bar("Writing vectors", len(new), "passages") as progress:
            for start in range(0, len(new), BLOCK):
                part = slice(start, start + BLOCK)
                block = np.empty((len(new[part]), self.work.source.width), dtype=self.precision)
                fresh = new[part] >= 0
                block[fresh] = rows[new[part][fresh]]
                if self.earlier is not None:
                    block[~fresh] = self.earlier.vectors[old[part][~fresh]]
                yield block
                progress.advance(len(block))


def open_vectors(folder: Path, work: Work, precision: Precision, store: Path | None) -> Vectors:
    """Return what writes the vectors of a new state of an index; it uses those of the index."""
    earlier = _earlier_of(folder, work, precision)
    return Vectors(work, precision, store or folder / "store", earlier)


class _Texts(Sequence[str]):
    """The texts at some positions, of which a slice is read at once."""

    def __init__(self, passages: PassageTable, positions: NDArray[np.int64]) -> None:
        self._table, self._positions = passages, positions

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, key: int) -> str: ...
    @overload
    def __getitem__(self, key: slice) -> list[str]: ...
    def __getitem__(self, key: int | slice) -> str | list[str]:
        if isinstance(key, slice):
            return self._table.texts(self._positions[key])
        return self._table.texts(self._positions[[key]])[0]

    def name(self, number: int) -> str:
        """Return what messages call a text."""
        return f"passage {self._table.ids(self._positions[[number]])[0]!r}"


def _rows_of(wanted: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the row of ``known`` that equals each row of ``wanted``; -1 where there is none."""
    order = np.argsort(known[:, 0], kind="stable")
    at = np.searchsorted(known[:, 0], wanted[:, 0], sorter=order)
    rows = order[np.minimum(at, len(order) - 1)]
    same = (known[rows] == wanted).all(axis=1)
    return np.where(same, rows, -1)


def _distinct(
    digests: NDArray[np.uint64], positions: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first position of each distinct text, sorted, and which of them each equals."""
    some = digests[positions]
    order = np.lexsort((some[:, 1], some[:, 0]))
    in_order = some[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (in_order[1:] != in_order[:-1]).any(axis=1)
    firsts = positions[order[begins]]  # lexsort is stable: the first of equal texts
    distinct = np.sort(firsts)
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.searchsorted(distinct, firsts)[np.cumsum(begins) - 1]
    return distinct, places
