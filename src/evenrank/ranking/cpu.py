"""The ranking pass on the processors: threads that take slabs of passages with blocks of queries.

Shapes: ``Q`` queries, ``D`` passages, ``H`` width, ``L`` languages, ``P`` pairs, ``N`` panels of a
slab, ``B`` queries of a block, ``T`` passages of a panel.
"""

from __future__ import annotations

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
from evenrank.processes import Team
from evenrank.progress import bar
from evenrank.ranking.blocks import Block, group_queries, make_block
from evenrank.ranking.vectors import Embeddings, gathered, panels_of

QUERY_BLOCK = 256
PANEL = 512
"""Passages of one product: it is fastest where queries, passages and scores fit into a core's
cache."""
PANELS = 4
"""Panels of a slab, after which a block of queries is counted: its scores are 2 MiB."""
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


class ThreadWorkers:
    """Threads that take slabs of passages with blocks of queries, from the product to the counts.

    A product runs on one thread, so that none waits for another within a product, and the scores
    do not depend on the number of threads.

    Args:
        threads: Number of threads.
        passages_DH: Embeddings of the whole collection.
        offsets: ``(L + 1,)`` where its languages begin.
        team: Processes that share it.
    """

    def __init__(
        self,
        threads: int,
        passages_DH: Embeddings,
        offsets: NDArray[np.int64],
        team: Team,
    ) -> None:
        self._threads, self._passages_DH = threads, passages_DH
        self._offsets = np.asarray(offsets, dtype=np.int64)
        panels = team.stretch(range(0, len(passages_DH), PANEL))
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

    def __enter__(self) -> ThreadWorkers:
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

        return list(self._pool.map(work, group_queries(relevance, QUERY_BLOCK)))

    def count(self, blocks: Sequence[Block], description: str) -> None:
        """Count and keep for some blocks over this process's share of the passages."""
        wanted = _UNITS_PER_THREAD * self._threads
        groups = min(len(blocks), -(-wanted // max(1, len(self._slabs))))
        bounds = [len(blocks) * number // groups for number in range(groups + 1)]
        units = [
            (slab, blocks[first:last]) for slab in self._slabs for first, last in pairwise(bounds)
        ]
        share = sum(map(len, self._slabs))
        with bar(description, share, "passages") if description else nullcontext() as progress:
            futures = [self._pool.submit(self._scan, *unit) for unit in units]
            for (slab, some), done in zip(units, futures, strict=True):
                done.result()
                if progress:
                    progress.advance(len(slab) * len(some) / len(blocks))

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
            segments = segments_of(self._offsets, slab)
            for block in blocks:
                scores_NBT = desk.scores_for(len(panels), len(block.embeddings))
                for panel, scores_BT in zip(panels, scores_NBT, strict=True):
                    torch.mm(block.embeddings, panel.T, out=scores_BT)
                block.scan(scores_NBT.numpy(), slab.start, len(slab), segments)
        finally:
            self._desks.put(desk)


def segments_of(offsets: NDArray[np.int64], slab: range) -> NDArray[np.int64]:
    """Return ``(S, 4)`` language, panel, first column, column to stop before.

    >>> segments_of(np.array([0, 500, 600]), range(0, 600)).tolist()
    [[0, 0, 0, 500], [1, 0, 500, 512], [1, 1, 0, 88]]
    """
    found = []
    for panel, start in enumerate(range(slab.start, slab.stop, PANEL)):
        bounds = np.clip(offsets - start, 0, min(PANEL, slab.stop - start))
        for language in np.flatnonzero(np.diff(bounds)).tolist():
            found.append((language, panel, bounds[language], bounds[language + 1]))
    return np.array(found, dtype=np.int64)
