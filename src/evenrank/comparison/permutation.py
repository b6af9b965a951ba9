"""Paired permutation tests by flipping signs, and Holm's correction for many of them.

Shapes: ``N`` blocks, ``C`` cells, ``T`` permutations worked on at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenrank.errors import ConfigError

Values = NDArray[np.float64]

TIE = 1e-10
"""Two sums that differ by less than this share of the largest possible sum are equal.

Flipped sums are added up in another order than the observed one, which costs about 1e-16 of the
largest sum for each block; sums of measures that differ at all differ by far more.
"""

EXACT_LIMIT = 20
"""Blocks whose 2^n signs are enumerated at most: a million sums for each cell."""

CHUNK = 2**22
"""Numbers held at once, in signs and in flipped sums: 32 MB."""


def sign_flip_p_values(parts_NC: Values, *, permutations: int, seed: int) -> Values:
    """Test for each cell whether a sum of paired differences is as large as chance makes it.

    If two systems are alike, either could have given either value of a block, so each block's
    difference might as well have the other sign. All differences of a block, in whichever cell,
    change sign together: they are not independent. The statistic is ``|sum_n s_n x_n|`` for random
    signs ``s``, and ``p = (1 + #{at least the observed}) / (1 + permutations)``, which is valid
    for any number of permutations.

    Args:
        parts_NC: What each block adds to the difference of each cell.
        permutations: How many draws of the signs, 1 or more.
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
        parts_NC: What each block adds to the difference of each cell.

    Returns:
        ``(C,)`` two-sided p-values.

    Raises:
        ConfigError: More than 20 blocks differ in a cell.

    >>> exact_p_values(np.array([[0.2], [0.1], [0.3], [0.2], [0.1]]))  # all of one sign: 2/32
    array([0.0625])
    """
    blocks, cells = parts_NC.shape
    tolerance_C = TIE * np.abs(parts_NC).sum(axis=0)
    differ_NC = np.abs(parts_NC) > tolerance_C
    most = int(differ_NC.sum(axis=0).max(initial=0))
    if most > EXACT_LIMIT:
        raise ConfigError(
            "exact test",
            f"{most:,} questions of {blocks:,} that differ between the results",
            f"at most {EXACT_LIMIT}, whose signs can all be tried",
            "Leave --exact out for random permutations",
        )
    threshold_C = _threshold(parts_NC)
    p_values_C = np.empty(cells)
    for cell in range(cells):
        sums = np.zeros(1)
        for value in parts_NC[differ_NC[:, cell], cell]:
            sums = np.concatenate([sums + value, sums - value])
        p_values_C[cell] = (np.abs(sums) >= threshold_C[cell]).mean()
    return p_values_C


def holm(p_values_C: Values) -> Values:
    """Adjust the p-values of a family of tests, so that a claim from any of them errs as rarely.

    Calling every test of the family with an adjusted value of at most ``a`` significant makes one
    false claim or more with probability of at most ``a``, however the tests depend on one another.

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


def _threshold(parts_NC: Values) -> Values:
    """Return ``(C,)`` what a flipped sum has to reach to count as at least the observed one."""
    threshold_C: Values = np.abs(parts_NC.sum(axis=0)) - TIE * np.abs(parts_NC).sum(axis=0)
    return threshold_C


def _random_signs(rng: np.random.Generator, count: int, blocks: int) -> Values:
    """Return ``(count, blocks)`` signs; rows take whole words, so that chunks draw alike."""
    words = rng.integers(0, 2**64, size=(count, -(-blocks // 64)), dtype=np.uint64)
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), axis=1, count=blocks)
    signs = bits.astype(np.float64)
    signs *= -2  # in place: these are the largest numbers of the test
    signs += 1
    return signs
