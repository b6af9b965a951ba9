import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.measures.base import example_pool
from evenrank.measures.complete import complete


def test_by_hand():
    queries = [
        {"de": [1], "en": [2], "th": [3]},
        {"de": [1], "en": [2], "th": [4]},
        {"de": [2, 9], "th": [3]},  # one passage of each language is enough
        {"de": [1]},
        {},
    ]
    pool = example_pool(queries, sizes={"de": 5, "en": 5, "th": 5})
    assert complete(pool, 3) == pytest.approx([1, 0, 1, np.nan, np.nan], nan_ok=True)
    assert complete(pool, 2) == pytest.approx([0, 0, 0, np.nan, np.nan], nan_ok=True)


@given(data=st.data(), cutoff=st.integers(1, 16))
def test_agrees_with_the_definition(rankings, data, cutoff):
    drawn = data.draw(rankings)
    expected = [
        float(all(min(found) <= cutoff for found in ranks.values())) if len(ranks) > 1 else np.nan
        for ranks in drawn.ranks_by_lang
    ]
    assert complete(drawn.pool, cutoff) == pytest.approx(expected, nan_ok=True)
