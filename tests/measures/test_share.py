import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.errors import ConfigError
from evenrank.measures.base import example_pool
from evenrank.measures.share import language_share


@given(data=st.data(), cutoff=st.integers(1, 20))
def test_counts_languages_among_the_best(rankings, data, cutoff):
    drawn = data.draw(rankings)
    shares = language_share(drawn.pool, cutoff)
    for order, row in zip(drawn.orders, shares, strict=True):
        best = order[:cutoff]  # the whole pool where it is smaller than the cutoff
        assert row == pytest.approx([best.count(lang) / len(best) for lang in drawn.sizes])
    assert shares.sum(axis=1) == pytest.approx(1)


def test_the_whole_pool_has_the_shares_of_the_collection():
    pool = example_pool(
        [{"de": [1]}], sizes={"de": 3, "en": 1}, top_langs=[["de", "en", "de", "de"]]
    )
    assert language_share(pool, 100) == pytest.approx(np.array([[0.75, 0.25]]))


@pytest.mark.parametrize("top_langs", [None, [["de", "en"]]])
def test_a_ranking_that_kept_too_few_passages_is_refused(top_langs):
    pool = example_pool([{"de": [1]}], sizes={"de": 3, "en": 1}, top_langs=top_langs)
    with pytest.raises(ConfigError, match=r"share@3.*at least 3"):
        language_share(pool, 3)
