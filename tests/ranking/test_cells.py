"""The setting ``single``: ranks with the relevant passages of other languages removed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evenrank.benchmarks.benchmark import Card, Passage, Query, Relevance, build_benchmark
from evenrank.measures.base import example_pool
from evenrank.ranking.cells import language_cells, single_cells
from evenrank.ranking.rank import rank
from evenrank.ranking.ranks import multilingual_pool

LANGS = ("de", "en", "th")
SIZES = dict.fromkeys(LANGS, 9)


@st.composite
def scored_benchmarks(draw):
    """A benchmark with a score for each query and passage, many of them equal."""
    queries = [
        Query(f"q{number}", f"{number // 2}", draw(st.sampled_from(LANGS)), "?")
        for number in range(draw(st.integers(1, 3)))
    ]
    passages = [
        Passage(f"d{number}", draw(st.sampled_from(LANGS)), ".")
        for number in range(draw(st.integers(1, 10)))
    ]
    pairs = st.tuples(
        st.sampled_from([query.id for query in queries]),
        st.sampled_from([passage.id for passage in passages]),
    )
    card = Card(title="drawn", source="", licence="", citation="")
    benchmark = build_benchmark("drawn", card, queries, passages, draw(st.sets(pairs)))
    row = st.lists(st.integers(0, 3), min_size=len(passages), max_size=len(passages))
    return benchmark, np.array([draw(row) for _ in queries], dtype=np.float32)


def ranked_again(benchmark, scores, query, lang):
    """Ranks in a pool from which the relevant passages in other languages are really removed."""
    relevance, langs = benchmark.relevance, benchmark.passages.langs
    relevant = relevance.passages[relevance.indptr[query] : relevance.indptr[query + 1]]
    kept = np.setdiff1d(np.arange(len(langs)), relevant[langs[relevant] != lang])
    wanted = np.flatnonzero(np.isin(kept, relevant))
    offsets = np.searchsorted(langs[kept], np.arange(len(benchmark.languages) + 1))
    found = rank(
        np.ones((1, 1), dtype=np.float32),
        scores[query, kept][:, None],
        Relevance(np.array([0, len(wanted)]), wanted),
        offsets,
    )
    return sorted((1 + found.above).tolist())


@given(drawn=scored_benchmarks())
def test_ranks_are_those_after_really_removing_the_passages(drawn):
    benchmark, scores = drawn
    one_per_query = np.eye(len(scores), dtype=np.float32)
    found = rank(one_per_query, scores.T.copy(), benchmark.relevance, benchmark.offsets)
    cells = single_cells(multilingual_pool(benchmark, found))
    ranks = {
        (query, lang): cells.pool.ranks[start:end].tolist()
        for query, lang, start, end in zip(
            cells.queries.tolist(),
            cells.langs.tolist(),
            cells.pool.indptr[:-1],
            cells.pool.indptr[1:],
            strict=True,
        )
    }
    relevance, expected = benchmark.relevance, {}
    for query in range(len(scores)):
        span = slice(relevance.indptr[query], relevance.indptr[query + 1])
        langs = {*benchmark.passages.langs[relevance.passages[span]].tolist()}
        if len(langs) > 1:
            expected |= {
                (query, lang): ranked_again(benchmark, scores, query, lang) for lang in langs
            }
    assert ranks == expected
    assert cells.pool.query_langs.tolist() == benchmark.queries.langs[cells.queries].tolist()
    assert cells.pool.parallel.tolist() == benchmark.parallel[cells.queries].tolist()


def test_equal_scores_are_decided_by_position_as_everywhere():
    # all five passages have one score: German first, and the query's own language wins nothing
    pool = example_pool([{"de": [1], "en": [3], "th": [5]}], SIZES, query_langs=["th"])
    assert single_cells(pool).pool.ranks.tolist() == [1, 2, 3]


def test_what_a_run_misses_stays_behind_its_end():
    pool = example_pool([{"de": [1, 9], "en": [2, 8], "th": [7]}], SIZES, depth=4)
    cells = single_cells(pool)
    assert cells.pool.ranks.tolist() == [1, 5, 1, 5, 5]
    assert cells.pool.depth == 4
    assert np.isfinite(cells.pool.best).tolist() == [True, True, False]


def test_a_query_with_answers_in_one_language_has_no_cell():
    pool = example_pool([{"de": [1, 2]}, {}, {"en": [3]}], SIZES)
    assert len(single_cells(pool).pool) == 0
    assert language_cells(pool).langs.tolist() == [0, 1]
    assert np.isnan(single_cells(pool).means(np.zeros(0))).all()


def test_means_are_by_query_language_and_passage_language():
    ranks = [{"de": [1], "en": [2]}, {"de": [1], "en": [5]}, {"de": [1], "en": [3]}]
    cells = single_cells(example_pool(ranks, SIZES, query_langs=["de", "de", "th"]))
    means = cells.means(cells.pool.best)
    expected = [[1, 2.5, np.nan], [np.nan] * 3, [1, 2, np.nan]]
    np.testing.assert_array_equal(means, expected)


def test_grades_stay_with_their_passages():
    pool = example_pool([{"de": [1, 4], "en": [3]}], SIZES)
    graded = type(pool)(**vars(pool) | {"grades": np.array([3, 1, 2])})
    assert single_cells(graded).pool.grades.tolist() == [3, 2, 1]
