"""One exact pass over all scores: ranks in every pool, without sorting and without a cutoff.

For each query and each of its relevant passages the pass counts, per language, the passages that
rank above. Ranks in any pool of languages are sums of these counts (``ranks.pool_ranks``).

Order: score descending, then position in the collection. Scores are float32 dot products of
L2-normalised embeddings, computed in panels of one shape. A pair's own score is always the number
that stands in its panel, never another computation of it, since another shape of product may round
differently and turn a tie into a win. It has to be known before the pass, so it is predicted by
products with the relevant passages alone. The pass compares the prediction with what it meets, and
ranks again with the true numbers where they differ.

Cost: one matrix product of ``Q x H`` by ``H x D``, plus about one comparison per score, relevant
passage and query. Memory: the embeddings (passages may be memory-mapped, and float16), a slab of
scores and one of converted passages per thread, ``P x L`` counts and ``Q x 2K`` candidates.

Shapes: ``Q`` queries, ``D`` passages, ``H`` width, ``L`` languages, ``P`` pairs, ``K`` kept, ``N``
panels of a slab, ``B`` queries of a block, ``T`` passages of a panel.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from queue import SimpleQueue

import numpy as np
import torch
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Relevance
from evenrank.errors import DataError
from evenrank.progress import bar
from evenrank.ranking.blocks import QUERY_BLOCK, Block, group_queries, make_block
from evenrank.ranking.counting import LAST_PLACE, decode_keys
from evenrank.ranking.ranks import Ranking
from evenrank.ranking.shards import ALONE, Shards
from evenrank.ranking.vectors import Embeddings, gathered, panels_of

PANEL = 1_024
"""Passages of one product; with ``QUERY_BLOCK`` queries its scores stay in a core's cache."""
PANELS = 16
"""Panels of a slab, after which a block of queries is counted."""
_LANES = 64
"""Predictions are padded to a multiple of this: other widths have a ragged edge, which libraries
compute with other instructions."""
_UNITS_PER_THREAD = 16


@dataclass(frozen=True, eq=False)
class _Desk:
    """What one thread works with: room for converted passages, and for the scores of a slab."""

    passages_NTH: torch.Tensor
    scores: torch.Tensor

    def scores_for(self, panels: int, queries: int) -> torch.Tensor:
        """Return room for the scores of so many panels and queries, without gaps."""
        return self.scores[: panels * queries * PANEL].view(panels, queries, PANEL)


