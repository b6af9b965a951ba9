import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.measures.ap import average_precision
from evenrank.measures.ap_spread import ap_spread
from evenrank.measures.base import example_pool


def test_by_hand():
    # de: (1 + 1/3) / 2 for its one query; en: 1/2 and 1/4; nothing in th
    queries = [{"de": [1, 6], "en": [2]}, {"en": [4]}, {}]
    pool = example_pool(queries, sizes={"de": 5, "en": 5, "th": 5})
    assert ap_spread(pool) == pytest.approx((1 + 2 / 6) / 2 - (1 / 2 + 1 / 4) / 2)


def test_queries_that_prefer_opposite_languages_cancel_out():
    queries = [{"de": [1], "en": [9]}, {"de": [9], "en": [1]}]
    assert ap_spread(example_pool(queries, sizes={"de": 5, "en": 5})) == pytest.approx(0)


def test_needs_two_languages():
    assert np.isnan(ap_spread(example_pool([{"de": [1]}, {}], sizes={"de": 5, "en": 5})))


@given(data=st.data())
def test_agrees_with_average_precision_of_each_language_alone(rankings, data):
    drawn = data.draw(rankings)
    means = []
    for lang in drawn.sizes:
        found = [ranks.get(lang, []) for ranks in drawn.ranks_by_lang]
        alone = example_pool([{lang: ranks} for ranks in found if ranks], drawn.sizes)
        if len(alone):
            means.append(average_precision(alone).mean())
    expected = max(means) - min(means) if len(means) > 1 else np.nan
    assert ap_spread(drawn.pool) == pytest.approx(expected, nan_ok=True, abs=1e-12)
