"""The ranking pass on the CPU: each thread takes tiles of passages with blocks of queries.

A *block* is some queries. A *tile* is some consecutive passages, in panels of equal width; each
panel is one matrix product with a block.

Shapes: ``Q`` queries, ``D`` passages, ``H`` width, ``L`` languages, ``B`` queries of a block, ``P``
pairs of a block, ``N`` panels of a tile, ``T`` passages of a panel, ``K`` kept passages, ``C``
candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import pairwise
from queue import SimpleQueue
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Relevance
from evenrank.processes import Team
from evenrank.progress import bar
from evenrank.ranking.counting import NO_KEY, close_top, count_above, keep_top
from evenrank.ranking.inputs import (
    Embeddings,
    gathered,
    group_queries,
    pairs_of,
    panels_of,
    require_finite,
)

QUERY_BLOCK = 256
PANEL = 512
"""Passages of one product. It is fastest where queries, passages and scores fit into the cache."""
PANELS = 4
"""Panels of a tile; its scores for one block are 2 MiB."""
_QUERY_LANES = 8
"""Blocks are padded to a multiple of this: a product of one row rounds differently."""
_PASSAGE_LANES = 64
"""Predictions are padded to a multiple of this: BLAS uses other instructions for the remainder."""
_SPARE_CANDIDATES = 64
"""Candidates in addition to twice the kept passages."""
_UNITS_PER_THREAD = 16


@dataclass(eq=False)
class Block:
    """Some queries, and the state of a pass over the passages for them.

    Several threads may work on one block at the same time; the lock protects its state.

    Attributes:
        queries: ``(B,)`` positions of the queries.
        embeddings: ``(B, H)`` float32, padded with rows of zeros.
        pairs: ``(P,)`` pair numbers.
        indptr: ``(B + 1,)`` pairs of each query, as indices of ``pairs``.
        places: ``(P, 3)`` position of each pair's passage; begin and end of its language.
        own: ``(P,)`` score of each pair, known before the pass.
        met: ``(P,)`` the same score as the pass computes it; 0 before.
        above: ``(P, 2)`` passages above each pair's passage: in its language, in all languages.
        keys: ``(B, C)`` candidates for the best ``K`` passages.
        fills: ``(B,)`` number of candidates.
        floors: ``(B,)`` minimum score of further candidates.
        kept: ``K``.
    """

    queries: NDArray[np.int64]
    embeddings: torch.Tensor
    pairs: NDArray[np.int64]
    indptr: NDArray[np.int64]
    places: NDArray[np.int64]
    own: NDArray[np.float32]
    met: NDArray[np.float32]
    above: NDArray[np.int64]
    keys: NDArray[np.int64]
    fills: NDArray[np.int64]
    floors: NDArray[np.float32]
    kept: int
    lock: Lock = field(default_factory=Lock)

    def restart(self, own: NDArray[np.float32]) -> None:
        """Clear what was counted and kept, and set the scores of the pairs."""
        self.own[:], self.met[:], self.above[:] = own, 0, 0
        self.keys[:], self.fills[:], self.floors[:] = NO_KEY, 0, -np.inf

    def scan(self, scores_NBT: NDArray[np.float32], start: int, columns: int) -> None:
        """Count and keep over one tile of scores; arguments as in ``counting``."""
        bars = np.stack([self.own, np.nextafter(self.own, np.float32(np.inf))], axis=1)
        pairs = (self.indptr, self.places, bars, self.met, self.above)
        with self.lock:
            count_above(scores_NBT, start, columns, *pairs)
            if self.kept:
                keep_top(scores_NBT, start, columns, self.kept, self.keys, self.fills, self.floors)

    def counted(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return ``above`` and ``met``."""
        return self.above, self.met

    def top(self) -> NDArray[np.int64]:
        """Return the ``(B, K)`` keys of the kept passages, best first."""
        close_top(self.kept, self.keys, self.fills)
        return np.sort(self.keys[:, : self.kept], axis=1)[:, ::-1]


@dataclass(frozen=True, eq=False)
class _Buffers:
    """Memory of one thread: converted passages, and the scores of one tile."""

    passages_NTH: torch.Tensor
    scores: torch.Tensor

    def scores_for(self, panels: int, queries: int) -> torch.Tensor:
        """Return a contiguous part of the score buffer, ``(panels, queries, PANEL)``."""
        return self.scores[: panels * queries * PANEL].view(panels, queries, PANEL)