def rank(
    query_embeddings: Embeddings,
    passage_embeddings: Embeddings,
    relevance: Relevance,
    offsets: NDArray[np.int64],
    *,
    top_k: int = 100,
    threads: int | None = None,
    shards: Shards = ALONE,
    description: str = "",
) -> Ranking:
    """Rank every relevant passage of every query in every pool of languages.

    Args:
        query_embeddings: ``(Q, H)`` L2-normalised.
        passage_embeddings: ``(D, H)`` L2-normalised, in the order of the collection; may be a
            memory map.
        relevance: Relevant passages of each query.
        offsets: ``(L + 1,)`` passages of language ``l`` are ``offsets[l]:offsets[l + 1]``.
        top_k: Passages to keep from the top of the pool of all languages.
        threads: Threads, each with products of its own; the number of processors if ``None``.
        shards: Processes that share the passages; each passes the same arguments and reads the
            embeddings of its share and of relevant passages only.
        description: What a progress bar says; no bar without it.

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
    pairs, languages = len(relevance.passages), len(offsets) - 1
    kept = min(top_k, len(passage_embeddings))
    above_PL = np.zeros((pairs, languages), dtype=np.int32)
    own_P = np.zeros(pairs, dtype=np.float32)
    with _Workers(threads or os.cpu_count() or 1, passage_embeddings, offsets, shards) as workers:
        blocks = workers.start(query_embeddings, relevance, kept)
        workers.count(blocks, above_PL, own_P, description)
        wrong = [block for block in blocks if (own_P[block.pairs] != block.own).any()]
        for block in wrong:
            block.restart(own_P[block.pairs])
        if shards.any(len(wrong) > 0):
            workers.count(wrong, above_PL, own_P, description)
    keys_QK = np.empty((len(query_embeddings), kept), dtype=np.int64)
    for block in blocks:
        keys_QK[block.queries] = block.top()
    top_scores, top_passages = decode_keys(shards.merge_top(keys_QK))
    return Ranking(above_PL, own_P, top_passages, top_scores)


def _check(
    queries: Embeddings, passages: Embeddings, relevance: Relevance, offsets: NDArray[np.int64]
) -> None:
    """Refuse shapes that disagree; numbers are checked as they are read."""
    expected = {
        "relevance": (len(relevance.indptr), len(queries) + 1),
        "offsets": (int(offsets[-1]), len(passages)),
        "width": (queries.shape[1], passages.shape[1]),
        "passages": (len(passages), min(len(passages), LAST_PLACE)),
    }
    for name, (found, wanted) in expected.items():
        if found != wanted:
            raise DataError(
                "ranking", f"{name} {found}", f"{wanted}", "Pass embeddings of this benchmark"
            )


class _Workers:
    """Threads that take slabs of passages with blocks of queries, from the product to the counts.

    A product runs on one thread, so that none waits for another within a product, and the scores
    do not depend on the number of threads.

    Args:
        threads: Number of threads.
        passages_DH: Embeddings of the whole collection.
        offsets: ``(L + 1,)`` where its languages begin.
        shards: Processes that share it.
    """

    def __init__(
        self,
        threads: int,
        passages_DH: Embeddings,
        offsets: NDArray[np.int64],
        shards: Shards,
    ) -> None:
        self._threads, self._passages_DH, self._shards = threads, passages_DH, shards
        self._offsets = np.asarray(offsets, dtype=np.int64)
        panels = shards.share(range(0, len(passages_DH), PANEL))
        self._slabs = [
            range(panels[at], min(panels[at : at + PANELS][-1] + PANEL, len(passages_DH)))
            for at in range(0, len(panels), PANELS)
        ]
        most = min(PANELS, len(panels))
        self._desks: SimpleQueue[_Desk] = SimpleQueue()
        for _ in range(threads):
            room = torch.empty((most, PANEL, passages_DH.shape[1]))
            self._desks.put(_Desk(room, torch.empty(most * QUERY_BLOCK * PANEL)))
        self._before = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._before)

    def start(self, queries_QH: Embeddings, relevance: Relevance, kept: int) -> list[Block]:
        """Return all queries in blocks, which know their own scores."""

        def work(queries: NDArray[np.int64]) -> Block:
            block = make_block(queries_QH, queries, relevance, len(self._offsets) - 1, kept)
            self._predict(block)
            return block

        return list(self._pool.map(work, group_queries(relevance)))

    def count(
        self,
        blocks: Sequence[Block],
        above_PL: NDArray[np.int32],
        own_P: NDArray[np.float32],
        description: str,
    ) -> None:
        """Rank some blocks; set the counts and the own scores that are met, of all processes."""
        wanted = _UNITS_PER_THREAD * self._threads
        groups = min(len(blocks), -(-wanted // max(1, len(self._slabs))))
        bounds = [len(blocks) * number // groups for number in range(groups + 1)]
        units = [
            (slab, blocks[first:last]) for slab in self._slabs for first, last in pairwise(bounds)
        ]
        with bar(description, len(units)) if description else nullcontext() as progress:
            for done in [self._pool.submit(self._scan, *unit) for unit in units]:
                done.result()
                if progress:
                    progress.advance()
        pairs = np.concatenate([block.pairs for block in blocks])
        above = np.concatenate([block.above for block in blocks])
        met = np.concatenate([block.met for block in blocks])
        self._shards.add_up(above)
        self._shards.add_up(met)  # every pair's passage is in one panel, of one process
        above_PL[pairs], own_P[pairs] = above, met

    def _predict(self, block: Block) -> None:
        """Set the own scores of a block, from products with relevant passages only."""
        passages, where = np.unique(block.passages, return_inverse=True)
        rows = np.repeat(np.arange(len(block.queries)), np.diff(block.indptr))
        for first in range(0, len(passages), PANEL):
            some = passages[first : first + PANEL]
            panel = gathered(self._passages_DH, some, -(-len(some) // _LANES) * _LANES)
            scores_BT = torch.mm(block.embeddings, panel.T).numpy()
            here = (where >= first) & (where < first + PANEL)
            block.own[here] = scores_BT[rows[here], where[here] - first]

    def _scan(self, slab: range, blocks: Sequence[Block]) -> None:
        """Rank some blocks over one slab."""
        desk = self._desks.get()
        try:
            embeddings = self._passages_DH[slab.start : slab.stop]
            panels = panels_of(embeddings, slab.start, desk.passages_NTH)
            segments = _segments(self._offsets, slab)
            for block in blocks:
                scores_NBT = desk.scores_for(len(panels), len(block.embeddings))
                for panel, scores_BT in zip(panels, scores_NBT, strict=True):
                    torch.mm(block.embeddings, panel.T, out=scores_BT)
                block.scan(scores_NBT.numpy(), slab.start, len(slab), segments)
        finally:
            self._desks.put(desk)


def _segments(offsets: NDArray[np.int64], slab: range) -> NDArray[np.int64]:
    """Return ``(S, 4)`` language, panel, first column, column to stop before.

    >>> _segments(np.array([0, 1000, 1100]), range(0, 1100)).tolist()
    [[0, 0, 0, 1000], [1, 0, 1000, 1024], [1, 1, 0, 76]]
    """
    found = []
    for panel, start in enumerate(range(slab.start, slab.stop, PANEL)):
        bounds = np.clip(offsets - start, 0, min(PANEL, slab.stop - start))
        for language in np.flatnonzero(np.diff(bounds)).tolist():
            found.append((language, panel, bounds[language], bounds[language + 1]))
    return np.array(found, dtype=np.int64)
