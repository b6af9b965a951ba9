"""The compiled loops of a ranking pass, over one tile of scores that is still in cache.

Shapes: ``B`` queries of the tile, ``T`` passages of the tile, ``S`` segments (runs of one
language), ``P`` pairs, ``L`` languages, ``K`` kept passages.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_SETS = 8  # disjoint sets of scores per kept passage, whose maxima :func:`keep_top` takes
_CHUNK = 64  # scores looked at together, since few of them reach the floor


@njit(nogil=True, cache=True)
def count_above(
    scores_BT: NDArray[np.float32],
    first_row: int,
    last_row: int,
    start: int,
    segments: NDArray[np.int64],
    indptr: NDArray[np.int64],
    passages_P: NDArray[np.int64],
    own_P: NDArray[np.float32],
    above_PL: NDArray[np.int32],
) -> None:
    """Add to ``above_PL`` the passages of the tile that rank above each pair's passage.

    A passage ranks above when its score is higher, or equal and its position is earlier. Within a
    segment that is one comparison before the pair's position and another one after it, so ties
    cost nothing.

    Args:
        scores_BT: Scores; column ``t`` is the passage at position ``start + t``.
        first_row: First row to work on.
        last_row: Row to stop before.
        start: Position of the tile's first passage.
        segments: ``(S, 3)`` language, first column, column to stop before.
        indptr: ``(B + 1,)`` pairs of each row.
        passages_P: Position of each pair's passage.
        own_P: Score of each pair.
        above_PL: Counts to add to.
    """
    for row in range(first_row, last_row):
        scores = scores_BT[row]
        for segment in range(len(segments)):
            language, begin, end = segments[segment]
            for pair in range(indptr[row], indptr[row + 1]):
                own = own_P[pair]
                split = min(max(passages_P[pair] - start, begin), end)
                above_PL[pair, language] += _count_from(scores[begin:split], own)
                above_PL[pair, language] += _count_over(scores[split:end], own)


@njit(nogil=True, cache=True)
def _count_from(scores: NDArray[np.float32], own: np.float32) -> np.int32:
    count = np.int32(0)
    for index in range(len(scores)):
        # kept in 32 bits at every step: a vector holds as many counts as scores
        count = np.int32(count + np.int32(scores[index] >= own))
    return count


@njit(nogil=True, cache=True)
def _count_over(scores: NDArray[np.float32], own: np.float32) -> np.int32:
    count = np.int32(0)
    for index in range(len(scores)):
        count = np.int32(count + np.int32(scores[index] > own))
    return count


@njit(nogil=True, cache=True)
def _strided_maxima(scores: NDArray[np.float32], maxima: NDArray[np.float32]) -> None:
    """Set ``maxima[j]`` to the largest of the scores ``j, j + W, j + 2W, ...``."""
    width = len(maxima)
    for index in range(width):
        maxima[index] = scores[index]
    for start in range(width, len(scores), width):
        part = scores[start : start + width]
        for index in range(len(part)):
            score, best = part[index], maxima[index]
            maxima[index] = score if score > best else best


@njit(nogil=True, cache=True)
def keep_top(
    scores_BT: NDArray[np.float32],
    first_row: int,
    last_row: int,
    start: int,
    columns: int,
    top_scores_BK: NDArray[np.float32],
    top_passages_BK: NDArray[np.int64],
) -> None:
    """Merge a tile into each query's heap of the best ``K`` passages.

    The root of a heap is the worst passage kept. Of the maxima of disjoint sets of scores the
    ``K``-th best is a floor under the ``K``-th best score, so that few scores are looked at twice.
    Passages come in order of position, so that a score equal to the root's stays out. Args are as
    in :func:`count_above`; the tile's first ``columns`` columns count.
    """
    kept = top_scores_BK.shape[1]
    width = min(columns, max(_CHUNK, _SETS * kept))
    maxima = np.empty(width, dtype=np.float32)
    for row in range(first_row, last_row):
        scores, heap, places = scores_BT[row, :columns], top_scores_BK[row], top_passages_BK[row]
        floor = heap[0]
        if floor == -np.inf and width >= kept:  # later tiles have the heap's own floor
            _strided_maxima(scores, maxima)
            floor = max(floor, np.partition(maxima, width - kept)[width - kept])
        for begin in range(0, columns, _CHUNK):
            end = min(begin + _CHUNK, columns)
            if _count_from(scores[begin:end], floor) == 0:
                continue
            for column in range(begin, end):
                if scores[column] >= floor and scores[column] > heap[0]:
                    _replace_root(heap, places, scores[column], start + column)


@njit(nogil=True, cache=True)
def _replace_root(
    heap: NDArray[np.float32], places: NDArray[np.int64], score: float, place: int
) -> None:
    """Put a passage in place of the worst one and sift it down; of equals, the later is worse."""
    size = len(heap)
    node = 0
    while True:
        child = 2 * node + 1
        if child >= size:
            break
        right = child + 1
        if right < size and (
            heap[right] < heap[child]
            or (heap[right] == heap[child] and places[right] > places[child])
        ):
            child = right
        if heap[child] > score or (heap[child] == score and places[child] < place):
            break
        heap[node], places[node] = heap[child], places[child]
        node = child
    heap[node], places[node] = score, place


@njit(nogil=True, cache=True)
def sort_top(
    first_row: int,
    last_row: int,
    top_scores_QK: NDArray[np.float32],
    top_passages_QK: NDArray[np.int64],
) -> None:
    """Turn heaps into lists, best first: the worst passage goes to the end of each in turn."""
    for row in range(first_row, last_row):
        heap, places = top_scores_QK[row], top_passages_QK[row]
        for last in range(len(heap) - 1, 0, -1):
            score, place = heap[last], places[last]
            heap[last], places[last] = heap[0], places[0]
            _replace_root(heap[:last], places[:last], score, place)
