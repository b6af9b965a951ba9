import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.measures.base import example_pool
from evenrank.measures.lpr import language_preference_rate, random_lpr


def test_by_hand():
    queries = [
        ("de", {"de": [3], "en": [7]}),  # own language first
        ("de", {"de": [3], "en": [2]}),  # the other first
        ("en", {"de": [9, 4], "en": [5, 6]}),
        ("en", {"en": [1]}),  # nothing competes
        ("de", {"en": [1]}),  # nothing in its own language
        ("de", {}),
    ]
    pool = example_pool(
        [ranks for _, ranks in queries],
        sizes={"de": 5, "en": 5},
        query_langs=[lang for lang, _ in queries],
    )
    expected = [1, 0, 0, np.nan, np.nan, np.nan]
    assert language_preference_rate(pool) == pytest.approx(expected, nan_ok=True)
    blind = [1 / 2, 1 / 2, 2 / 4, np.nan, np.nan, np.nan]
    assert random_lpr(pool) == pytest.approx(blind, nan_ok=True)


@given(data=st.data())
def test_agrees_with_the_definition(rankings, data):
    drawn = data.draw(rankings)
    expected = []
    for lang, ranks in zip(drawn.query_langs, drawn.ranks_by_lang, strict=True):
        competes = lang in ranks and len(ranks) >= 2
        best = min(ranks, key=lambda code: min(ranks[code]), default=None)
        expected.append(float(best == lang) if competes else np.nan)
    assert language_preference_rate(drawn.pool) == pytest.approx(expected, nan_ok=True)


def test_the_random_reference_is_what_random_rankings_have():
    generator = np.random.default_rng(0)
    queries = []
    for _ in range(4000):
        places = (generator.choice(60, size=4, replace=False) + 1).tolist()
        queries.append({"de": [places[0]], "en": places[1:3], "th": [places[3]]})
    pool = example_pool(queries, sizes={"de": 20, "en": 20, "th": 20})
    assert language_preference_rate(pool).mean() == pytest.approx(0.25, abs=0.02)
    assert random_lpr(pool) == pytest.approx(0.25)
