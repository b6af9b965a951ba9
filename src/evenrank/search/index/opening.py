"""Opening an index: its files are memory-mapped, so that it opens at once at any size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenrank.debias.base import Correction
from evenrank.debias.saving import load_correction
from evenrank.errors import DataError
from evenrank.search.correction import StoredNumbers
from evenrank.search.engines.exact import ExactEngine
from evenrank.search.index.manifest import (
    Manifest,
    Pointer,
    check_files,
    damaged,
    generation_folder,
    read_manifest,
    read_pointer,
)
from evenrank.search.index.passages import PassageTable

CORRECTION = "correction.safetensors"


@dataclass(frozen=True, eq=False)
class Index:
    """An open index.

    Attributes:
        folder: Its folder.
        pointer: The generation that was current when it was opened.
        manifest: What it is.
        engine: Its passages and vectors.
        correction: The correction that it was built with.
        stored: What it keeps with each passage for the correction.
    """

    folder: Path
    pointer: Pointer
    manifest: Manifest
    engine: ExactEngine
    correction: Correction | None
    stored: StoredNumbers | None

    @property
    def is_current(self) -> bool:
        """Whether no build has replaced this state."""
        return read_pointer(self.folder) == self.pointer


def open_index(folder: str | Path, *, verify: bool = False, threads: int | None = None) -> Index:
    """Open the current state of an index; a later build does not change it.

    Args:
        folder: The index.
        verify: Compare the checksums of all files, which reads them.
        threads: Threads of a search; the number of CPUs if ``None``.

    Raises:
        DataError: There is no index, or a file is missing, cut short or damaged.
    """
    folder = Path(folder)
    while True:
        pointer = read_pointer(folder)
        try:
            return _open(folder, pointer, verify, threads)
        except DataError:
            if read_pointer(folder) == pointer:  # else a build has just replaced it
                raise


def _open(folder: Path, pointer: Pointer, verify: bool, threads: int | None) -> Index:
    generation = generation_folder(folder, pointer)
    manifest = read_manifest(generation)
    check_files(generation, manifest, all_bytes=verify)
    try:
        passages = _read_passages(generation, manifest, str(folder))
        passages.table.validate(full=verify)
        engine = ExactEngine(_load(generation / "vectors.npy", 2), passages, threads=threads)
        if engine.width != manifest.model.width:
            raise ValueError(f"vectors of width {engine.width}")
    except (OSError, ValueError, KeyError, pa.ArrowException) as cause:
        raise damaged(generation, str(cause).partition("\n")[0]) from None
    correction, stored = None, None
    if manifest.correction is not None:
        correction = load_correction(generation / CORRECTION)
    if "scale.npy" in manifest.files:
        scale, minus = (_load(generation / name, 1) for name in ("scale.npy", "minus.npy"))
        if {len(scale), len(minus)} != {len(passages)}:
            raise damaged(generation / "scale.npy", f"{len(scale):,} numbers")
        stored = StoredNumbers.of(passages, scale, minus)
    return Index(folder, pointer, manifest, engine, correction, stored)


def read_table(generation: Path) -> pa.Table:
    """Return the passages of a generation by row, memory-mapped."""
    tables: list[pa.Table] = []
    while (path := generation / f"passages-{len(tables)}.arrow").exists():
        tables.append(pa.ipc.open_file(pa.memory_map(str(path))).read_all())
    return pa.concat_tables(tables, promote_options="permissive")


def _read_passages(generation: Path, manifest: Manifest, name: str) -> PassageTable:
    table = read_table(generation)
    arrays = [_load(generation / f"{one}.npy", 1) for one in ("rows", "id_hashes", "id_places")]
    counts = manifest.languages
    total = sum(counts.values())
    if others := {table.num_rows, *map(len, arrays)} - {total}:
        raise ValueError(f"{min(others):,} rows instead of {total:,}")
    if (
        max(int(array.max()) for array in (arrays[0], arrays[2])) >= total
        or min(counts.values()) < 1
    ):
        raise ValueError("an order of other passages")
    offsets = np.concatenate([[0], np.cumsum(list(counts.values()))]).astype(np.int64)
    return PassageTable(name, table, tuple(counts), offsets, *arrays)


def _load(path: Path, dimensions: int) -> NDArray[Any]:
    """Return an array as a memory map that may be written to, which changes no file."""
    array = np.load(path, mmap_mode="c", allow_pickle=False)
    if array.ndim != dimensions:
        raise ValueError(f"{path.name} of shape {array.shape}")
    return np.asarray(array)
