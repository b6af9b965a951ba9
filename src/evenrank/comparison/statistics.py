"""Permutation tests, bootstrap intervals and effect sizes, over whole blocks.

Shapes: ``N`` blocks, ``C`` cells, ``M`` macro means, ``T`` permutations or resamples computed at
once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evenrank.comparison.blocks import BlockSums
from evenrank.errors import ConfigError

Values = NDArray[np.float64]

CHUNK = 2**22
"""Numbers in memory at once, in random draws and what is computed from them: 32 MB."""

TIE = 1e-10
"""Two sums that differ by less than this share of the largest possible sum are equal.

Sums with other signs are added in another order than the observed one, which costs about 1e-16 of
the largest sum per block; sums that really differ do so by far more.
"""

EXACT_LIMIT = 20
"""Maximum of blocks whose 2^n signs are all tried: a million sums per cell."""

CONSTANT = 1e-12
"""Differences with a deviation below this share of their mean are all the same number."""


def sign_flip_p_values(parts_NC: Values, *, permutations: int, seed: int) -> Values:
    """Test for each cell whether chance makes a sum of paired differences as large.

    If two systems are equal, each value of a block could have come from either of them, so the
    block's difference could have the other sign. All differences of a block change their sign
    together, because they depend on one another. The statistic is ``|sum_n s_n x_n|`` for random
    signs ``s``, and ``p = (1 + #{at least the observed}) / (1 + permutations)``, which is valid
    for any number of permutations.

    Args:
        parts_NC: What each block adds to the difference of each cell.
        permutations: Number of random draws of the signs, 1 or more.
        seed: 0 or more.

    Returns:
        ``(C,)`` two-sided p-values, from ``1 / (1 + permutations)`` to 1.

    Source: Fisher (1935), The Design of Experiments, section 21; Smucker, Allan and Carterette
    (2007), doi:10.1145/1321440.1321528, for retrieval; Phipson and Smyth (2010),
    doi:10.2202/1544-6115.1585, for adding 1.

    >>> parts = np.array([[0.2, 0.1], [0.1, -0.1], [0.3, 0.0], [0.2, 0.1], [0.1, -0.1]])
    >>> sign_flip_p_values(parts, permutations=10_000, seed=0).round(2)  # 2/32 and 1
    array([0.06, 1.  ])
    """
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, 1], np.uint64)))
    blocks, cells = parts_NC.shape
    threshold_C = _threshold(parts_NC)
    reached_C = np.ones(cells)
    chunk = max(1, CHUNK // max(blocks + cells, 1))
    for start in range(0, permutations, chunk):
        signs_TN = _random_signs(rng, min(chunk, permutations - start), blocks)
        reached_C += (np.abs(signs_TN @ parts_NC) >= threshold_C).sum(axis=0)
    return reached_C / (1 + permutations)


def exact_p_values(parts_NC: Values) -> Values:
    """Return the p-values of the same test over all ``2^N`` signs, each cell by itself.

    Args:
        parts_NC: What each block adds to the difference of each cell; see ``require_exact``.

    Returns:
        ``(C,)`` two-sided p-values.

    >>> exact_p_values(np.array([[0.2], [0.1], [0.3], [0.2], [0.1]]))  # all of one sign: 2/32
    array([0.0625])
    """
    require_exact(parts_NC)
    threshold_C, differ_NC = _threshold(parts_NC), _differ(parts_NC)
    p_values_C = np.empty(len(threshold_C))
    for cell in range(len(p_values_C)):
        sums = np.zeros(1)
        for value in parts_NC[differ_NC[:, cell], cell]:
            sums = np.concatenate([sums + value, sums - value])
        p_values_C[cell] = (np.abs(sums) >= threshold_C[cell]).mean()
    return p_values_C


def require_exact(parts_NC: Values) -> None:
    """Refuse an exact test in which more than 20 blocks differ in a cell.

    Raises:
        ConfigError: More do.
    """
    maximum = int(_differ(parts_NC).sum(axis=0).max(initial=0))
    if maximum > EXACT_LIMIT:
        raise ConfigError(
            "exact test",
            f"{maximum:,} blocks of {len(parts_NC):,} that differ between the results",
            f"at most {EXACT_LIMIT}, whose signs can all be tried",
            "Leave --exact out for random permutations",
        )


def holm(p_values_C: Values) -> Values:
    """Adjust the p-values of a family of tests, so that a claim from any of them errs as rarely.

    If every test of the family with an adjusted value of at most ``a`` is called significant, the
    probability of one or more false claims is at most ``a``, however the tests depend on one
    another.

    Args:
        p_values_C: The p-values of one family.

    Returns:
        ``(C,)`` adjusted p-values, never below the given ones, at most 1.

    Source: Holm (1979), Scandinavian Journal of Statistics 6, 65-70.

    >>> holm(np.array([0.01, 0.04, 0.03]))
    array([0.03, 0.06, 0.06])
    """
    order = np.argsort(p_values_C, kind="stable")
    remaining = np.arange(len(order), 0, -1)
    adjusted_C = np.empty(len(order))
    adjusted_C[order] = np.minimum(np.maximum.accumulate(p_values_C[order] * remaining), 1.0)
    return adjusted_C


def bootstrap_quantiles(
    sums: BlockSums,
    levels: Sequence[float],
    *,
    resamples: int,
    seed: int,
    only_macros: bool = False,
) -> Values:
    """Return quantiles of each figure over resamples of the blocks (percentile bootstrap).

    A resample draws as many blocks as there are, with replacement. The mean of a cell is over the
    queries in the resample, each as often as its block was drawn, so the number of queries varies
    if some blocks have no query in the cell (a ratio estimator, as the mean itself is). A macro
    mean is the mean of these means, over the cells that have a query; the access gap is the
    difference of two.

    Args:
        sums: Values of one system, or differences of two.
        levels: Quantiles to return, 0..1, with linear interpolation.
        resamples: Number of resamples, 1 or more.
        seed: 0 or more.
        only_macros: Leave out the cells, whose quantiles take most of the time if there are many.

    Returns:
        ``(len(levels), C + M)``, or ``(len(levels), M)``.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13; Field and
    Welsh (2007), doi:10.1111/j.1467-9868.2007.00593.x, for drawing whole blocks.
    """
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, 2], np.uint64)))
    blocks, cells = sums.sums.shape
    # most cells have equal counts: all of them if every query is in every language
    counts_NK, count_of_C = _distinct_columns(sums.counts)
    first = cells if only_macros else 0
    means = np.empty((resamples, len(sums.cells) - first))
    chunk = max(1, CHUNK // max(blocks + 2 * cells, 1))
    for start in range(0, resamples, chunk):
        weights_TN = _draws(rng, min(chunk, resamples - start), blocks)
        counts_TC = (weights_TN @ counts_NK)[:, count_of_C]
        totals_TC = weights_TN @ sums.sums
        rows = slice(start, start + len(weights_TN))
        means_TC = _divide(totals_TC, counts_TC)
        means[rows, cells - first :] = _macro_means(means_TC, sums.macros)
        means[rows, : cells - first] = means_TC[:, first:]
    quantile = np.nanquantile if np.isnan(means).any() else np.quantile
    found: Values = quantile(np.ascontiguousarray(means.T), levels, axis=1)
    return found


def standardised_difference(differences: BlockSums) -> Values:
    """Return Cohen's d_z of each figure: the mean of the blocks' differences over their deviation.

    The differences of a cell are those of its queries; the differences of a macro mean are what
    each block adds to it over all languages. Unlike a p-value, d_z does not grow with the number
    of blocks. Cohen called .2 small, .5 medium and .8 large; systems that rank for the same
    queries usually differ by less.

    Formula: ``d_z = mean(x) / sd(x)`` over the blocks that have a query in the cell, ``sd`` with
    ``n - 1``.
    Empty: 0 where no block differs; NaN with fewer than two blocks, or if all blocks differ by
    exactly the same.
    Source: Cohen (1988), Statistical Power Analysis, section 2.3.5; Lakens (2013),
    doi:10.3389/fpsyg.2013.00863, equation 7.

    Returns:
        ``(C + M,)`` effect sizes, with the sign of the difference.
    """
    parts, present = differences.parts, differences.present
    blocks = present.sum(axis=0)
    mean = parts.sum(axis=0) / blocks
    squares = (np.where(present, parts - mean, 0.0) ** 2).sum(axis=0)
    deviation = np.sqrt(squares / np.maximum(blocks - 1, 1))
    defined = (blocks > 1) & (deviation > CONSTANT * np.abs(mean))
    effect: Values = np.where(mean == 0, 0.0, np.nan)
    np.divide(mean, deviation, out=effect, where=defined)
    return effect


def _threshold(parts_NC: Values) -> Values:
    """Return ``(C,)`` the minimum of a sum that counts as at least the observed one."""
    threshold_C: Values = np.abs(parts_NC.sum(axis=0)) - TIE * np.abs(parts_NC).sum(axis=0)
    return threshold_C


def _differ(parts_NC: Values) -> NDArray[np.bool_]:
    """Return ``(N, C)`` whether a block differs in a cell."""
    differ_NC: NDArray[np.bool_] = np.abs(parts_NC) > TIE * np.abs(parts_NC).sum(axis=0)
    return differ_NC


def _random_signs(rng: np.random.Generator, count: int, blocks: int) -> Values:
    """Return ``(count, blocks)`` signs; a row uses whole words, so chunks do not change them."""
    words = rng.integers(0, 2**64, size=(count, -(-blocks // 64)), dtype=np.uint64)
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), axis=1, count=blocks)
    signs = bits.astype(np.float64)
    signs *= -2  # in place: these are the largest numbers of the test
    signs += 1
    return signs


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
    """Return ``(T, M)`` settings: means over the cells that have a value, less such means."""
    there_TC = ~np.isnan(means_TC)
    known_TC = np.where(there_TC, means_TC, 0)
    added, taken = (
        _divide(known_TC @ weights, there_TC @ weights)
        for weights in (macros_CM.clip(min=0), -macros_CM.clip(max=0))
    )
    return np.where((macros_CM < 0).any(axis=0), added - taken, added)
