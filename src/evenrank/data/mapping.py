"""Rows in an Arrow file, mapped into memory."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa


def map_rows(path: Path) -> pa.Table:
    """Return the rows of a file. Only the parts that are used are read."""
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def releasable_rows(path: Path) -> tuple[pa.Table, Callable[[], object] | None]:
    """Return the rows of a file, and what takes its pages out of this process's memory.

    The pages stay in the cache of the system, and are mapped again if they are read again. The
    second value is ``None`` where the system cannot do this.
    """
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    table = pa.ipc.open_file(pa.py_buffer(mapped)).read_all()
    if not hasattr(mmap, "MADV_DONTNEED"):
        return table, None
    return table, lambda: mapped.madvise(mmap.MADV_DONTNEED)
