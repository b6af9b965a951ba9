"""The queries with the worst ranking, for people to read.

The worst query has the largest rank distance in the multilingual pool. If no query of a benchmark
has a rank distance, since relevant passages are in one language only (MIRACL), it has the worst
rank of the best relevant passage; queries for which a run contains none come first. Of equal
queries (a short run has many), the worse one has the larger mean rank of relevant passages, then
the earlier position in the benchmark.

The list has one query of each block of parallel queries, in the language with the worst ranking.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark
from evenrank.evaluation.examples import shorten
from evenrank.measures.rank_distance import rank_distance
from evenrank.ranking.ranks import PoolRanks, Ranking, multilingual_pool
from evenrank.results.schema import FirstPassage, RankedAnswer, WorstQuery

QUERIES = 20


def build_worst(benchmark: Benchmark, ranking: Ranking) -> list[WorstQuery]:
    """Return up to twenty queries with their answers and first passages, the worst first."""
    pool = multilingual_pool(benchmark, ranking)
    distances_Q = rank_distance(pool)
    return [
        _worst_query(benchmark, ranking, query, distances_Q[query])
        for query in choose_worst(pool, distances_Q)
    ]


def choose_worst(pool: PoolRanks, distances_Q: NDArray[np.float64]) -> list[int]:
    """Choose the worst query of each block of parallel queries, then the worst blocks.

    Args:
        pool: Ranks in the multilingual pool.
        distances_Q: ``(Q,)`` rank distances, NaN where a query has none.

    Returns:
        Positions of up to twenty queries, the worst first.

    >>> from evenrank.measures.base import example_pool
    >>> ranks = [{"de": [1], "en": [2]}, {"de": [3], "en": [8]}, {"de": [1], "en": [9]}]
    >>> pool = example_pool(ranks, sizes={"de": 5, "en": 5}, parallel=[0, 1, 1])
    >>> choose_worst(pool, rank_distance(pool))  # the second and third query are parallel
    [2, 0]
    """
    if np.isnan(distances_Q).all():
        badness_Q = np.where(pool.relevant > 0, pool.best, np.nan)
    else:
        badness_Q = distances_Q
    scored = np.flatnonzero(~np.isnan(badness_Q))
    sums_Q = np.bincount(pool.query_of, weights=pool.ranks, minlength=len(pool))
    means_Q = sums_Q[scored] / pool.relevant[scored]
    worst_first = scored[np.lexsort((-means_Q, -badness_Q[scored]))]
    _, first = np.unique(pool.parallel[worst_first], return_index=True)
    chosen: list[int] = worst_first[np.sort(first)[:QUERIES]].tolist()
    return chosen


def _worst_query(benchmark: Benchmark, ranking: Ranking, query: int, distance: float) -> WorstQuery:
    queries, passages = benchmark.queries, benchmark.passages
    start, end = benchmark.relevance.indptr[query : query + 2]
    relevant = benchmark.relevance.passages[start:end]
    first = int(ranking.top_passages[query, 0])
    return WorstQuery(
        query_id=queries.ids[query].as_py(),
        lang=benchmark.languages[queries.langs[query]],
        text=shorten(queries.texts[query].as_py()),
        rank_distance=None if np.isnan(distance) else int(distance),
        answers=_best_answers(benchmark, ranking, start, relevant),
        first=FirstPassage(
            lang=benchmark.languages[passages.langs[first]],
            text=shorten(passages.texts[first].as_py()),
            relevant=first in relevant,
        )
        if first >= 0
        else None,
    )


def _best_answers(
    benchmark: Benchmark, ranking: Ranking, start: int, relevant: NDArray[np.int64]
) -> list[RankedAnswer]:
    """Return the best relevant passage of each language, by language.

    Args:
        benchmark: The benchmark.
        ranking: The pass over it.
        start: Where the query's pairs begin.
        relevant: The query's relevant passages.
    """
    pairs = slice(start, start + len(relevant))
    ranks = 1 + ranking.above[pairs]
    held = np.full(len(relevant), True) if ranking.retrieved is None else ranking.retrieved[pairs]
    langs = benchmark.passages.langs[relevant]
    best_first = np.lexsort((ranks, langs))  # passages that a run misses come last
    _, places = np.unique(langs[best_first], return_index=True)
    return [
        RankedAnswer(
            lang=benchmark.languages[langs[pair]],
            rank=int(ranks[pair]) if held[pair] else None,
            text=shorten(benchmark.passages.texts[relevant[pair]].as_py()),
        )
        for pair in best_first[places].tolist()
    ]
