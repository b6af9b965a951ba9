"""What a ranking pass keeps, and the ranks that follow from it in any pool of languages.

Shapes: ``Q`` queries, ``D`` passages, ``L`` languages, ``P`` pairs of a query and one of its
relevant passages, ``K`` passages kept from the top.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark


@dataclass(frozen=True, eq=False)
class Ranking:
    """The outcome of one exact pass over all scores of a benchmark, or of reading a run.

    Attributes:
        above: ``(P, L)`` int32; how many passages of each language rank above the pair's passage.
        scores: ``(P,)`` float32, the pair's own score.
        top_passages: ``(Q, K)`` int64 positions in the collection, best first, -1 past its end.
        top_scores: ``(Q, K)`` float32, ``-inf`` past the end.
        retrieved: ``(P,)`` whether a run that ends after at most ``K`` passages holds the pair's
            passage; ``None`` for a pass over all scores, which leaves nothing out. Where it is
            False, ``above`` counts the whole run of the query and the score is NaN.
    """

    above: NDArray[np.int32]
    scores: NDArray[np.float32]
    top_passages: NDArray[np.int64]
    top_scores: NDArray[np.float32]
    retrieved: NDArray[np.bool_] | None = None

    @property
    def depth(self) -> int:
        """Passages kept for each query; of a run, the length of its longest ranking."""
        return int(self.top_passages.shape[1])


@dataclass(frozen=True, eq=False)
class PoolRanks:
    """Ranks of the relevant passages of some queries in one pool of languages.

    This is all that a measure sees. A query without a relevant passage in the pool keeps its place
    with no ranks (``indptr[q] == indptr[q + 1]``). No two passages of a pool share a rank: the
    tie rule has already decided between equal scores. The one exception are relevant passages that
    a run does not hold: all of them have the rank behind the run's longest ranking.

    Attributes:
        ranks: ``(P,)`` int64, 1 is best, ascending within a query.
        indptr: ``(Q + 1,)`` int64; query ``q`` owns ``ranks[indptr[q]:indptr[q + 1]]``.
        passage_langs: ``(P,)`` int16, the language of each ranked passage.
        query_langs: ``(Q,)`` int16.
        parallel: ``(Q,)`` int32, a number shared by the translations of one question.
        pool_sizes: ``(L,)`` int64, passages of each language in the pool; 0 outside of it.
        top_langs: ``(Q, K)`` int16, languages of the best passages of the pool, -1 past its end;
            ``None`` where the pass kept none for this pool.
        top_passages: ``(Q, K)`` int64, their positions in the collection, likewise.
        depth: Where a run ends, so that ``depth + 1`` is the rank of what it does not hold;
            ``None`` for a ranking to the end of the pool.
        grades: ``(P,)`` int64, the grade of each ranked passage; ``None`` where all have grade 1.
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
        """``(P,)`` each rank's place among the ranks of its query: 1 for the best, 2, ..."""
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
        best[cells[::-1]] = self.ranks[::-1]  # of equal cells the last one stays, which ranks first
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


def pool_ranks(
    benchmark: Benchmark, ranking: Ranking, pool: Sequence[int] | None = None
) -> PoolRanks:
    """Return the ranks of relevant passages in the pool of some languages.

    The rank of a passage in a pool is 1 plus the number of passages above it in the pool's
    languages, so that every pool follows from the one pass. Passages that a run does not hold have
    the rank behind its depth, in every pool.

    Args:
        benchmark: The benchmark that was ranked.
        ranking: The pass over it.
        pool: Languages of the pool as numbers; all languages if ``None``. The top passages and
            their languages are known for the pool of all languages only.
    """
    queries = benchmark.queries
    inside = np.zeros(len(benchmark.languages), dtype=bool)
    inside[slice(None) if pool is None else list(pool)] = True
    langs = benchmark.passages.langs[benchmark.relevance.passages]
    owners = np.repeat(np.arange(len(queries)), np.diff(benchmark.relevance.indptr))
    pairs = np.flatnonzero(inside[langs])
    langs, owners = langs[pairs], owners[pairs]
    ranks = np.ones(len(pairs), dtype=np.int64)
    for language in np.flatnonzero(inside):
        ranks += ranking.above[pairs, language]
    retrieved = None if ranking.retrieved is None else ranking.retrieved[pairs]
    grades = None if benchmark.relevance.grades is None else benchmark.relevance.grades[pairs]
    if retrieved is not None:
        ranks[~retrieved] = ranking.depth + 1
    order = np.argsort(owners * (len(benchmark.passages) + 1) + ranks, kind="stable")
    return PoolRanks(
        ranks=ranks[order],
        indptr=np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=len(queries)))]),
        passage_langs=langs[order],
        query_langs=queries.langs,
        parallel=benchmark.parallel,
        pool_sizes=np.diff(benchmark.offsets) * inside,
        top_langs=_top_langs(benchmark, ranking.top_passages) if pool is None else None,
        top_passages=ranking.top_passages if pool is None else None,
        depth=None if retrieved is None else ranking.depth,
        grades=None if grades is None else grades[order],
    )


def _top_langs(benchmark: Benchmark, top: NDArray[np.int64]) -> NDArray[np.int16]:
    return np.where(top >= 0, benchmark.passages.langs[top], -1).astype(np.int16)
