"""Permutations that are computed position by position and never stored.

A Feistel network over the bits of an index is a bijection on a power of two. Applying it again
until the value is small enough gives a bijection on any size (Black and Rogaway 2002, "Ciphers with
arbitrary finite domains"). So a plan visits the items of a corpus in random order, can start at any
position, and needs no memory that grows with the corpus.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 6


def permuted(positions: NDArray[np.int64], size: int, key: int) -> NDArray[np.int64]:
    """Return the values of a pseudorandom permutation of ``range(size)`` at some positions.

    Args:
        positions: Any shape, each in ``0..size - 1``.
        size: Length of the permutation, at most 2 ** 62.
        key: Selects the permutation, 64 bits.

    >>> sorted(permuted(np.arange(10), 10, key=1).tolist())
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    half = max(1, (max(size - 1, 1).bit_length() + 1) // 2)
    values = _feistel(positions.astype(np.uint64), half, key)
    while (outside := values >= size).any():
        values[outside] = _feistel(values[outside], half, key)
    return values.astype(np.int64)


def _feistel(values: NDArray[np.uint64], half: int, key: int) -> NDArray[np.uint64]:
    """Permute numbers of ``2 * half`` bits."""
    bits, mask = np.uint64(half), np.uint64((1 << half) - 1)
    left, right = values >> bits, values & mask
    for turn in range(_ROUNDS):
        left, right = right, left ^ (_mix(right, key, turn) & mask)
    return (left << bits) | right


def _mix(values: NDArray[np.uint64], key: int, turn: int) -> NDArray[np.uint64]:
    """Mix the bits of values with a key (the finaliser of SplitMix64, Steele et al. 2014)."""
    salt = np.uint64((key + (turn + 1) * 0x9E3779B97F4A7C15) % 2**64)
    mixed = values + salt  # arrays of unsigned integers wrap without a warning
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
