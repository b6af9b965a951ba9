"""Computed permutations: bijective, different by key, and without visible order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evenrank.batching.permutation import permuted


@given(size=st.integers(1, 3000), key=st.integers(0, 2**64 - 1))
def test_every_value_comes_once(size, key):
    values = permuted(np.arange(size), size, key)
    assert np.array_equal(np.sort(values), np.arange(size))


def test_a_part_is_the_part_of_the_whole():
    whole = permuted(np.arange(1000), 1000, key=5)
    np.testing.assert_array_equal(permuted(np.array([999, 3, 3]), 1000, 5), whole[[999, 3, 3]])


def test_large_sizes_need_no_memory():
    values = permuted(np.arange(1000), 2**40 + 7, key=3)
    assert len(np.unique(values)) == 1000
    assert values.max() > 2**39


def test_values_look_random():
    """Fixed points, neighbours and correlation are what chance would give (4 standard errors)."""
    size = 20_000
    for key in range(5):
        values = permuted(np.arange(size), size, key)
        assert (values == np.arange(size)).sum() < 8
        assert (np.abs(np.diff(values)) == 1).sum() < 12
        assert abs(np.corrcoef(values, np.arange(size))[0, 1]) < 4 / np.sqrt(size)


def test_a_permutation_is_the_same_in_each_version():
    """A run that resumes with a later version goes on with the same batches."""
    assert permuted(np.arange(6), 1000, key=3).tolist() == [4, 802, 730, 59, 864, 214]
    large = permuted(np.arange(3), 2**40 + 7, key=2**64 - 1)
    assert large.tolist() == [823642875407, 262624697482, 329917037798]
