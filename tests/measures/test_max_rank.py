from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.measures.base import example_pool
from evenrank.measures.max_rank import max_rank_norm


@given(data=st.data())
def test_agrees_with_the_definition(rankings, data):
    drawn = data.draw(rankings)
    size = sum(drawn.sizes.values())
    expected = [
        (log2(size) - log2(max(ranks))) / (log2(size) - log2(len(ranks)))
        if 0 < len(ranks) < size
        else np.nan
        for ranks in drawn.relevant
    ]
    values = max_rank_norm(drawn.pool)
    assert values == pytest.approx(expected, nan_ok=True, abs=1e-12)
    assert ((values[~np.isnan(values)] >= 0) & (values[~np.isnan(values)] <= 1 + 1e-12)).all()


def test_undefined_without_a_relevant_passage_or_without_another():
    pool = example_pool([{}, {"de": [1, 2], "en": [3]}], sizes={"de": 2, "en": 1})
    assert np.isnan(max_rank_norm(pool)).all()
