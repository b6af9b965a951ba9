from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evenrank.encoding.key_index import KeyIndex

KEYS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1)), unique=True)


@given(KEYS, KEYS, st.lists(st.integers(0, 14), max_size=6))
def test_every_key_has_the_row_it_was_added_with(added, others, cuts):
    """First halves are often shared by two keys, as they never are among hashes."""
    index = KeyIndex()
    bounds = [0, *sorted(min(cut, len(added)) for cut in cuts), len(added)]
    for start, end in itertools.pairwise(bounds):
        index.add(np.array(added[start:end], dtype=np.uint64).reshape(-1, 2), start)
    rows = {key: row for row, key in enumerate(added)}
    asked = added + others
    found = index.find(np.array(asked, dtype=np.uint64).reshape(-1, 2))
    assert found.tolist() == [rows.get(key, -1) for key in asked]
