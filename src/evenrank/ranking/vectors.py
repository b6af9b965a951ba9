"""Rows of embeddings as float32 tensors, checked as they are read.

Shapes: ``N`` rows, ``H`` width, ``T`` rows of a panel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from evenrank.errors import DataError

Embeddings = NDArray[np.float32] | NDArray[np.float16]
Positions = Sequence[int] | NDArray[np.int64]


def gathered(rows_NH: Embeddings, positions: NDArray[np.int64], count: int) -> torch.Tensor:
    """Return some rows in float32, followed by rows of zeros up to ``count`` of them."""
    some = torch.from_numpy(rows_NH[positions])
    whole = torch.empty((count, some.shape[1]), dtype=torch.float32)
    whole[: len(some)] = some
    whole[len(some) :] = 0
    return whole


def panels_of(rows_NH: Embeddings, start: int, buffer_NTH: torch.Tensor) -> torch.Tensor:
    """Return a slab of passages as panels ``(N, T, H)`` in float32, the last one padded with zeros.

    Whole panels that are float32 in memory are views; others are converted into the buffer, all at
    once: each call of PyTorch is a moment in which threads may wait for the interpreter's lock.

    Args:
        rows_NH: Embeddings of passages that follow one another, at most as many as the buffer has.
        start: Position of the first one.
        buffer_NTH: Room for panels; its second dimension is the width of a panel.

    Raises:
        DataError: An embedding holds NaN or infinity.
    """
    width, count = buffer_NTH.shape[1], len(rows_NH)
    plain = rows_NH.dtype == np.float32 and rows_NH.flags.c_contiguous and rows_NH.flags.writeable
    if plain and count % width == 0:
        slab = torch.from_numpy(rows_NH)
    else:
        slab = buffer_NTH.flatten(0, 1)[: -(-count // width) * width]
        slab[:count] = torch.from_numpy(_may_be_written(rows_NH))
        slab[count:] = 0
    require_finite("passage", slab, range(start, start + len(slab)))
    return slab.view(-1, width, slab.shape[1])


def require_finite(kind: str, rows: torch.Tensor, positions: Positions) -> None:
    """Refuse embeddings with a number that is none, and name the first by its position."""
    # far faster than a look at each number; in half precision a sum of finite ones may overflow
    if torch.isfinite(rows.sum(dtype=torch.float32)):
        return
    finite = torch.isfinite(rows).all(dim=1)
    if not finite.all():
        raise DataError(
            f"embedding of {kind} {positions[int(finite.int().argmin())]}",
            "NaN or infinity",
            "finite numbers",
            "Check the model; it cannot be ranked",
        )


def _may_be_written(rows_NH: Embeddings) -> Embeddings:
    """Return rows that PyTorch takes: it warns of arrays that must not be written to."""
    return rows_NH if rows_NH.flags.writeable else rows_NH.copy()
