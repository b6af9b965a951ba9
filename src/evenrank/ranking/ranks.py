"""The result of a ranking pass, and the ranks in each pool that follow from it.

Shapes: ``Q`` queries, ``D`` passages, ``L`` languages, ``P`` pairs of a query and one of its
relevant passages, ``K`` passages kept from the top.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark


@dataclass(frozen=True, eq=False)
class Ranking:
    """The result of one exact pass over all scores of a benchmark, or of reading a run.

    Attributes:
        above_in_language: ``(P,)`` int64, passages above the pair's passage in its own language.
        above: ``(P,)`` int64, passages above it in the multilingual pool.
        scores: ``(P,)`` float32, the pair's score.
        top_passages: ``(Q, K)`` int64 positions of the best passages of the multilingual pool, best
            first, -1 after the end.
        top_scores: ``(Q, K)`` float32, ``-inf`` after the end.
        retrieved: ``(P,)`` whether a run, which contains at most ``K`` passages per query, contains
            the pair's passage; ``None`` for a pass over all scores. Where it is False, both counts
            cover the whole run of the query, and the score is NaN.
    """

    above_in_language: NDArray[np.int64]
    above: NDArray[np.int64]
    scores: NDArray[np.float32]
    top_passages: NDArray[np.int64]
    top_scores: NDArray[np.float32]
    retrieved: NDArray[np.bool_] | None = None

    @property
    def depth(self) -> int:
        """Passages kept for each query; for a run, the length of its longest ranking."""
        return int(self.top_passages.shape[1])


@dataclass(frozen=True, eq=False)
class PoolRanks:
    """Ranks of the relevant passages of all queries in one pool.

    This is the input of a measure. A query without a relevant passage in the pool has no ranks
    (``indptr[q] == indptr[q + 1]``). No two passages of a pool have the same rank, since the order
    of ties has already decided between equal scores. The exception are relevant passages that a run
    does not contain: all of them have the rank after the run's longest ranking.

    Attributes:
        ranks: ``(P,)`` int64, 1 is best, ascending within a query.
        indptr: ``(Q + 1,)`` int64; query ``q`` has ``ranks[indptr[q]:indptr[q + 1]]``.
        passage_langs: ``(P,)`` int16, the language of each ranked passage.
        query_langs: ``(Q,)`` int16.
        parallel: ``(Q,)`` int32, the same number for parallel queries.
        pool_sizes: ``(L,)`` int64, passages of each language in the pool; 0 for other languages.
        top_langs: ``(Q, K)`` int16, languages of the best passages of the multilingual pool, -1
            after the end; ``None`` for other pools.
        top_passages: ``(Q, K)`` int64, their positions; ``None`` for other pools.
        depth: Depth of a run: ``depth + 1`` is the rank of passages that it does not contain;
            ``None`` for a ranking of the whole pool.
        grades: ``(P,)`` int64, the grade of each ranked passage; ``None`` if all have grade 1.
    """

    ranks: NDArray[np.int64]
    indptr: NDArray[np.int64]
    passage_langs: NDArray[np.int16]
    query_langs: NDArray[np.int16]
    parallel: NDArray[np.int32]
    pool_sizes: NDArray[np.int64]
    top_langs: NDArray[np.int16] | None = None
    top_passages: NDArray[np.int64] | None = None
    depth: int | None = None
    grades: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.query_langs)

    @property
    def size(self) -> int:
        """Number of passages in the pool."""
        return int(self.pool_sizes.sum())

    @cached_property
    def relevant(self) -> NDArray[np.int64]:
        """``(Q,)`` number of relevant passages in the pool."""
        return np.diff(self.indptr)

    @cached_property
    def query_of(self) -> NDArray[np.int64]:
        """``(P,)`` the query of each rank."""
        return np.repeat(np.arange(len(self)), self.relevant)

    @cached_property
    def nth(self) -> NDArray[np.int64]:
        """``(P,)`` the number of each rank among the ranks of its query: 1 for the best, 2, ..."""
        return np.arange(1, len(self.ranks) + 1) - np.repeat(self.indptr[:-1], self.relevant)

    @cached_property
    def best(self) -> NDArray[np.float64]:
        """``(Q,)`` rank of the best relevant passage, ``inf`` without one (or none retrieved)."""
        best = np.full(len(self), np.inf)
        found = self.relevant > 0
        best[found] = self.ranks[self.indptr[:-1][found]]
        if self.depth is not None:
            best[best > self.depth] = np.inf
        return best

    @cached_property
    def relevant_by_lang(self) -> NDArray[np.int64]:
        """``(Q, L)`` number of relevant passages in each language."""
        languages = len(self.pool_sizes)
        cells = self.query_of * languages + self.passage_langs
        return np.bincount(cells, minlength=len(self) * languages).reshape(len(self), languages)

    @cached_property
    def best_by_lang(self) -> NDArray[np.float64]:
        """``(Q, L)`` rank of the best relevant passage of each language, ``inf`` without one."""
        languages = len(self.pool_sizes)
        best = np.full(len(self) * languages, np.inf)
        cells = self.query_of * languages + self.passage_langs
        best[cells[::-1]] = self.ranks[::-1]  # the last of equal cells remains: the best rank
        return best.reshape(len(self), languages)

    def select(self, queries: NDArray[np.int64]) -> PoolRanks:
        """Return the ranks of some queries, given by their positions in any order."""
        counts = self.relevant[queries]
        indptr = np.concatenate([[0], np.cumsum(counts)])
        pairs = np.repeat(self.indptr[queries] - indptr[:-1], counts) + np.arange(indptr[-1])
        return PoolRanks(
            ranks=self.ranks[pairs],
            indptr=indptr,
            passage_langs=self.passage_langs[pairs],
            query_langs=self.query_langs[queries],
            parallel=self.parallel[queries],
            pool_sizes=self.pool_sizes,
            top_langs=None if self.top_langs is None else self.top_langs[queries],
            top_passages=None if self.top_passages is None else self.top_passages[queries],
            depth=self.depth,
            grades=None if self.grades is None else self.grades[pairs],
        )


def multilingual_pool(benchmark: Benchmark, ranking: Ranking) -> PoolRanks:
    """Return the ranks of relevant passages in the multilingual pool."""
    top = ranking.top_passages
    top_langs = np.where(top >= 0, benchmark.passages.langs[top], -1).astype(np.int16)
    pairs = np.arange(len(ranking.above))
    sizes = np.diff(benchmark.offsets)
    return _pool(benchmark, ranking, pairs, ranking.above, sizes, top_langs)


def language_pools(benchmark: Benchmark, ranking: Ranking) -> Iterator[tuple[int, PoolRanks]]:
    """Yield the number of each language that has passages, and the ranks in its pool."""
    langs = benchmark.passages.langs[benchmark.relevance.passages]
    by_language = np.argsort(langs, kind="stable")
    bounds = np.searchsorted(langs[by_language], np.arange(len(benchmark.languages) + 1))
    sizes = np.diff(benchmark.offsets)
    for lang in np.flatnonzero(sizes).tolist():
        pairs = by_language[bounds[lang] : bounds[lang + 1]]
        own = np.where(np.arange(len(sizes)) == lang, sizes, 0)
        yield lang, _pool(benchmark, ranking, pairs, ranking.above_in_language, own, None)


def _pool(
    benchmark: Benchmark,
    ranking: Ranking,
    pairs: NDArray[np.int64],
    above_P: NDArray[np.int64],
    sizes: NDArray[np.int64],
    top_langs: NDArray[np.int16] | None,
) -> PoolRanks:
    """Return the ranks of some pairs, which are ordered by query."""
    queries, relevance = benchmark.queries, benchmark.relevance
    owners, ranks = relevance.query_of[pairs], 1 + above_P[pairs]
    if ranking.retrieved is not None:
        ranks[~ranking.retrieved[pairs]] = ranking.depth + 1
    order = np.argsort(owners * (len(benchmark.passages) + 2) + ranks, kind="stable")
    pairs = pairs[order]
    return PoolRanks(
        ranks=ranks[order],
        indptr=np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=len(queries)))]),
        passage_langs=benchmark.passages.langs[relevance.passages[pairs]],
        query_langs=queries.langs,
        parallel=benchmark.parallel,
        pool_sizes=sizes,
        top_langs=top_langs,
        top_passages=None if top_langs is None else ranking.top_passages,
        depth=None if ranking.retrieved is None else ranking.depth,
        grades=None if relevance.grades is None else relevance.grades[pairs],
    )
