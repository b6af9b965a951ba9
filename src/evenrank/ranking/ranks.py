"""What a ranking pass keeps, and the ranks that follow from it in any pool of languages.

Shapes: ``Q`` queries, ``D`` passages, ``L`` languages, ``P`` pairs of a query and one of its
relevant passages, ``K`` passages kept from the top.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark


@dataclass(frozen=True, eq=False)
class Ranking:
    """The outcome of one exact pass over all scores of a benchmark.

    Attributes:
        above: ``(P, L)`` int32; how many passages of each language rank above the pair's passage.
        scores: ``(P,)`` float32, the pair's own score.
        top_passages: ``(Q, K)`` int64 positions in the collection, best first, -1 past its end.
        top_scores: ``(Q, K)`` float32, ``-inf`` past the end.
    """

    above: NDArray[np.int32]
    scores: NDArray[np.float32]
    top_passages: NDArray[np.int64]
    top_scores: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PoolRanks:
    """Ranks of the relevant passages of some queries in one pool of languages.

    This is all that a measure sees. A query without a relevant passage in the pool keeps its place
    with no ranks (``indptr[q] == indptr[q + 1]``).

    Attributes:
        ranks: ``(P,)`` int64, 1 is best, ascending within a query.
        indptr: ``(Q + 1,)`` int64; query ``q`` owns ``ranks[indptr[q]:indptr[q + 1]]``.
        passage_langs: ``(P,)`` int16, the language of each ranked passage.
        query_langs: ``(Q,)`` int16.
        parallel: ``(Q,)`` int32, a number shared by the translations of one question.
        pool_sizes: ``(L,)`` int64, passages of each language in the pool; 0 outside of it.
        top_langs: ``(Q, K)`` int16, languages of the best passages of the pool, -1 past its end;
            ``None`` where the pass kept none for this pool.
    """

    ranks: NDArray[np.int64]
    indptr: NDArray[np.int64]
    passage_langs: NDArray[np.int16]
    query_langs: NDArray[np.int16]
    parallel: NDArray[np.int32]
    pool_sizes: NDArray[np.int64]
    top_langs: NDArray[np.int16] | None = None

    def __len__(self) -> int:
        return len(self.query_langs)

    @property
    def relevant(self) -> NDArray[np.int64]:
        """``(Q,)`` number of relevant passages in the pool."""
        return np.diff(self.indptr)

    @property
    def query_of(self) -> NDArray[np.int64]:
        """``(P,)`` the query of each rank."""
        return np.repeat(np.arange(len(self)), self.relevant)


def pool_ranks(
    benchmark: Benchmark,
    ranking: Ranking,
    pool: Sequence[int] | None = None,
    queries: NDArray[np.int64] | None = None,
) -> PoolRanks:
    """Return the ranks of relevant passages in the pool of some languages.

    The rank of a passage in a pool is 1 plus the number of passages above it in the pool's
    languages, so that every pool follows from the one pass.

    Args:
        benchmark: The benchmark that was ranked.
        ranking: The pass over it.
        pool: Languages of the pool as numbers; all languages if ``None``. The languages of the
            top passages are known for the pool of all languages only.
        queries: Positions of the queries to look at, ascending; all if ``None``.
    """
    languages = np.arange(len(benchmark.languages)) if pool is None else np.unique(list(pool))
    asked = np.arange(len(benchmark.queries)) if queries is None else queries
    relevance = benchmark.relevance
    query_of_pair = np.repeat(np.arange(len(benchmark.queries)), np.diff(relevance.indptr))
    lang_of_pair = benchmark.collection.langs[relevance.passages]
    place = np.full(len(benchmark.queries), -1)
    place[asked] = np.arange(len(asked))
    pairs = np.flatnonzero(np.isin(lang_of_pair, languages) & (place[query_of_pair] >= 0))
    ranks = 1 + ranking.above[pairs][:, languages].sum(axis=1, dtype=np.int64)
    owner = place[query_of_pair[pairs]]
    order = np.lexsort((ranks, owner))
    sizes = np.zeros(len(benchmark.languages), dtype=np.int64)
    sizes[languages] = np.diff(benchmark.offsets)[languages]
    return PoolRanks(
        ranks=ranks[order],
        indptr=np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(asked)))]),
        passage_langs=lang_of_pair[pairs][order],
        query_langs=benchmark.queries.langs[asked],
        parallel=benchmark.parallel[asked],
        pool_sizes=sizes,
        top_langs=_top_langs(benchmark, ranking.top_passages[asked]) if pool is None else None,
    )


def _top_langs(benchmark: Benchmark, top: NDArray[np.int64]) -> NDArray[np.int16]:
    return np.where(top >= 0, benchmark.collection.langs[top], -1).astype(np.int16)
