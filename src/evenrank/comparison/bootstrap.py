"""Bootstrap intervals: blocks drawn with replacement, many times over.

Shapes: ``N`` blocks, ``C`` cells, ``M`` macro means, ``T`` resamples worked on at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evenrank.comparison.blocks import BlockSums

Values = NDArray[np.float64]

CHUNK = 2**22
"""Numbers held at once in the weights and products of some resamples: 32 MB."""


def bootstrap_quantiles(
    sums: BlockSums, levels: Sequence[float], *, resamples: int, seed: int
) -> Values:
    """Return quantiles of each figure over resamples of the blocks (percentile bootstrap).

    A resample draws as many blocks as there are, with replacement. A cell's mean is taken over the
    queries that the resample holds, each as often as it was drawn, so its number of queries varies
    where not every block has one (a ratio estimator, as the mean itself is); a macro mean is the
    mean of these means, over the cells that have a query.

    Args:
        sums: Values of one system, or differences of two.
        levels: Quantiles to return, 0..1, interpolated linearly.
        resamples: How many, 1 or more.
        seed: 0 or more.

    Returns:
        ``(len(levels), C + M)``.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13; Field and
    Welsh (2007), doi:10.1111/j.1467-9868.2007.00593.x, for drawing whole blocks.
    """
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, 2], np.uint64)))
    blocks, cells = sums.sums.shape
    # most cells are counted alike: where all questions are in all languages, every one
    counts_NK, count_of_C = _distinct_columns(sums.counts)
    means = np.empty((resamples, len(sums.cells)))
    chunk = max(1, CHUNK // max(blocks + 2 * cells, 1))
    for start in range(0, resamples, chunk):
        weights_TN = _draws(rng, min(chunk, resamples - start), blocks)
        counts_TC = (weights_TN @ counts_NK)[:, count_of_C]
        totals_TC = weights_TN @ sums.sums
        rows = slice(start, start + len(weights_TN))
        means[rows, :cells] = _divide(totals_TC, counts_TC)
        means[rows, cells:] = _macro_means(means[rows, :cells], sums.macros)
    quantile = np.nanquantile if np.isnan(means).any() else np.quantile
    found: Values = quantile(np.ascontiguousarray(means.T), levels, axis=1)
    return found


def _distinct_columns(counts_NC: Values) -> tuple[Values, list[int]]:
    """Return the columns that differ, and which of them each column is."""
    number_of: dict[bytes, int] = {}
    numbers = [number_of.setdefault(column.tobytes(), len(number_of)) for column in counts_NC.T]
    first = [numbers.index(number) for number in range(len(number_of))]
    return counts_NC[:, first], numbers


def _draws(rng: np.random.Generator, count: int, blocks: int) -> Values:
    """Return ``(count, blocks)`` how often each block is drawn."""
    drawn = rng.integers(0, blocks, size=(count, blocks))
    drawn += np.arange(count)[:, None] * blocks
    weights = np.bincount(drawn.ravel(), minlength=count * blocks)
    return weights.reshape(count, blocks).astype(np.float64)


def _divide(totals: Values, counts: Values) -> Values:
    """Return means, NaN over nothing."""
    return np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0)


def _macro_means(means_TC: Values, macros_CM: Values) -> Values:
    """Return ``(T, M)`` means over the cells that have one."""
    there_TC = ~np.isnan(means_TC)
    return _divide(np.where(there_TC, means_TC, 0) @ macros_CM, there_TC @ macros_CM)
