"""The value of each measure if a run misses relevant passages."""

import numpy as np
import pytest
from scipy.stats import friedmanchisquare

from evenrank.measures.base import example_pool, parse_measure
from evenrank.measures.rank_distance import minimum_rank_distance, random_rank_distance

SIZES = {"de": 50, "en": 50, "th": 50}


def value(name, pool):
    return parse_measure(name)(pool)


@pytest.fixture
def pool():
    """Runs of depth 10 that miss one passage, two, all three, and none."""
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


@pytest.mark.parametrize("counts", [(1, 1, 1), (1, 1, 0), (2, 1, 3)])
@pytest.mark.parametrize("depth", [2, 10, 60])
def test_a_random_order_has_the_random_reference(counts, depth):
    generator = np.random.default_rng(depth)
    orders = generator.random((6000, 150)).argsort(axis=1)[:, : sum(counts)] + 1
    cuts = np.cumsum(counts)[:-1]
    queries = [
        {lang: part.tolist() for lang, part in zip(SIZES, np.split(order, cuts), strict=True)}
        for order in orders
    ]
    pool = example_pool(queries, SIZES, depth=depth)
    found = value("rank_distance", pool)
    found = found[~np.isnan(found)]
    sampling = 3 * found.std() / np.sqrt(len(found))
    expected, least = random_rank_distance(pool)[0], minimum_rank_distance(pool)[0]
    assert expected == pytest.approx(found.mean(), abs=sampling, rel=0.01)
    normalised = value("rank_distance_norm", pool)
    if expected > least:
        tolerance = sampling + 0.01 * expected
        assert np.nanmean(normalised) == pytest.approx(1, abs=tolerance / (expected - least))
    else:  # too short a run: three passages cannot stand nearer than they do by chance
        assert depth == 2
        assert np.isnan(normalised).all()


def test_a_run_as_deep_as_the_pool_has_the_references_of_a_full_ranking():
    ranks = [{"de": [1], "en": [9], "th": [4]}, {"de": [7], "en": [5]}]
    run, full = example_pool(ranks, SIZES, depth=150), example_pool(ranks, SIZES)
    assert random_rank_distance(run) == pytest.approx(random_rank_distance(full))
    assert minimum_rank_distance(run) == pytest.approx(minimum_rank_distance(full))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_perfect_run_shorter_than_the_languages_has_no_distance_left(depth):
    pool = example_pool([{"de": [1], "en": [2], "th": [3]}], SIZES, depth=depth)
    assert value("rank_distance", pool) == minimum_rank_distance(pool) == min(depth, 2)


def test_the_last_passage_of_a_run_counts():
    pool = example_pool([{"de": [10], "en": [11]}], SIZES, depth=10)
    found = {name: value(name, pool)[0] for name in ("AP", "RR", "R@10", "Success@10", "TLR@10")}
    assert found == {"AP": 1 / 20, "RR": 1 / 10, "R@10": 1 / 2, "Success@10": 1, "TLR@10": 0}
    assert value("rank_distance", pool) == [1]
