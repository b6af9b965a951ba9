"""Input of a ranking pass: embeddings as checked float32 tensors, queries in groups.

Shapes: ``N`` rows, ``H`` width, ``T`` rows of a panel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Relevance
from evenrank.errors import DataError

Embeddings = NDArray[np.float32] | NDArray[np.float16]
Positions = Sequence[int] | NDArray[np.int64]


def group_queries(relevance: Relevance, size: int) -> list[NDArray[np.int64]]:
    """Return the positions of all queries in groups of ``size``.

    Queries with the same relevant passages (parallel queries) are in one group, so that few
    passages have to be read to predict the scores of the group's pairs.
    """
    counts = np.diff(relevance.indptr)
    first = np.full(len(counts), -1, dtype=np.int64)
    first[counts > 0] = relevance.passages[relevance.indptr[:-1][counts > 0]]
    order = np.argsort(first, kind="stable")
    return [order[at : at + size] for at in range(0, len(order), size)]


def pairs_of(
    relevance: Relevance, queries: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pair numbers of some queries, and where each query's pairs begin among them.

    >>> relevance = Relevance(np.array([0, 2, 3]), np.array([5, 6, 7]))
    >>> [values.tolist() for values in pairs_of(relevance, np.array([1, 0]))]
    [[2, 0, 1], [0, 1, 3]]
    """
    counts = relevance.indptr[queries + 1] - relevance.indptr[queries]
    indptr = np.concatenate([[0], np.cumsum(counts)])
    starts = np.repeat(relevance.indptr[queries] - indptr[:-1], counts)
    return starts + np.arange(indptr[-1]), indptr


def gathered(rows_NH: Embeddings, positions: NDArray[np.int64], count: int) -> torch.Tensor:
    """Return the rows at some positions in float32, padded with zeros to ``count`` rows."""
    some = torch.from_numpy(rows_NH[positions])
    padded = torch.empty((count, some.shape[1]), dtype=torch.float32)
    padded[: len(some)] = some
    padded[len(some) :] = 0
    return padded


def panels_of(rows_NH: Embeddings, start: int, buffer_NTH: torch.Tensor) -> torch.Tensor:
    """Return consecutive passages as float32 panels ``(N, T, H)``, the last padded with zeros.

    Whole panels that are float32 in memory become views. Others are copied to the buffer in one
    call, since threads may wait for the interpreter's lock at each call of PyTorch.

    Args:
        rows_NH: Embeddings of the passages, not more than the buffer can contain.
        start: Position of the first passage.
        buffer_NTH: Buffer for panels.

    Raises:
        DataError: An embedding contains NaN or infinity.
    """
    width, count = buffer_NTH.shape[1], len(rows_NH)
    plain = rows_NH.dtype == np.float32 and rows_NH.flags.c_contiguous and rows_NH.flags.writeable
    if plain and count % width == 0:
        tile = torch.from_numpy(rows_NH)
    else:
        tile = buffer_NTH.flatten(0, 1)[: -(-count // width) * width]
        # PyTorch warns of arrays that are read-only
        tile[:count] = torch.from_numpy(rows_NH if rows_NH.flags.writeable else rows_NH.copy())
        tile[count:] = 0
    require_finite("passage", tile, range(start, start + len(tile)))
    return tile.view(-1, width, tile.shape[1])


def require_finite(kind: str, rows: torch.Tensor, positions: Positions) -> None:
    """Raise ``DataError`` for the first embedding with NaN or infinity, named by its position."""
    # a sum is much faster than a check of each number; finite float16 numbers may overflow in it
    if torch.isfinite(rows.sum(dtype=torch.float32)):
        return
    finite = torch.isfinite(rows).all(dim=1)
    if not finite.all():
        raise DataError(
            f"embedding of {kind} {positions[int(finite.int().argmin())]}",
            "NaN or infinity",
            "finite numbers",
            "Check the model: its embeddings cannot be ranked",
        )
