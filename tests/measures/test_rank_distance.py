from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.measures.base import example_pool
from evenrank.measures.rank_distance import (
    minimum_rank_distance,
    random_rank_distance,
    rank_distance,
)
from evenrank.measures.rank_distance_norm import rank_distance_norm


def distance_of(ranks_by_lang):
    """The definition, word by word."""
    best = [min(ranks) for ranks in ranks_by_lang.values()]
    return max(best) - min(best) if len(best) >= 2 else float("nan")


def test_by_hand():
    queries = [
        {"de": [2], "en": [5], "th": [11]},
        {"de": [4, 1], "th": [3, 12]},  # the best of each language: 1 and 3
        {"de": [1, 2]},
        {},
    ]
    pool = example_pool(queries, sizes={"de": 4, "en": 4, "th": 4})
    assert rank_distance(pool) == pytest.approx([9, 2, np.nan, np.nan], nan_ok=True)
    assert minimum_rank_distance(pool) == pytest.approx([2, 1, np.nan, np.nan], nan_ok=True)


def test_the_papers_benchmark():
    # XQuAD-R: 11 languages, 13,014 sentences; least 10, at random (13015 x 10) / 12
    langs = [f"l{number}" for number in range(11)]
    ranks = [{lang: [place] for place, lang in enumerate(langs, 1)}]
    pool = example_pool(ranks, sizes={lang: 13_014 if lang == "l0" else 0 for lang in langs})
    assert minimum_rank_distance(pool) == pytest.approx([10])
    assert random_rank_distance(pool) == pytest.approx([10_845.8333333])
    assert rank_distance_norm(pool) == pytest.approx([0])


@given(data=st.data())
def test_agrees_with_the_definition(rankings, data):
    drawn = data.draw(rankings)
    expected = [distance_of(ranks) for ranks in drawn.ranks_by_lang]
    assert rank_distance(drawn.pool) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    "counts",
    [{"de": 1, "en": 1}, {"de": 1, "en": 1, "th": 1}, {"de": 3, "en": 1}, {"de": 2, "en": 3}],
)
def test_the_random_reference_is_the_mean_over_every_order(counts):
    size, total = 7, sum(counts.values())
    distances = []
    for places in combinations(range(1, size + 1), total):
        for first in combinations(places, counts["de"]):
            rest = [place for place in places if place not in first]
            for second in combinations(rest, counts["en"]):
                third = [place for place in rest if place not in second]
                found = {"de": first, "en": second, "th": third}
                distances.append(distance_of({lang: at for lang, at in found.items() if at}))
    ranks = iter(range(1, size + 1))
    example = {lang: [next(ranks) for _ in range(count)] for lang, count in counts.items()}
    pool = example_pool([{}, example, example], sizes={"de": size, "en": 0, "th": 0})
    mean = np.mean(distances)
    assert random_rank_distance(pool) == pytest.approx([np.nan, mean, mean], nan_ok=True)


@given(data=st.data())
def test_normalised_zero_is_the_least_and_one_is_random(rankings, data):
    pool = data.draw(rankings).pool
    least, random = minimum_rank_distance(pool), random_rank_distance(pool)
    norm = rank_distance_norm(pool)
    defined = ~np.isnan(norm)
    assert (norm[defined] >= -1e-12).all()
    assert (rank_distance(pool) >= least)[defined].all()
    back = least + norm * (random - least)
    assert back[defined] == pytest.approx(rank_distance(pool)[defined])


def test_normalised_is_undefined_where_every_order_has_the_same_distance():
    pool = example_pool([{"de": [1], "en": [2]}], sizes={"de": 1, "en": 1})
    assert np.isnan(rank_distance_norm(pool)).all()


def test_random_rankings_score_about_one():
    generator = np.random.default_rng(0)
    langs = ["de", "el", "en", "th", "tr"]
    places = [generator.choice(500, size=5, replace=False) + 1 for _ in range(4000)]
    ranks = [dict(zip(langs, at[:, None].tolist(), strict=True)) for at in places]
    pool = example_pool(ranks, sizes=dict.fromkeys(langs, 100))
    # the mean of 4,000 values whose standard deviation is about a quarter
    assert rank_distance_norm(pool).mean() == pytest.approx(1, abs=0.02)
