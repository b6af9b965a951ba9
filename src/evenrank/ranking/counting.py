"""The compiled loops of a ranking pass, over scores that are still in cache.

A *slab* holds the scores of one block of queries over some passages that follow one another, as
panels of equal width, each the outcome of one matrix product.

Shapes: ``N`` panels, ``B`` queries of the block, ``T`` passages of a panel, ``S`` segments (runs of
one language within a panel), ``P`` pairs of the queries, ``L`` languages, ``K`` kept passages,
``C`` candidates.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

NO_KEY = np.iinfo(np.int64).min
"""A key below that of every score."""
LAST_PLACE = 0xFFFFFFFF
"""Positions fit into 32 bits."""
_CHUNK = 64  # scores looked at together, since few of them reach the floor


@njit(nogil=True, cache=True)
def count_above(
    scores_NBT: NDArray[np.float32],
    start: int,
    segments_S4: NDArray[np.int64],
    indptr: NDArray[np.int64],
    passages_P: NDArray[np.int64],
    own_P: NDArray[np.float32],
    over_P: NDArray[np.float32],
    met_P: NDArray[np.float32],
    above_PL: NDArray[np.int32],
) -> None:
    """Add to ``above_PL`` the passages of the slab that rank above each pair's passage.

    A passage ranks above when its score is higher, or equal and its position is earlier. So in a
    segment before the pair's passage scores of at least ``own`` count, in one behind it scores of
    at least ``over``, the next larger number; where the passage itself stands, ``over`` counts and
    so do equal scores before it. Four pairs are counted at once, so that a score is loaded once
    for all of them.

    Args:
        scores_NBT: Scores; column ``t`` of panel ``n`` is the passage at ``start + n * T + t``.
        start: Position of the slab's first passage.
        segments_S4: Language, panel, first column, column to stop before.
        indptr: ``(B + 1,)`` pairs of each row.
        passages_P: Position of each pair's passage.
        own_P: Score of each pair.
        over_P: The next number above it.
        met_P: Set to the slab's own score where the slab holds the pair's passage.
        above_PL: Counts to add to.
    """
    bars = np.empty(4, dtype=np.float32)
    width = scores_NBT.shape[2]
    for row in range(len(indptr) - 1):
        for language, panel, begin, end in segments_S4:
            scores = scores_NBT[panel, row, begin:end]
            origin = start + panel * width + begin
            first, last = indptr[row], indptr[row + 1]
            while first < last:
                several = min(4, last - first)
                bars[:] = np.inf
                for number in range(several):
                    pair = first + number
                    place = passages_P[pair] - origin
                    bars[number] = own_P[pair] if place >= len(scores) else over_P[pair]
                    if 0 <= place < len(scores):
                        met_P[pair] = scores[place]
                        above_PL[pair, language] += _count_equal(scores[:place], own_P[pair])
                if several > 2:
                    counts = _count_four(scores, bars[0], bars[1], bars[2], bars[3])
                    for number in range(several):
                        above_PL[first + number, language] += counts[number]
                else:
                    for number in range(several):
                        above_PL[first + number, language] += _count_from(scores, bars[number])
                first += several


@njit(nogil=True, cache=True)
def _count_four(
    scores: NDArray[np.float32],
    bar_0: np.float32,
    bar_1: np.float32,
    bar_2: np.float32,
    bar_3: np.float32,
) -> tuple[np.int32, np.int32, np.int32, np.int32]:
    count_0, count_1, count_2, count_3 = np.int32(0), np.int32(0), np.int32(0), np.int32(0)
    for index in range(len(scores)):
        score = scores[index]
        # kept in 32 bits at every step: a vector holds as many counts as scores
        count_0 = np.int32(count_0 + np.int32(score >= bar_0))
        count_1 = np.int32(count_1 + np.int32(score >= bar_1))
        count_2 = np.int32(count_2 + np.int32(score >= bar_2))
        count_3 = np.int32(count_3 + np.int32(score >= bar_3))
    return count_0, count_1, count_2, count_3


@njit(nogil=True, cache=True)
def _count_from(scores: NDArray[np.float32], bar: np.float32) -> np.int32:
    count = np.int32(0)
    for index in range(len(scores)):
        count = np.int32(count + np.int32(scores[index] >= bar))
    return count


@njit(nogil=True, cache=True)
def _count_equal(scores: NDArray[np.float32], own: np.float32) -> np.int32:
    count = np.int32(0)
    for index in range(len(scores)):
        count = np.int32(count + np.int32(scores[index] == own))
    return count


@njit(nogil=True, cache=True)
def keep_top(
    scores_NBT: NDArray[np.float32],
    start: int,
    columns: int,
    kept: int,
    keys_BC: NDArray[np.int64],
    fills_B: NDArray[np.int64],
    floors_B: NDArray[np.float32],
) -> None:
    """Add to each query's candidates the passages of the slab that may be among its best ``K``.

    A candidate is one number, its *key*: the bits of its score, arranged to compare as scores do,
    above those of its position, of which an earlier one is larger. So the order of keys is the
    order of the ranking, and no two keys are equal. Only chunks that hold a score of at least the
    query's floor are looked at one by one. When ``C`` candidates are there, and at the end of the
    slab, the best ``K`` stay, and the last of them is the new floor. Slabs may come in any order.

    Args:
        scores_NBT: As in :func:`count_above`.
        start: Position of the slab's first passage.
        columns: Passages of the slab; what follows them is padding.
        kept: ``K``, at least 1 and less than ``C``.
        keys_BC: Keys of the candidates.
        fills_B: How many candidates each query has.
        floors_B: Score that a candidate has to reach.
    """
    width = scores_NBT.shape[2]
    hits = np.empty(width, dtype=np.int64)
    for row in range(len(keys_BC)):
        floor, fill, keys = floors_B[row], fills_B[row], keys_BC[row]
        if fill == 0:
            floor = _first_floor(scores_NBT, row, columns, kept)
        for panel in range(-(-columns // width)):
            scores = scores_NBT[panel, row, : min(width, columns - panel * width)]
            for column in hits[: _find(scores, floor, hits)]:
                if fill == len(keys):
                    fill = _keep_best(keys, fill, kept)
                    floor = max(floor, _score_of(keys[:kept].min()))
                if scores[column] >= floor:
                    keys[fill] = _key(scores[column], start + panel * width + column)
                    fill += 1
        if fill > kept:
            fill = _keep_best(keys, fill, kept)
            floor = max(floor, _score_of(keys[:kept].min()))
        floors_B[row], fills_B[row] = floor, fill


@njit(nogil=True, cache=True)
def _find(scores: NDArray[np.float32], floor: np.float32, hits: NDArray[np.int64]) -> int:
    """Put the columns of all scores of at least ``floor`` into ``hits``, and return how many."""
    found = 0
    whole = len(scores) // _CHUNK * _CHUNK
    for first in range(0, whole, _CHUNK):
        chunk = scores[first : first + _CHUNK]
        count = np.int32(0)
        for index in range(_CHUNK):
            count = np.int32(count + np.int32(chunk[index] >= floor))
        if count:
            for index in range(_CHUNK):
                if chunk[index] >= floor:
                    hits[found] = first + index
                    found += 1
    for index in range(whole, len(scores)):
        if scores[index] >= floor:
            hits[found] = index
            found += 1
    return found


@njit(nogil=True, cache=True)
def close_top(kept: int, keys_BC: NDArray[np.int64], fills_B: NDArray[np.int64]) -> None:
    """Leave the best ``K`` candidates of each query, in any order, and then :data:`NO_KEY`."""
    for row in range(len(keys_BC)):
        if fills_B[row] > kept:
            fills_B[row] = _keep_best(keys_BC[row], fills_B[row], kept)
        keys_BC[row, fills_B[row] :] = NO_KEY


@njit(nogil=True, cache=True)
def _first_floor(scores_NBT: NDArray[np.float32], row: int, columns: int, kept: int) -> np.float32:
    """Return a score that at least ``kept`` of a row's reach, and few more.

    Of the maxima of disjoint sets of scores, ``kept`` are at least the ``kept``-th largest. A set
    is a column of all panels.
    """
    width = scores_NBT.shape[2]
    maxima = scores_NBT[0, row, : min(width, columns)].copy()
    if len(maxima) < kept:
        return np.float32(-np.inf)
    for panel in range(1, -(-columns // width)):
        scores = scores_NBT[panel, row, : min(width, columns - panel * width)]
        for index in range(len(scores)):
            score, largest = scores[index], maxima[index]
            maxima[index] = score if score > largest else largest
    low, high = _ends(maxima)
    for _ in range(24):  # halves the interval that the kept-th largest is in
        middle = np.float32(0.5) * (low + high)
        count = _count_from(maxima, middle)
        if count >= kept:
            low = middle
            if count == kept:
                break
        else:
            high = middle
    return np.float32(low)


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _ends(scores: NDArray[np.float32]) -> tuple[np.float32, np.float32]:
    low = high = scores[0]
    for index in range(1, len(scores)):
        low, high = min(low, scores[index]), max(high, scores[index])
    return low, high


@njit(nogil=True, cache=True)
def _key(score: np.float32, position: int) -> np.int64:
    ordered = np.int64(0)  # also for minus zero, which equals zero
    if score != 0:
        bits = np.float32(score).view(np.int32)
        ordered = np.int64(bits ^ ((bits >> 31) & 0x7FFFFFFF))
    return np.int64((ordered << 32) | (LAST_PLACE - position))


@njit(nogil=True, cache=True)
def _score_of(key: int) -> np.float32:
    ordered = np.int32(key >> 32)
    return np.float32(np.int32(ordered ^ ((ordered >> 31) & 0x7FFFFFFF)).view(np.float32))


@njit(nogil=True, cache=True)
def _keep_best(keys: NDArray[np.int64], fill: int, kept: int) -> int:
    """Move the best ``kept`` of the first ``fill`` keys to the front, and return ``kept``.

    The last key that stays is found by halving the interval that it is in: keys differ, so that
    exactly ``kept`` of them reach it, and the search ends as soon as that is so.
    """
    low, high = keys[:fill].min(), keys[:fill].max()
    while low < high:
        middle = (low | high) - ((low ^ high) >> 1)  # mean, rounded up, without overflow
        count = np.int64(0)
        for index in range(fill):
            count += np.int64(keys[index] >= middle)
        if count >= kept:
            low = middle
            if count == kept:
                break
        else:
            high = middle - 1
    count = np.int64(0)
    for index in range(fill):
        key = keys[index]
        keys[count] = key
        count += np.int64(key >= low)
    return int(count)


def decode_keys(
    keys: NDArray[np.int64],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the scores and positions of keys: ``-inf`` and -1 for :data:`NO_KEY`.

    >>> decode_keys(np.array([NO_KEY]))
    (array([-inf], dtype=float32), array([-1]))
    """
    ordered = (keys >> 32).astype(np.int32)
    scores = (ordered ^ ((ordered >> 31) & 0x7FFFFFFF)).view(np.float32)
    positions = LAST_PLACE - (keys & LAST_PLACE)
    none = keys == NO_KEY
    return np.where(none, np.float32(-np.inf), scores), np.where(none, -1, positions)
