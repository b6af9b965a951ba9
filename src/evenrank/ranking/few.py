"""The compiled pass over passages for a few queries, which takes as long as reading them.

A product of a matrix with a few vectors is as fast as memory. BLAS is built for large matrices,
and is two to six times slower here. Passages may be float16, which is half as much to read; NumPy
converts it twenty times slower than memory is read, so the loop converts each number on the way.

Shapes: ``B`` queries, ``T`` passages, ``H`` width, ``C`` candidates.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from evenrank.ranking.counting import keep_top

FEW = 8
"""Up to this many queries, :func:`scan_few` is faster than products of panels."""
_CHUNK = 1024  # scores that are computed before they are compared: they fit into the cache
_SUMS = {"reassoc", "contract", "nsz"}  # sums in any order, which vector registers need


Rows = NDArray[np.float32] | NDArray[np.uint16]


@intrinsic  # type: ignore[untyped-decorator]
def _number(context: Any, value: Any) -> Any:  # noqa: ANN401 - as numba has it
    """Return an element of :data:`Rows` as float32: one instruction for the bits of a float16."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        if signature.args[0] == types.float32:
            return arguments[0]
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return types.float32(value), generate


def as_rows(vectors: NDArray[Any]) -> Rows:
    """Return float32 or float16 vectors as the loops take them, without a copy."""
    return vectors.view(np.uint16) if vectors.dtype == np.float16 else vectors


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]  # numba has no types
def scan_few(
    rows_TH: Rows,
    queries_BH: NDArray[np.float32],
    start: int,
    kept: int,
    keys_BC: NDArray[np.int64],
    fills_B: NDArray[np.int64],
    floors_B: NDArray[np.float32],
) -> None:
    """Add to each query's candidates the passages that may be among its best ``kept``.

    Args:
        rows_TH: Embeddings of consecutive passages, from :func:`as_rows`.
        queries_BH: Embeddings of the queries.
        start: Position of the first passage.
        kept: As for :func:`~evenrank.ranking.counting.keep_top`, as are the candidates.
        keys_BC: Keys of the candidates.
        fills_B: Number of candidates.
        floors_B: Minimum score of a candidate.
    """
    scores_1BT = np.empty((1, len(queries_BH), _CHUNK), dtype=np.float32)
    for first in range(0, len(rows_TH), _CHUNK):
        chunk = rows_TH[first : first + _CHUNK]
        if len(queries_BH) == 1:
            _score_one(chunk, queries_BH[0], scores_1BT[0, 0])
        else:
            _score_several(chunk, queries_BH, scores_1BT[0])
        keep_top(scores_1BT, start + first, len(chunk), kept, keys_BC, fills_B, floors_B)


@njit(nogil=True, cache=True, fastmath=_SUMS)  # type: ignore[untyped-decorator]
def _score_one(rows_TH: Rows, query_H: NDArray[np.float32], scores_T: NDArray[np.float32]) -> None:
    for row in range(len(rows_TH)):
        score = np.float32(0)
        for at in range(len(query_H)):
            score += _number(rows_TH[row, at]) * query_H[at]
        scores_T[row] = score


@njit(nogil=True, cache=True, fastmath=_SUMS)  # type: ignore[untyped-decorator]
def _score_several(
    rows_TH: Rows, queries_BH: NDArray[np.float32], scores_BT: NDArray[np.float32]
) -> None:
    """Score four passages together, so that a number of a query is loaded once for all of them."""
    count, width = rows_TH.shape
    whole = count // 4 * 4
    for query in range(len(queries_BH)):
        for row in range(0, whole, 4):
            one, two, three, four = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
            for at in range(width):
                number = queries_BH[query, at]
                one += _number(rows_TH[row, at]) * number
                two += _number(rows_TH[row + 1, at]) * number
                three += _number(rows_TH[row + 2, at]) * number
                four += _number(rows_TH[row + 3, at]) * number
            scores_BT[query, row] = one
            scores_BT[query, row + 1] = two
            scores_BT[query, row + 2] = three
            scores_BT[query, row + 3] = four
        for row in range(whole, count):
            _score_one(rows_TH[row : row + 1], queries_BH[query], scores_BT[query, row : row + 1])


@njit(nogil=True, cache=True, fastmath=_SUMS)  # type: ignore[untyped-decorator]
def score_pairs(
    rows_DH: Rows,
    positions_QK: NDArray[np.int64],
    queries_QH: NDArray[np.float32],
    scores_QK: NDArray[np.float32],
) -> None:
    """Write the score of each query with some passages, which is summed in float64.

    A score depends on its query and its passage alone.
    """
    for query in range(len(positions_QK)):
        for place in range(positions_QK.shape[1]):
            row, score = positions_QK[query, place], np.float64(0)
            for at in range(rows_DH.shape[1]):
                score += np.float64(_number(rows_DH[row, at])) * np.float64(queries_QH[query, at])
            scores_QK[query, place] = np.float32(score)
