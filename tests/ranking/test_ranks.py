from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evenrank.benchmarks.benchmark import Card, Passage, Query, build_benchmark
from evenrank.ranking.ranks import Ranking, language_pools, multilingual_pool

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
    """Build the result of a ranking pass from all scores, by sorting them."""
    order = np.argsort(-scores, axis=1, kind="stable")
    place = order.argsort(axis=1)
    query_of = np.repeat(np.arange(len(scores)), np.diff(benchmark.relevance.indptr))
    passages, langs = benchmark.relevance.passages, benchmark.passages.langs
    higher = place[query_of] < place[query_of, passages][:, None]
    return Ranking(
        above_in_language=(higher & (langs == langs[passages][:, None])).sum(axis=1),
        above=higher.sum(axis=1),
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


@given(drawn=scored_benchmarks())
def test_ranks_in_each_pool_are_those_of_sorting_it(drawn):
    benchmark, scores = drawn
    ranking = pass_over(benchmark, scores)
    everything = range(len(benchmark.languages))
    pools = [(everything, multilingual_pool(benchmark, ranking))]
    pools += [([lang], pool) for lang, pool in language_pools(benchmark, ranking)]
    assert [members[0] for members, _ in pools[1:]] == sorted(set(benchmark.passages.langs))
    for members, found in pools:
        for query in range(len(scores)):
            span = slice(found.indptr[query], found.indptr[query + 1])
            expected = ranks_by_sorting(benchmark, scores, query, members)
            ranks, langs = found.ranks[span].tolist(), found.passage_langs[span].tolist()
            assert list(zip(ranks, langs, strict=True)) == expected
        assert found.size == np.isin(benchmark.passages.langs, list(members)).sum()


@given(drawn=scored_benchmarks(), data=st.data())
def test_views_of_a_pool_follow_from_its_ranks(drawn, data):
    benchmark, scores = drawn
    pool = multilingual_pool(benchmark, pass_over(benchmark, scores))
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


def test_languages_of_the_top_are_known_in_the_multilingual_pool_only():
    benchmark = build_benchmark(
        "two",
        CARD,
        [Query("q", "0", "de", "?")],
        [Passage("a", "en", "."), Passage("b", "de", ".")],
        [("q", "a")],
    )
    ranking = pass_over(benchmark, np.array([[0.5, 0.5]], dtype=np.float32), top_k=2)
    padded = replace(
        ranking,
        top_passages=np.array([[1, 0, -1]]),
        top_scores=np.array([[0.5, 0.5, -np.inf]], dtype=np.float32),
    )
    assert multilingual_pool(benchmark, padded).top_langs.tolist() == [[1, 0, -1]]
    assert [pool.top_langs for _, pool in language_pools(benchmark, padded)] == [None, None]
    assert multilingual_pool(benchmark, ranking).ranks.tolist() == [2]  # a tie: "de" comes first
