"""What each measure makes of relevant passages that a run does not hold."""

import numpy as np
import pytest
from scipy.stats import friedmanchisquare

from evenrank.measures.base import example_pool, parse_measure

SIZES = {"de": 50, "en": 50, "th": 50}


def value(name, pool):
    return parse_measure(name)(pool)


@pytest.fixture
def pool():
    """A run of depth 10 that lacks one passage, two, all three, and none."""
    ranks = [(1, 4, 99), (30, 3, 40), (60, 50, 70), (2, 1, 3)]
    queries = [{lang: [rank] for lang, rank in zip(SIZES, row, strict=True)} for row in ranks]
    return example_pool(queries, SIZES, depth=10)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("AP", [(1 + 2 / 4) / 3, (1 / 3) / 3, 0, 1]),
        ("AP@100", [(1 + 2 / 4) / 3, (1 / 3) / 3, 0, 1]),
        ("RR", [1, 1 / 3, 0, 1]),
        ("R@100", [2 / 3, 1 / 3, 0, 1]),
        ("P@50", [2 / 50, 1 / 50, 0, 3 / 50]),
        ("Success@100", [1, 1, 0, 1]),
    ],
)
def test_what_is_missing_adds_nothing_to_ranking_measures(pool, name, expected):
    assert value(name, pool) == pytest.approx(expected, abs=1e-12)


def test_ndcg_counts_what_is_missing_in_the_ideal_only(pool):
    ideal = sum(1 / np.log2(1 + rank) for rank in (1, 2, 3))
    assert value("nDCG", pool)[1] == pytest.approx(1 / np.log2(4) / ideal)
    assert value("nDCG@100", pool)[2] == 0


def test_what_is_missing_stands_behind_the_run(pool):
    nan = float("nan")
    assert value("rank_distance", pool) == pytest.approx([10, 8, nan, 2], nan_ok=True)
    assert value("LPR", pool) == pytest.approx([1, 0, nan, 0], nan_ok=True)
    last = np.log2(150 / 11) / np.log2(150 / 3)
    assert value("MaxR_norm", pool) == pytest.approx([last, last, nan, 1], nan_ok=True)
    assert value("Complete@10", pool).tolist() == [0, 0, 0, 1]
    assert value("TLR@10", pool).tolist() == [0.5, 0.5, 0, 1]


def test_w_shares_places_among_missing_languages(pool):
    answered = [(1, 4, 11), (11, 3, 11), (2, 1, 3)]
    chi2, _ = friedmanchisquare(*np.transpose(answered))
    assert value("W", pool) == pytest.approx(chi2 / (len(answered) * 2), abs=1e-9)


def test_w_is_corrected_for_ties_like_friedmans_test():
    generator = np.random.default_rng(4)
    ranks = np.array([generator.choice(40, size=3, replace=False) + 1 for _ in range(50)])
    queries = [
        {lang: [rank] for lang, rank in zip(SIZES, row, strict=True)} for row in ranks.tolist()
    ]
    found = value("W", example_pool(queries, SIZES, depth=20))
    held = np.minimum(ranks, 21)
    held = held[held.min(axis=1) <= 20]
    chi2, _ = friedmanchisquare(*held.T)
    assert len(held) < 50
    assert found == pytest.approx(chi2 / (len(held) * 2), abs=1e-9)


def test_the_spread_of_ap_counts_a_missing_answer_as_zero(pool):
    expected = [(1 + 0 + 0 + 1 / 2) / 4, (1 / 4 + 1 / 3 + 0 + 1) / 4, (0 + 0 + 0 + 1 / 3) / 4]
    assert value("AP_spread", pool) == pytest.approx(max(expected) - min(expected))


def test_shares_are_of_what_the_run_holds():
    tops = [["de", "en", "de"], ["en", "en", "en"], ["th", "de", "de"]]
    pool = example_pool([{}, {}, {}], SIZES, top_langs=tops, depth=3)
    pool.top_langs[1, 1:] = -1
    pool.top_langs[2] = -1
    shares = value("share@10", pool)
    assert shares[:2] == pytest.approx(np.array([[2 / 3, 1 / 3, 0], [0, 1, 0]]))
    assert np.isnan(shares[2]).all()
