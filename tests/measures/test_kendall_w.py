import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import friedmanchisquare

from evenrank.measures.base import example_pool
from evenrank.measures.kendall_w import kendall_w

LANGS = ["ar", "de", "en", "th"]


def pool_of(rows, langs=LANGS):
    """One relevant passage in each language; a missing one is ``None``."""
    queries = [
        {lang: [rank] for lang, rank in zip(langs, row, strict=True) if rank is not None}
        for row in rows
    ]
    return example_pool(queries, sizes=dict.fromkeys(langs, 1000))


@pytest.mark.parametrize("queries", [2, 3, 10, 60])
def test_agrees_with_scipys_friedman(queries):
    generator = np.random.default_rng(queries)
    rows = [generator.choice(1000, size=4, replace=False) + 1 for _ in range(queries)]
    chi2, _ = friedmanchisquare(*np.transpose(rows))
    assert kendall_w(pool_of(rows)) == pytest.approx(chi2 / (queries * 3), abs=1e-9)


def test_agrees_with_skillings_and_mack_where_values_are_missing():
    # Their assembly times (Technometrics 23, 1981), in tenths; the statistic is 15.493 in print.
    times = [
        (32, 41, 38, 42),
        (31, 39, 34, 40),
        (43, 35, 46, 48),
        (35, 36, 39, 40),
        (36, 42, 37, 39),
        (45, 47, 37, None),
        (None, 42, 34, None),
        (43, 46, 44, 49),
        (35, None, 37, 39),
    ]
    compared = sum(4 - row.count(None) - 1 for row in times)
    assert kendall_w(pool_of(times)) * compared == pytest.approx(15.493, abs=5e-4)


def test_always_the_same_order_is_one_and_opposite_orders_are_zero():
    same = [(1, 5, 6, 7), (10, 20, 30, 400), (2, 3, 8, 9)]
    assert kendall_w(pool_of(same)) == pytest.approx(1)
    assert kendall_w(pool_of([(1, 2, 3, 4), (8, 7, 6, 5)])) == pytest.approx(0)


def test_where_a_language_has_several_passages_its_best_counts():
    queries = [{"de": [9, 1], "en": [2]}, {"de": [8, 3], "en": [5, 6]}, {"de": [1], "en": [4]}]
    assert kendall_w(example_pool(queries, sizes={"de": 9, "en": 9})) == pytest.approx(1)


def test_needs_two_queries_that_have_two_languages():
    sizes = {"de": 5, "en": 5}
    one, single = {"de": [1], "en": [2]}, {"de": [1]}
    assert np.isnan(kendall_w(example_pool([one], sizes)))
    assert np.isnan(kendall_w(example_pool([one, single, {}], sizes)))
    assert kendall_w(example_pool([one, one, single, {}], sizes)) == pytest.approx(1)


@given(data=st.data())
def test_stays_in_bounds_and_sees_neither_names_nor_order(rankings, data):
    drawn = data.draw(rankings)
    value = kendall_w(drawn.pool)
    assert np.isnan(value) or 0 <= value <= 1
    drawn.relevant.reverse()
    drawn.orders.reverse()
    drawn.sizes = dict(reversed(drawn.sizes.items()))
    assert kendall_w(drawn.pool) == pytest.approx(value, abs=1e-9, nan_ok=True)


def test_random_rankings_score_about_one_over_the_number_of_queries():
    generator = np.random.default_rng(0)
    values = [
        kendall_w(pool_of(generator.random((40, 4)).argsort(axis=1).argsort(axis=1) + 1))
        for _ in range(100)
    ]
    assert np.mean(values) == pytest.approx(1 / 40, abs=0.005)
