import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.benchmarks.benchmark import Card, Passage, Query, build_benchmark
from evenrank.ranking.ranks import Ranking, pool_ranks

CARD = Card(title="drawn", source="", licence="", citation="")
LANGS = ("de", "en", "th")


@st.composite
def scored_benchmarks(draw):
    """A benchmark with a score for each query and passage, many of them equal."""
    queries = [
        Query(f"q{number}", f"{number // 2}", draw(st.sampled_from(LANGS)), "?")
        for number in range(draw(st.integers(1, 4)))
    ]
    passages = [
        Passage(f"d{number}", draw(st.sampled_from(LANGS)), ".")
        for number in range(draw(st.integers(1, 9)))
    ]
    pairs = st.tuples(
        st.sampled_from([query.id for query in queries]),
        st.sampled_from([passage.id for passage in passages]),
    )
    benchmark = build_benchmark("drawn", CARD, queries, passages, draw(st.sets(pairs)))
    row = st.lists(st.integers(0, 3), min_size=len(passages), max_size=len(passages))
    return benchmark, np.array([draw(row) for _ in queries], dtype=np.float32)


def pass_over(benchmark, scores, top_k=5):
    """Build the outcome of a ranking pass from all scores, by sorting them."""
    order = np.argsort(-scores, axis=1, kind="stable")
    place = order.argsort(axis=1)
    query_of = np.repeat(np.arange(len(scores)), np.diff(benchmark.relevance.indptr))
    passages, langs = benchmark.relevance.passages, benchmark.passages.langs
    higher = place[query_of] < place[query_of, passages][:, None]
    return Ranking(
        above=np.stack(
            [higher[:, langs == lang].sum(axis=1) for lang in range(len(benchmark.languages))],
            axis=1,
        ).astype(np.int32),
        scores=scores[query_of, passages],
        top_passages=order[:, :top_k],
        top_scores=np.take_along_axis(scores, order[:, :top_k], axis=1),
    )


def ranks_by_sorting(benchmark, scores, query, pool):
    """Sort the passages of a pool, and return the rank and language of the relevant ones."""
    relevance, langs = benchmark.relevance, benchmark.passages.langs
    relevant = relevance.passages[relevance.indptr[query] : relevance.indptr[query + 1]]
    inside = [at for at in range(len(langs)) if langs[at] in pool]
    inside.sort(key=lambda at: (-scores[query, at], at))
    return [(rank, langs[at]) for rank, at in enumerate(inside, 1) if at in relevant]


@given(drawn=scored_benchmarks(), data=st.data())
def test_ranks_in_any_pool_are_those_of_sorting_it(drawn, data):
    benchmark, scores = drawn
    numbers = st.integers(0, len(benchmark.languages) - 1)
    pool = data.draw(st.none() | st.lists(numbers, min_size=1, max_size=4))
    found = pool_ranks(benchmark, pass_over(benchmark, scores), pool)
    members = range(len(benchmark.languages)) if pool is None else pool
    for query in range(len(scores)):
        span = slice(found.indptr[query], found.indptr[query + 1])
        expected = ranks_by_sorting(benchmark, scores, query, members)
        ranks, langs = found.ranks[span].tolist(), found.passage_langs[span].tolist()
        assert list(zip(ranks, langs, strict=True)) == expected
    assert found.size == np.isin(benchmark.passages.langs, list(members)).sum()


@given(drawn=scored_benchmarks(), data=st.data())
def test_adding_a_language_to_the_pool_never_improves_a_rank(drawn, data):
    benchmark, scores = drawn
    ranking = pass_over(benchmark, scores)
    small = data.draw(st.sets(st.integers(0, len(benchmark.languages) - 1), min_size=1))
    before = pool_ranks(benchmark, ranking, sorted(small)).best_by_lang
    after = pool_ranks(benchmark, ranking).best_by_lang
    found = np.isfinite(before)
    assert (after[found] >= before[found]).all()


@given(drawn=scored_benchmarks(), data=st.data())
def test_views_of_a_pool_follow_from_its_ranks(drawn, data):
    benchmark, scores = drawn
    pool = pool_ranks(benchmark, pass_over(benchmark, scores))
    for query in range(len(pool)):
        expected = ranks_by_sorting(benchmark, scores, query, range(len(benchmark.languages)))
        assert pool.relevant[query] == len(expected)
        assert pool.best[query] == min((rank for rank, _ in expected), default=np.inf)
        for lang in range(len(benchmark.languages)):
            own = [rank for rank, other in expected if other == lang]
            assert pool.relevant_by_lang[query, lang] == len(own)
            assert pool.best_by_lang[query, lang] == min(own, default=np.inf)
    assert pool.nth.tolist() == [n + 1 for count in pool.relevant for n in range(count)]
    queries = data.draw(st.lists(st.integers(0, len(pool) - 1)))
    some = pool.select(np.array(queries, dtype=np.int64))
    assert some.best_by_lang.tolist() == pool.best_by_lang[queries].tolist()
    assert some.relevant.tolist() == pool.relevant[queries].tolist()
    assert some.top_langs.tolist() == pool.top_langs[queries].tolist()


def test_languages_of_the_top_are_known_for_the_pool_of_all_only():
    benchmark = build_benchmark(
        "two",
        CARD,
        [Query("q", "0", "de", "?")],
        [Passage("a", "en", "."), Passage("b", "de", ".")],
        [("q", "a")],
    )
    ranking = pass_over(benchmark, np.array([[0.5, 0.5]], dtype=np.float32), top_k=2)
    padded = Ranking(
        ranking.above,
        ranking.scores,
        np.array([[1, 0, -1]]),
        np.array([[0.5, 0.5, -np.inf]], dtype=np.float32),
    )
    assert pool_ranks(benchmark, padded).top_langs.tolist() == [[1, 0, -1]]
    assert pool_ranks(benchmark, padded, [0, 1]).top_langs is None
    assert pool_ranks(benchmark, ranking).ranks.tolist() == [2]  # a tie: "de" stands first
    with pytest.raises(IndexError):
        pool_ranks(benchmark, ranking, [2])