class ThreadBackend:
    """Ranks with threads that each take a tile of passages with some blocks of queries.

    Each product runs on one thread, so scores do not depend on the number of threads.

    Args:
        threads: Number of threads.
        passages_DH: Embeddings of all passages.
        offsets: ``(L + 1,)`` where the languages begin.
        team: Processes that share the passages.
    """

    def __init__(
        self, threads: int, passages_DH: Embeddings, offsets: NDArray[np.int64], team: Team
    ) -> None:
        self._threads, self._passages_DH = threads, passages_DH
        self._offsets = np.asarray(offsets, dtype=np.int64)
        panels = team.stretch(range(0, len(passages_DH), PANEL))
        self._tiles = [
            range(panels[at], min(panels[at : at + PANELS][-1] + PANEL, len(passages_DH)))
            for at in range(0, len(panels), PANELS)
        ]
        count = min(PANELS, len(panels))
        self._buffers: SimpleQueue[_Buffers] = SimpleQueue()
        for _ in range(threads):
            passages = torch.empty((count, PANEL, passages_DH.shape[1]))
            self._buffers.put(_Buffers(passages, torch.empty(count * QUERY_BLOCK * PANEL)))
        self._torch_threads = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))

    def __enter__(self) -> ThreadBackend:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._torch_threads)

    def start(self, queries_QH: Embeddings, relevance: Relevance, kept: int) -> list[Block]:
        """Return all queries in blocks with predicted scores of their pairs."""

        def work(queries: NDArray[np.int64]) -> Block:
            block = self._block(queries_QH, queries, relevance, kept)
            self._predict(block)
            return block

        return list(self._pool.map(work, group_queries(relevance, QUERY_BLOCK)))

    def count(self, blocks: Sequence[Block], description: str) -> None:
        """Count and keep for some blocks over this process's share of the passages."""
        wanted = _UNITS_PER_THREAD * self._threads
        groups = min(len(blocks), -(-wanted // max(1, len(self._tiles))))
        bounds = [len(blocks) * number // groups for number in range(groups + 1)]
        units = [
            (tile, blocks[first:last]) for tile in self._tiles for first, last in pairwise(bounds)
        ]
        share = sum(map(len, self._tiles))
        with bar(description, share, "passages") if description else nullcontext() as progress:
            futures = [self._pool.submit(self._scan, *unit) for unit in units]
            for (tile, some), done in zip(units, futures, strict=True):
                done.result()
                if progress:
                    progress.advance(len(tile) * len(some) / len(blocks))

    def _block(
        self, queries_QH: Embeddings, queries: NDArray[np.int64], relevance: Relevance, kept: int
    ) -> Block:
        """Return a block with nothing counted; the scores of its pairs are not set."""
        pairs, indptr = pairs_of(relevance, queries)
        rows = -(-len(queries) // _QUERY_LANES) * _QUERY_LANES
        embeddings = gathered(queries_QH, queries, rows)
        require_finite("query", embeddings, queries)
        passages = relevance.passages[pairs]
        langs = np.searchsorted(self._offsets, passages, side="right")
        block = Block(
            queries=queries,
            embeddings=embeddings,
            pairs=pairs,
            indptr=indptr,
            places=np.stack([passages, self._offsets[langs - 1], self._offsets[langs]], axis=1),
            own=np.zeros(len(pairs), dtype=np.float32),
            met=np.empty(len(pairs), dtype=np.float32),
            above=np.empty((len(pairs), 2), dtype=np.int64),
            keys=np.empty((len(queries), 2 * kept + _SPARE_CANDIDATES), dtype=np.int64),
            fills=np.empty(len(queries), dtype=np.int64),
            floors=np.empty(len(queries), dtype=np.float32),
            kept=kept,
        )
        block.restart(block.own)
        return block

    def _predict(self, block: Block) -> None:
        """Set the scores of a block's pairs from products with relevant passages only."""
        passages, where = np.unique(block.places[:, 0], return_inverse=True)
        rows = np.repeat(np.arange(len(block.queries)), np.diff(block.indptr))
        for first in range(0, len(passages), PANEL):
            some = passages[first : first + PANEL]
            panel = gathered(
                self._passages_DH, some, -(-len(some) // _PASSAGE_LANES) * _PASSAGE_LANES
            )
            scores_BT = torch.mm(block.embeddings, panel.T).numpy()
            here = (where >= first) & (where < first + PANEL)
            block.own[here] = scores_BT[rows[here], where[here] - first]

    def _scan(self, tile: range, blocks: Sequence[Block]) -> None:
        """Rank some blocks over one tile."""
        buffers = self._buffers.get()
        try:
            embeddings = self._passages_DH[tile.start : tile.stop]
            panels = panels_of(embeddings, tile.start, buffers.passages_NTH)
            for block in blocks:
                scores_NBT = buffers.scores_for(len(panels), len(block.embeddings))
                for panel, scores_BT in zip(panels, scores_NBT, strict=True):
                    torch.mm(block.embeddings, panel.T, out=scores_BT)
                block.scan(scores_NBT.numpy(), tile.start, len(tile))
        finally:
            self._buffers.put(buffers)
