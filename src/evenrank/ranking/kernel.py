"""One exact pass over all scores: ranks in every pool, without sorting and without a cutoff.

For each query and each of its relevant passages the pass counts, per language, the passages that
rank above. Ranks in any pool of languages are sums of these counts (``ranks.pool_ranks``).

Order: score descending, then position in the collection. Scores are float32 dot products of
L2-normalised embeddings, computed in tiles. A pair's own score is always the number that stands in
the tile, never a second computation of it, since another shape of product may round differently
and turn a tie into a win.

Cost: one matrix product of ``Q x H`` by ``H x D``, plus about one comparison per score, relevant
passage and query. Memory: the embeddings (passages may be memory-mapped, and float16), one tile,
``P x L`` counts and ``Q x K`` kept passages.

Shapes: ``Q`` queries, ``D`` passages, ``H`` width, ``L`` languages, ``P`` pairs, ``K`` kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue

import numpy as np
import torch
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Relevance
from evenrank.errors import DataError
from evenrank.ranking.counting import count_above, keep_top, sort_top
from evenrank.ranking.ranks import Ranking
from evenrank.ranking.shards import ALONE, Shards

QUERY_BLOCK = 128
WHOLE_ROW = 32_768
"""Up to so many passages a tile holds whole rows: every score is in reach at once."""
PASSAGE_BLOCK = 8_192
"""Tiles of larger collections; with ``QUERY_BLOCK`` this is 4 MiB of scores."""
_LANES = 64
"""Passages are padded to a multiple of this, so that no score comes from the ragged edge of a
product, which libraries compute with other instructions: equal embeddings get equal scores."""

Embeddings = NDArray[np.float32] | NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class _Task:
    """What a pass works on, and the counts and heaps that it fills."""

    queries_QH: Embeddings
    passages_DH: Embeddings
    relevance: Relevance
    offsets: NDArray[np.int64]
    own_P: NDArray[np.float32]
    above_PL: NDArray[np.int32]
    top_scores_QK: NDArray[np.float32]
    top_passages_QK: NDArray[np.int64]


def rank(
    query_embeddings: Embeddings,
    passage_embeddings: Embeddings,
    relevance: Relevance,
    offsets: NDArray[np.int64],
    *,
    top_k: int = 100,
    threads: int | None = None,
    shards: Shards = ALONE,
) -> Ranking:
    """Rank every relevant passage of every query in every pool of languages.

    Args:
        query_embeddings: ``(Q, H)`` L2-normalised.
        passage_embeddings: ``(D, H)`` L2-normalised, in the order of the collection; may be a
            memory map.
        relevance: Relevant passages of each query.
        offsets: ``(L + 1,)`` passages of language ``l`` are ``offsets[l]:offsets[l + 1]``.
        top_k: Passages to keep from the top of the pool of all languages.
        threads: Threads of the counting loops; the number of processors if ``None``.
        shards: Processes that share the passages of a large collection; each passes the same
            arguments and reads the embeddings of its share and of relevant passages only.

    Raises:
        DataError: Shapes disagree, or an embedding holds NaN or infinity.

    >>> import numpy as np
    >>> passages = np.array([[1, 0], [0.6, 0.8], [0, 1]], dtype=np.float32)
    >>> relevance = Relevance(np.array([0, 2]), np.array([1, 2]))
    >>> ranking = rank(passages[:1], passages, relevance, np.array([0, 1, 3]), top_k=2)
    >>> ranking.above.tolist(), ranking.top_passages.tolist()
    ([[1, 0], [1, 1]], [[0, 1]])
    """
    _check(query_embeddings, passage_embeddings, relevance, offsets)
    task = _make_task(query_embeddings, passage_embeddings, relevance, offsets, top_k)
    count = threads or os.cpu_count() or 1
    if len(passage_embeddings) <= WHOLE_ROW:
        _rank_whole_rows(task, count)
    else:
        with _Workers(count, PASSAGE_BLOCK) as workers:
            _guess_own_scores(task, workers)
            if len(wrong := _rank_tiles(task, workers, np.arange(len(query_embeddings)), shards)):
                _rank_tiles(task, workers, wrong, shards)
    sort_top(0, len(query_embeddings), task.top_scores_QK, task.top_passages_QK)
    if len(passage_embeddings) > WHOLE_ROW:
        shards.merge_top(task.top_scores_QK, task.top_passages_QK)
    return Ranking(
        above=task.above_PL,
        scores=task.own_P,
        top_passages=task.top_passages_QK,
        top_scores=task.top_scores_QK,
    )


def _make_task(
    queries: Embeddings,
    passages: Embeddings,
    relevance: Relevance,
    offsets: NDArray[np.int64],
    top_k: int,
) -> _Task:
    """Return a task with nothing counted and nothing kept yet."""
    pairs, kept = len(relevance.passages), min(top_k, len(passages))
    return _Task(
        queries,
        passages,
        relevance,
        np.asarray(offsets, dtype=np.int64),
        own_P=np.zeros(pairs, dtype=np.float32),
        above_PL=np.zeros((pairs, len(offsets) - 1), dtype=np.int32),
        top_scores_QK=np.full((len(queries), kept), -np.inf, dtype=np.float32),
        top_passages_QK=np.full((len(queries), kept), -1, dtype=np.int64),
    )


def _check(
    queries: Embeddings, passages: Embeddings, relevance: Relevance, offsets: NDArray[np.int64]
) -> None:
    """Refuse shapes that disagree, and NaN in queries; passages are checked as they are read."""
    expected = {
        "relevance": (len(relevance.indptr), len(queries) + 1),
        "offsets": (int(offsets[-1]), len(passages)),
        "width": (queries.shape[1], passages.shape[1]),
    }
    for name, (found, wanted) in expected.items():
        if found != wanted:
            raise DataError(
                "ranking", f"{name} {found}", f"{wanted}", "Pass embeddings of this benchmark"
            )
    _require_finite("query", _tensor(queries), 0)


def _require_finite(kind: str, block: torch.Tensor, start: int) -> None:
    """Refuse a block of embeddings with a number that is none; ``start`` is its first position."""
    finite = torch.isfinite(block).all(dim=1)
    if not bool(finite.all()):
        raise DataError(
            f"embedding of {kind} {start + int(finite.int().argmin())}",
            "NaN or infinity",
            "finite numbers",
            "Check the model; it cannot be ranked",
        )


class _Workers:
    """Threads that take blocks of queries, each from the product to the counts.

    A product runs on one thread, so that none waits for another within a tile, and the scores do
    not depend on the number of threads.

    Args:
        threads: Number of threads.
        columns: Columns of a tile.
    """

    def __init__(self, threads: int, columns: int) -> None:
        self.threads = threads
        self._before = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
        self._tiles: SimpleQueue[torch.Tensor] = SimpleQueue()
        for _ in range(threads):
            self._tiles.put(torch.empty((QUERY_BLOCK, columns), dtype=torch.float32))

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._before)

    def each_block(
        self, queries: NDArray[np.int64], work: Callable[[NDArray[np.int64], torch.Tensor], None]
    ) -> None:
        """Call ``work(block, tile)`` for each block of some queries; a tile is the call's own."""

        def take(block: NDArray[np.int64]) -> None:
            tile = self._tiles.get()
            try:
                work(block, tile)
            finally:
                self._tiles.put(tile)

        starts = range(0, len(queries), QUERY_BLOCK)
        futures = [self._pool.submit(take, queries[at : at + QUERY_BLOCK]) for at in starts]
        for future in futures:
            future.result()


