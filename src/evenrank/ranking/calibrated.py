# mypy: disallow-untyped-decorators=False
"""Ranks by calibrated scores, for many calibrations of the same raw scores.

A calibration is a growing function of the raw score for each query and language of the passages:
``corrected = slope raw - offset``. So the passages of one language keep their order, and a binary
search in their sorted raw scores counts those above a passage. Scores are computed and sorted once.

Shapes: ``B`` queries, ``D`` passages, ``L`` languages, ``P`` pairs of a query and a relevant
passage, ``M`` calibrations.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(nogil=True, cache=True)
def count_inside(
    raw_BD: NDArray[np.float32],
    indptr: NDArray[np.int64],
    passages_P: NDArray[np.int64],
    langs_P: NDArray[np.int64],
    offsets: NDArray[np.int64],
    inside_P: NDArray[np.int64],
) -> None:
    """Set ``inside_P`` to the passages of the pair's language that rank above its passage.

    Args:
        raw_BD: Raw scores; passages are ordered by language.
        indptr: ``(B + 1,)`` pairs of each query.
        passages_P: Position of each pair's passage.
        langs_P: Its language.
        offsets: ``(L + 1,)`` where the languages begin.
        inside_P: The result. Equal scores are ranked by position.
    """
    for row in range(len(indptr) - 1):
        for pair in range(indptr[row], indptr[row + 1]):
            place, own = passages_P[pair], raw_BD[row, passages_P[pair]]
            count = 0
            for at in range(offsets[langs_P[pair]], place):
                count += raw_BD[row, at] >= own
            for at in range(place + 1, offsets[langs_P[pair] + 1]):
                count += raw_BD[row, at] > own
            inside_P[pair] = count


@njit(nogil=True, cache=True)
def count_calibrated(
    sorted_BD: NDArray[np.float32],
    indptr: NDArray[np.int64],
    own_P: NDArray[np.float32],
    langs_P: NDArray[np.int64],
    inside_P: NDArray[np.int64],
    offsets: NDArray[np.int64],
    slopes_MBL: NDArray[np.float64],
    minus_MBL: NDArray[np.float64],
    above_MP: NDArray[np.int64],
) -> None:
    """Set ``above_MP`` to the passages of all languages that rank above the pair's passage.

    The order is that of :func:`~evenrank.debias.index.order`: corrected score, then raw score,
    both descending, then position.

    Args:
        sorted_BD: Raw scores, ascending within each language.
        indptr: ``(B + 1,)`` pairs of each query.
        own_P: Raw score of each pair's passage.
        langs_P: Its language.
        inside_P: Passages above it in its language.
        offsets: ``(L + 1,)`` where the languages begin.
        slopes_MBL: Slopes, above 0.
        minus_MBL: Offsets of scores.
        above_MP: The result.
    """
    for number in range(len(slopes_MBL)):
        for row in range(len(indptr) - 1):
            scores = sorted_BD[row]
            slopes, minus = slopes_MBL[number, row], minus_MBL[number, row]
            for pair in range(indptr[row], indptr[row + 1]):
                lang, own = langs_P[pair], own_P[pair]
                corrected = own * slopes[lang] - minus[lang]
                count = inside_P[pair]
                for other in range(len(offsets) - 1):
                    begin, end = offsets[other], offsets[other + 1]
                    if other == lang or begin == end:
                        continue
                    slope, less = slopes[other], minus[other]
                    above = _first(scores, begin, end, slope, less, corrected)
                    count += end - above
                    if above > begin and scores[above - 1] * slope - less == corrected:
                        count += _ties(scores, begin, above, slope, less, own, other < lang)
                above_MP[number, pair] = count


@njit(nogil=True, cache=True, inline="always")
def _first(
    scores: NDArray[np.float32], begin: int, end: int, slope: float, less: float, bar: float
) -> int:
    """Return the first place whose corrected score is above a bar, else ``end``."""
    while begin < end:
        middle = (begin + end) // 2
        if scores[middle] * slope - less > bar:
            end = middle
        else:
            begin = middle + 1
    return begin


@njit(nogil=True, cache=True)
def _ties(
    scores: NDArray[np.float32],
    begin: int,
    end: int,
    slope: float,
    less: float,
    own: np.float32,
    earlier: bool,
) -> int:
    """Return how many passages with the corrected score of the last one rank above the pair's.

    The higher raw score is first, then the earlier passage.
    """
    bar = scores[end - 1] * slope - less
    count = 0
    while end > begin and scores[end - 1] * slope - less == bar:
        end -= 1
        count += scores[end] > own or (earlier and scores[end] == own)
    return count
