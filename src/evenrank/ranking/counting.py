"""The compiled loops of a ranking pass, over scores that are still in the CPU's cache.

A *tile* contains the scores of one block of queries over consecutive passages, in panels of equal
width. Each panel is the result of one matrix product.

Shapes: ``N`` panels, ``B`` queries of the block, ``T`` passages of a panel, ``P`` pairs of the
queries, ``K`` kept passages, ``C`` candidates.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

NO_KEY = np.iinfo(np.int64).min
"""A key that is below the key of any score."""
LAST_PLACE = 0xFFFFFFFF
"""The largest position; positions have 32 bits."""
_CHUNK = 64  # scores that are tested together, since few of them reach the floor


@njit(nogil=True, cache=True)
def count_above(
    scores_NBT: NDArray[np.float32],
    start: int,
    columns: int,
    indptr: NDArray[np.int64],
    places_P3: NDArray[np.int64],
    bars_P2: NDArray[np.float32],
    met_P: NDArray[np.float32],
    above_P2: NDArray[np.int64],
) -> None:
    """Add to ``above_P2`` the passages of the tile that rank above each pair's passage.

    A passage ranks above if its score is higher, or if it is equal and its position is earlier.
    So panels before the pair's passage count scores of at least its score, and other panels scores
    of at least the next larger number, and equal scores before the passage. Four pairs are counted
    together, so that a score is loaded once for all of them.

    Args:
        scores_NBT: Scores; column ``t`` of panel ``n`` is the passage at ``start + n * T + t``.
        start: Position of the tile's first passage.
        columns: Passages of the tile; columns after them are padding.
        indptr: ``(B + 1,)`` pairs of each row.
        places_P3: Position of each pair's passage; begin and end of the passage's language.
        bars_P2: Score of each pair, and the next larger number.
        met_P: Set to the score of the tile if the tile contains the pair's passage.
        above_P2: Counts to add to: in the passage's language, in all languages.
    """
    width, bars = scores_NBT.shape[2], np.empty(4, dtype=np.float32)
    for row in range(len(indptr) - 1):
        for panel in range(-(-columns // width)):
            length = min(width, columns - panel * width)
            scores = scores_NBT[panel, row, :length]
            origin = start + panel * width
            for first in range(indptr[row], indptr[row + 1], 4):
                several = min(4, indptr[row + 1] - first)
                bars[:] = np.inf
                for pair in range(first, first + several):
                    after = places_P3[pair, 0] >= origin + length
                    bars[pair - first] = bars_P2[pair, 0 if after else 1]
                # a tuple: with counts in an array, the loops would count in 64 bits
                counts = _count_several(scores, bars, several)
                for pair in range(first, first + several):
                    bar, count, own = bars[pair - first], counts[pair - first], bars_P2[pair, 0]
                    begin, end = places_P3[pair, 1] - origin, places_P3[pair, 2] - origin
                    above_P2[pair, 1] += count
                    if begin <= 0 and end >= length:
                        above_P2[pair, 0] += count
                    elif begin < length and end > 0:
                        above_P2[pair, 0] += _count_from(scores[max(0, begin) : end], bar)
                    place = places_P3[pair, 0] - origin
                    if 0 <= place < length:
                        met_P[pair] = scores[place]
                        equal = _count_equal(scores[max(0, begin) : place], own)
                        above_P2[pair, 0] += equal
                        above_P2[pair, 1] += equal + _count_equal(scores[: max(0, begin)], own)


@njit(nogil=True, cache=True, inline="always")
def _count_several(
    scores: NDArray[np.float32], bars: NDArray[np.float32], several: int
) -> tuple[np.int32, np.int32, np.int32, np.int32]:
    """Return how many scores reach each of up to four bars."""
    none = np.int32(0)
    counts = none, none, none, none
    if several > 2:
        counts = _count_four(scores, bars[0], bars[1], bars[2], bars[3])
    elif several == 2:
        counts = _count_from(scores, bars[0]), _count_from(scores, bars[1]), none, none
    else:
        counts = _count_from(scores, bars[0]), none, none, none
    return counts


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
        # 32 bits at every step, so that a vector register contains as many counts as scores
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
    """Add to each query's candidates the passages of the tile that may be among its best ``K``.

    A candidate is one number, its *key*: the bits of its score, rearranged to compare as scores do,
    above the bits of its position, of which an earlier one is larger. So the order of keys is the
    order of the ranking, and no two keys are equal. Only chunks with a score of at least the
    query's floor are read one by one. When there are ``C`` candidates, and at the end of the tile,
    only the best ``K`` remain, and the last of them is the new floor. Tiles may come in any order.

    Args:
        scores_NBT: As in :func:`count_above`.
        start: Position of the tile's first passage.
        columns: Passages of the tile; columns after them are padding.
        kept: ``K``, at least 1 and less than ``C``.
        keys_BC: Keys of the candidates.
        fills_B: Number of candidates of each query.
        floors_B: Minimum score of a candidate.
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
    """Write the columns of all scores of at least ``floor`` to ``hits``; return their number."""
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
    """Keep the best ``K`` candidates of each query, in any order; set the rest to `NO_KEY`."""
    for row in range(len(keys_BC)):
        if fills_B[row] > kept:
            fills_B[row] = _keep_best(keys_BC[row], fills_B[row], kept)
        keys_BC[row, fills_B[row] :] = NO_KEY


@njit(nogil=True, cache=True)
def _first_floor(scores_NBT: NDArray[np.float32], row: int, columns: int, kept: int) -> np.float32:
    """Return a score that at least ``kept`` scores of a row reach, and not many more.

    It is about the ``kept``-th largest of the maxima of disjoint sets of scores. A set is one
    column of all panels.
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
    for _ in range(24):  # halve the interval that contains the kept-th largest
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
    ordered = np.int64(0)  # also for minus zero, which is equal to zero
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

    Bisection finds the smallest key that remains. All keys are different, so exactly ``kept`` of
    them reach it, and the search ends as soon as that is the case.
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
    """Return the scores and positions of keys; ``-inf`` and -1 for :data:`NO_KEY`.

    >>> decode_keys(np.array([NO_KEY]))
    (array([-inf], dtype=float32), array([-1]))
    """
    ordered = (keys >> 32).astype(np.int32)
    scores = (ordered ^ ((ordered >> 31) & 0x7FFFFFFF)).view(np.float32)
    positions = LAST_PLACE - (keys & LAST_PLACE)
    none = keys == NO_KEY
    return np.where(none, np.float32(-np.inf), scores), np.where(none, -1, positions)
