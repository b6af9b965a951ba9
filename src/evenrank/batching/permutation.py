"""Permutations that are computed position by position and never stored.

A Feistel network over the bits of an index is a bijection on a power of two. Applying it again
until the value is small enough gives a bijection on any size (Black and Rogaway 2002, "Ciphers with
arbitrary finite domains"). So a plan visits the items of a corpus in random order, can start at any
position, and needs no memory that grows with the corpus.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_ROUNDS = 6


def permuted(positions: NDArray[np.int64], size: int, key: int) -> NDArray[np.int64]:
    """Return the values of a pseudorandom permutation of ``range(size)`` at some positions.

    Args:
        positions: ``(count,)``, each in ``0..size - 1``.
        size: Length of the permutation, at most 2 ** 62.
        key: Selects the permutation, 64 bits.

    >>> sorted(permuted(np.arange(10), 10, key=1).tolist())
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    half = max(1, (max(size - 1, 1).bit_length() + 1) // 2)
    salts = [(key + turn * 0x9E3779B97F4A7C15) % 2**64 for turn in range(1, _ROUNDS + 1)]
    return _walk(positions, np.uint64(size), np.uint64(half), np.array(salts, dtype=np.uint64))  # type: ignore[no-any-return]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]  # numba has no types
def _walk(
    positions: NDArray[np.int64], size: np.uint64, half: np.uint64, salts: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """Permute numbers of ``2 * half`` bits until each is below the size.

    A loop, since some numbers take many turns: arrays as short as a batch cost NumPy five times
    as much. Each round mixes with the finaliser of SplitMix64 (Steele et al. 2014).
    """
    mask = (np.uint64(1) << half) - np.uint64(1)
    values = np.empty(len(positions), dtype=np.int64)
    for place in range(len(positions)):
        value = np.uint64(positions[place])
        while True:
            left, right = value >> half, value & mask
            for salt in salts:
                mixed = right + salt
                mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                mixed ^= mixed >> np.uint64(31)
                left, right = right, left ^ (mixed & mask)
            value = (left << half) | right
            if value < size:
                break
        values[place] = value
    return values