def _rank_whole_rows(task: _Task, threads: int) -> None:
    """Rank block by block of queries, each tile holding every score of its queries."""
    count = len(task.passages_DH)
    passages = _tensor(_padded(task.passages_DH, -(-count // _LANES) * _LANES))
    _require_finite("passage", passages, 0)

    def work(queries: NDArray[np.int64], tile: torch.Tensor) -> None:
        scores_BT = _score(task.queries_QH[queries], passages, tile)
        pairs = _pairs(task, queries)
        task.own_P[pairs] = scores_BT[_rows_of(task, queries), task.relevance.passages[pairs]]
        _count_tile(task, queries, pairs, scores_BT, 0, count)

    with _Workers(threads, len(passages)) as workers:
        workers.each_block(np.arange(len(task.queries_QH)), work)


def _rank_tiles(
    task: _Task, workers: _Workers, queries: NDArray[np.int64], shards: Shards
) -> NDArray[np.int64]:
    """Rank some queries tile by tile and return those whose own scores were not the tiles'.

    Own scores are known before the pass, from a product of the same shape. Should a library round
    the two differently, the tiles' numbers take their place and the caller ranks these queries
    once more; the second pass meets its own numbers and is exact.
    """
    pairs = _pairs(task, queries)
    task.above_PL[pairs] = 0
    task.top_scores_QK[queries], task.top_passages_QK[queries] = -np.inf, -1
    met = np.zeros_like(task.own_P)  # every pair's passage is in one tile, of one process
    for start in shards.share(range(0, len(task.passages_DH), PASSAGE_BLOCK)):
        block = task.passages_DH[start : start + PASSAGE_BLOCK]
        passages = _tensor(_padded(block, PASSAGE_BLOCK))
        _require_finite("passage", passages, start)
        workers.each_block(queries, partial(_rank_tile, task, passages, start, len(block), met))
    above, true_own = task.above_PL[pairs], met[pairs]
    shards.add_up(above)
    shards.add_up(true_own)
    task.above_PL[pairs] = above
    wrong = pairs[true_own != task.own_P[pairs]]
    task.own_P[pairs] = true_own
    query_of = np.searchsorted(task.relevance.indptr, wrong, side="right") - 1
    return np.unique(query_of)


def _rank_tile(
    task: _Task,
    passages: torch.Tensor,
    start: int,
    columns: int,
    met: NDArray[np.float32],
    queries: NDArray[np.int64],
    tile: torch.Tensor,
) -> None:
    """Rank one block of queries over one block of passages; note the own scores that are met."""
    scores_BT = _score(task.queries_QH[queries], passages, tile)
    pairs = _pairs(task, queries)
    column = task.relevance.passages[pairs] - start
    here = (column >= 0) & (column < columns)
    met[pairs[here]] = scores_BT[_rows_of(task, queries)[here], column[here]]
    _count_tile(task, queries, pairs, scores_BT, start, columns)


def _guess_own_scores(task: _Task, workers: _Workers) -> None:
    """Fill ``own_P`` with products of the same shape as the tiles', over relevant passages only."""

    def work(queries: NDArray[np.int64], tile: torch.Tensor) -> None:
        pairs, rows = _pairs(task, queries), _rows_of(task, queries)
        for first in range(0, len(pairs), PASSAGE_BLOCK):
            some = pairs[first : first + PASSAGE_BLOCK]
            relevant = task.passages_DH[task.relevance.passages[some]]
            passages = _tensor(_padded(relevant, PASSAGE_BLOCK))
            scores_BT = _score(task.queries_QH[queries], passages, tile)
            task.own_P[some] = scores_BT[rows[first : first + len(some)], np.arange(len(some))]

    workers.each_block(np.arange(len(task.queries_QH)), work)


def _score(
    queries_BH: Embeddings, passages_TH: torch.Tensor, tile: torch.Tensor
) -> NDArray[np.float32]:
    """Return the scores of one tile; the tile's buffer is reused by the next call."""
    torch.mm(_tensor(_padded(queries_BH, QUERY_BLOCK)), passages_TH.T, out=tile)
    scores: NDArray[np.float32] = tile.numpy()
    return scores


def _count_tile(
    task: _Task,
    queries: NDArray[np.int64],
    pairs: NDArray[np.int64],
    scores_BT: NDArray[np.float32],
    start: int,
    columns: int,
) -> None:
    """Count and keep over one tile, while its scores are in cache."""
    indptr = np.concatenate([[0], np.cumsum(np.diff(task.relevance.indptr)[queries])])
    bounds = np.clip(task.offsets - start, 0, columns)
    spans = np.column_stack([np.arange(len(bounds) - 1), bounds[:-1], bounds[1:]])
    segments = np.ascontiguousarray(spans[spans[:, 1] < spans[:, 2]])
    passages, own, above = task.relevance.passages[pairs], task.own_P[pairs], task.above_PL[pairs]
    rows = len(queries)
    count_above(scores_BT, 0, rows, start, segments, indptr, passages, own, above)
    task.above_PL[pairs] = above
    if task.top_scores_QK.shape[1]:
        top_scores, top_passages = task.top_scores_QK[queries], task.top_passages_QK[queries]
        keep_top(scores_BT, 0, rows, start, columns, top_scores, top_passages)
        task.top_scores_QK[queries], task.top_passages_QK[queries] = top_scores, top_passages


def _pairs(task: _Task, queries: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers of all pairs of some queries."""
    starts = task.relevance.indptr[queries]
    counts = task.relevance.indptr[queries + 1] - starts
    before = np.repeat(np.cumsum(counts) - counts, counts)
    pairs: NDArray[np.int64] = np.repeat(starts, counts) + np.arange(int(counts.sum())) - before
    return pairs


def _rows_of(task: _Task, queries: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the tile row of each pair of some queries."""
    return np.repeat(np.arange(len(queries)), np.diff(task.relevance.indptr)[queries])


def _padded(block: Embeddings, rows: int) -> Embeddings:
    """Return the block with zero rows added, so that every product has one shape."""
    if len(block) == rows:
        return block
    whole = np.zeros((rows, block.shape[1]), dtype=np.float32)
    whole[: len(block)] = block
    return whole


def _tensor(block: Embeddings) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(block, dtype=np.float32))
