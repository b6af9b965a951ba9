"""Blocks of queries, each with what a ranking pass counts and keeps for it.

Shapes: ``Q`` queries, ``B`` of them in a block, ``H`` width, ``P`` pairs of a block, ``L``
languages, ``K`` kept passages, ``C`` candidates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Relevance
from evenrank.ranking.counting import NO_KEY, close_top, count_above, keep_top
from evenrank.ranking.vectors import Embeddings, gathered, require_finite

_LANES = 8
"""Queries of a block are padded to a multiple of this: products of one row round in another way."""
_ROOM = 64
"""Candidates, beside twice the kept ones."""


@dataclass(eq=False)
class Block:
    """Some queries, and the state of a pass over the collection for them.

    Threads work on different slabs at the same time; whoever adds to the state holds the lock.

    Attributes:
        queries: ``(B,)`` their positions.
        embeddings: ``(B, H)`` float32, padded with rows of zeros.
        pairs: ``(P,)`` the numbers of their pairs.
        indptr: ``(B + 1,)`` pairs of each query, as places in ``pairs``.
        passages: ``(P,)`` position of each pair's passage.
        own: ``(P,)`` score of each pair, to be known before the pass.
        met: ``(P,)`` the same score as the pass has met it; 0 before.
        above: ``(P, L)`` passages of each language above each pair's passage.
        keys: ``(B, C)`` candidates for the best ``K`` passages.
        fills: ``(B,)`` how many they are.
        floors: ``(B,)`` score that further ones have to reach.
    """

    queries: NDArray[np.int64]
    embeddings: torch.Tensor
    pairs: NDArray[np.int64]
    indptr: NDArray[np.int64]
    passages: NDArray[np.int64]
    own: NDArray[np.float32]
    met: NDArray[np.float32]
    above: NDArray[np.int32]
    keys: NDArray[np.int64]
    fills: NDArray[np.int64]
    floors: NDArray[np.float32]
    kept: int
    lock: Lock = field(default_factory=Lock)

    def restart(self, own: NDArray[np.float32]) -> None:
        """Forget what was counted and kept, and take other scores as the pairs' own."""
        self.own[:], self.met[:], self.above[:] = own, 0, 0
        self.keys[:], self.fills[:], self.floors[:] = NO_KEY, 0, -np.inf

    def scan(
        self,
        scores_NBT: NDArray[np.float32],
        start: int,
        columns: int,
        segments_S4: NDArray[np.int64],
    ) -> None:
        """Count and keep over one slab of scores; arguments as in ``counting``."""
        over = np.nextafter(self.own, np.float32(np.inf))
        with self.lock:
            count_above(
                scores_NBT,
                start,
                segments_S4,
                self.indptr,
                self.passages,
                self.own,
                over,
                self.met,
                self.above,
            )
            if self.kept:
                keep_top(scores_NBT, start, columns, self.kept, self.keys, self.fills, self.floors)

    def counted(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return ``above`` and ``met``."""
        return self.above, self.met

    def top(self) -> NDArray[np.int64]:
        """Return the ``(B, K)`` keys of the kept passages, best first."""
        close_top(self.kept, self.keys, self.fills)
        return np.sort(self.keys[:, : self.kept], axis=1)[:, ::-1]


def group_queries(relevance: Relevance, size: int) -> list[NDArray[np.int64]]:
    """Return the positions of all queries in groups of some size; a passage is relevant in few.

    Translations of one question have the same relevant passages, so the own scores of a block need
    few passages when they stand together.
    """
    counts = np.diff(relevance.indptr)
    first = np.full(len(counts), -1, dtype=np.int64)
    first[counts > 0] = relevance.passages[relevance.indptr[:-1][counts > 0]]
    order = np.argsort(first, kind="stable")
    return [order[at : at + size] for at in range(0, len(order), size)]


def pairs_of(
    relevance: Relevance, queries: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of the pairs of some queries, and where each query's begin among them.

    >>> relevance = Relevance(np.array([0, 2, 3]), np.array([5, 6, 7]))
    >>> [values.tolist() for values in pairs_of(relevance, np.array([1, 0]))]
    [[2, 0, 1], [0, 1, 3]]
    """
    counts = relevance.indptr[queries + 1] - relevance.indptr[queries]
    indptr = np.concatenate([[0], np.cumsum(counts)])
    starts = np.repeat(relevance.indptr[queries] - indptr[:-1], counts)
    return starts + np.arange(indptr[-1]), indptr


def make_block(
    queries_QH: Embeddings,
    queries: NDArray[np.int64],
    relevance: Relevance,
    languages: int,
    kept: int,
) -> Block:
    """Return a block of some queries, with nothing counted; their own scores are to be filled in.

    Args:
        queries_QH: All queries.
        queries: ``(B,)`` positions of those of the block.
        relevance: Relevant passages of all queries.
        languages: ``L``.
        kept: ``K``.

    Raises:
        DataError: An embedding holds NaN or infinity.
    """
    pairs, indptr = pairs_of(relevance, queries)
    embeddings = gathered(queries_QH, queries, -(-len(queries) // _LANES) * _LANES)
    require_finite("query", embeddings, queries)
    block = Block(
        queries=queries,
        embeddings=embeddings,
        pairs=pairs,
        indptr=indptr,
        passages=relevance.passages[pairs],
        own=np.empty(len(pairs), dtype=np.float32),
        met=np.empty(len(pairs), dtype=np.float32),
        above=np.empty((len(pairs), languages), dtype=np.int32),
        keys=np.empty((len(queries), 2 * kept + _ROOM), dtype=np.int64),
        fills=np.empty(len(queries), dtype=np.int64),
        floors=np.empty(len(queries), dtype=np.float32),
        kept=kept,
    )
    block.restart(block.own)
    return block
