import math
from dataclasses import replace

import ir_measures
import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from evenrank.measures.base import example_pool, parse_measure
from evenrank.measures.ndcg import ndcg

PEERS = {  # ours: (pytrec_eval's request, its key in the answer), None where it has none
    "AP": ("map", "map"),
    "AP@3": ("map_cut.3", "map_cut_3"),
    "RR": ("recip_rank", "recip_rank"),
    "RR@3": None,
    "nDCG": ("ndcg", "ndcg"),
    "nDCG@3": ("ndcg_cut.3", "ndcg_cut_3"),
    "nDCG@50": ("ndcg_cut.50", "ndcg_cut_50"),
    "R@3": ("recall.3", "recall_3"),
    "R@50": ("recall.50", "recall_50"),
    "P@1": ("P.1", "P_1"),
    "P@50": ("P.50", "P_50"),
    "Success@3": ("success.3", "success_3"),
}


def test_values_that_can_be_checked_by_hand():
    # relevant at 1, 3 and 6 of a pool of 8
    pool = example_pool([{"de": [1, 6], "en": [3]}], sizes={"de": 4, "en": 4})
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    expected = {
        "AP": (1 / 1 + 2 / 3 + 3 / 6) / 3,
        "AP@5": (1 / 1 + 2 / 3) / 3,
        "RR": 1,
        "nDCG": (1 + 1 / math.log2(4) + 1 / math.log2(7)) / ideal,
        "nDCG@2": 1 / (1 + 1 / math.log2(3)),
        "R@2": 1 / 3,
        "R@6": 1,
        "P@2": 1 / 2,
        "P@20": 3 / 20,  # the divisor is the cutoff, however small the pool
        "Success@1": 1,
    }
    for name, value in expected.items():
        assert parse_measure(name)(pool) == pytest.approx([value], abs=1e-12), name


@pytest.mark.parametrize("name", PEERS)
def test_without_a_relevant_passage_a_query_is_not_scored_and_the_others_are(name):
    pool = example_pool([{}, {"de": [1]}, {}], sizes={"de": 2, "en": 2})
    alone = example_pool([{"de": [1]}], sizes={"de": 2, "en": 2})
    values = parse_measure(name)(pool)
    assert np.isnan(values[[0, 2]]).all()
    assert values[1] == parse_measure(name)(alone)[0]


@given(data=st.data())
def test_no_ranking_scores_higher_than_the_perfect_one(rankings, data):
    drawn = data.draw(rankings)
    pool = drawn.pool
    drawn.relevant = [list(range(1, len(ranks) + 1)) for ranks in drawn.relevant]
    scored = pool.relevant > 0
    for name in PEERS:
        values, best = parse_measure(name)(pool), parse_measure(name)(drawn.pool)
        assert (np.isnan(values) == ~scored).all(), name
        assert (values[scored] >= 0).all(), name
        assert (values[scored] <= best[scored] + 1e-12).all(), name
        if name in {"AP", "RR", "RR@3", "nDCG", "nDCG@3", "nDCG@50", "Success@3"}:
            assert best[scored] == pytest.approx(1), name


@given(data=st.data())
def test_promoting_a_relevant_passage_never_lowers_a_value(rankings, data):
    drawn = data.draw(rankings)
    movable = [
        (query, rank)
        for query, ranks in enumerate(drawn.relevant)
        for rank in ranks
        if rank > 1 and rank - 1 not in ranks
    ]
    if not movable:
        return
    query, rank = data.draw(st.sampled_from(movable))
    before = {name: parse_measure(name)(drawn.pool) for name in PEERS}
    drawn.relevant[query] = sorted({*drawn.relevant[query], rank - 1} - {rank})
    for name, values in before.items():
        assert parse_measure(name)(drawn.pool)[query] >= values[query] - 1e-12, name
    for name in ("AP", "nDCG"):  # these see every step
        assert parse_measure(name)(drawn.pool)[query] > before[name][query]


@given(data=st.data(), cutoff=st.one_of(st.none(), st.integers(1, 16)))
def test_ndcg_takes_grades_as_gains_and_nothing_else_sees_them(rankings, data, cutoff):
    drawn = data.draw(rankings)
    grades = [[data.draw(st.integers(1, 4)) for _ in ranks] for ranks in drawn.relevant]
    flat = np.array([grade for query in grades for grade in query], dtype=np.int64)
    graded = replace(drawn.pool, grades=flat)
    expected = []
    for ranks, gains in zip(drawn.relevant, grades, strict=True):
        gained = sum(
            gain / math.log2(1 + rank)
            for rank, gain in zip(ranks, gains, strict=True)
            if rank <= (cutoff or 99)
        )
        best = sorted(gains, reverse=True)[:cutoff]
        ideal = sum(gain / math.log2(1 + rank) for rank, gain in enumerate(best, 1))
        expected.append(gained / ideal if ranks else math.nan)
    assert ndcg(graded, cutoff) == pytest.approx(expected, abs=1e-12, nan_ok=True)
    one = np.array([data.draw(st.integers(0, len(drawn.relevant) - 1))])
    assert ndcg(graded.select(one), cutoff)[0] == pytest.approx(expected[one[0]], nan_ok=True)
    for name in set(PEERS) - {"nDCG", "nDCG@3", "nDCG@50"}:
        np.testing.assert_array_equal(parse_measure(name)(graded), parse_measure(name)(drawn.pool))


def random_rankings(seed, queries=60, passages=40):
    """Random permutations of the passages; every fifth query has no relevant passage."""
    generator = np.random.default_rng(seed)
    ranks, qrels, run = [], {}, {}
    for query in range(queries):
        ids = generator.permutation(passages)
        count = 0 if query % 5 == 0 else generator.integers(1, passages + 1)
        relevant = set(generator.choice(passages, size=count, replace=False).tolist())
        ranks.append({"de": [rank for rank, id_ in enumerate(ids, 1) if id_ in relevant]})
        # a peer sorts by score, then id: distinct scores leave it no choice
        run[f"q{query}"] = {f"d{id_}": float(passages - at) for at, id_ in enumerate(ids)}
        if relevant:
            qrels[f"q{query}"] = {f"d{id_}": 1 for id_ in relevant}
    return example_pool(ranks, sizes={"de": passages}), qrels, run


@pytest.mark.parametrize("name", [name for name, peer in PEERS.items() if peer])
def test_every_query_agrees_with_pytrec_eval(name):
    pool, qrels, run = random_rankings(seed=1)
    request, key = PEERS[name]
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {request}).evaluate(run)
    ours = parse_measure(name)(pool)
    assert len(theirs) == np.count_nonzero(~np.isnan(ours)) == 48
    for query, values in theirs.items():
        assert ours[int(query[1:])] == pytest.approx(values[key], abs=1e-9), query


@pytest.mark.parametrize("name", PEERS)
def test_every_query_agrees_with_ir_measures(name):
    pool, qrels, run = random_rankings(seed=2)
    measure = ir_measures.parse_measure(name)
    theirs = {value.query_id: value.value for value in measure.iter_calc(qrels, run)}
    ours = parse_measure(name)(pool)
    assert len(theirs) == 48
    for query, value in theirs.items():
        assert ours[int(query[1:])] == pytest.approx(value, abs=1e-9), query
