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

The pass itself is done by threads (``threads``, with the compiled loops of ``counting``) or by a
device of PyTorch (``device``).

Shapes: ``Q`` queries, ``D`` passages, ``H`` width, ``L`` languages, ``P`` pairs, ``K`` kept.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Relevance
from evenrank.errors import ConfigError, DataError
from evenrank.processes import ALONE, Team
from evenrank.ranking.counting import LAST_PLACE, decode_keys
from evenrank.ranking.cpu import ThreadWorkers
from evenrank.ranking.gpu import DeviceWorkers, Precision
from evenrank.ranking.ranks import Ranking
from evenrank.ranking.vectors import Embeddings

_PASSES = 3
"""The second one is exact where products can be repeated, and the third is never needed."""


class _State(Protocol):
    """Some queries, and what is counted and kept for them."""

    queries: NDArray[np.int64]
    pairs: NDArray[np.int64]
    own: NDArray[np.float32]

    def restart(self, own: NDArray[np.float32]) -> None: ...

    def counted(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]: ...

    def top(self) -> NDArray[np.int64]: ...


S = TypeVar("S", bound=_State)


class _Workers(Protocol[S]):
    """Whoever does the pass over this process's share of the collection."""

    def start(self, queries_QH: Embeddings, relevance: Relevance, kept: int) -> list[S]: ...

    def count(self, blocks: Sequence[S], description: str) -> None: ...


def rank(
    query_embeddings: Embeddings,
    passage_embeddings: Embeddings,
    relevance: Relevance,
    offsets: NDArray[np.int64],
    *,
    top_k: int = 100,
    threads: int | None = None,
    team: Team = ALONE,
    device: str | None = None,
    precision: Precision = "float32",
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
        team: Processes that share the passages; each passes the same arguments and reads the
            embeddings of its share and of relevant passages only.
        device: Device of PyTorch that ranks, such as ``cuda``; threads do if ``None``.
        precision: What the device rounds embeddings to; their products are summed in float32.
        description: What a progress bar says; no bar without it.

    Raises:
        ConfigError: A precision is given without a device.
        DataError: Shapes disagree, an embedding holds NaN or infinity, or a device does not give
            the same scores twice.

    >>> import numpy as np
    >>> passages = np.array([[1, 0], [0.6, 0.8], [0, 1]], dtype=np.float32)
    >>> relevance = Relevance(np.array([0, 2]), np.array([1, 2]))
    >>> ranking = rank(passages[:1], passages, relevance, np.array([0, 1, 3]), top_k=2)
    >>> ranking.above.tolist(), ranking.top_passages.tolist()
    ([[1, 0], [1, 1]], [[0, 1]])
    """
    _check(query_embeddings, passage_embeddings, relevance, offsets)
    if device is None and precision != "float32":
        raise ConfigError(
            "ranking",
            f"precision {precision} without a device",
            "float32, in which threads rank",
            "Name a device, or leave the precision out",
        )
    languages, kept = len(offsets) - 1, min(top_k, len(passage_embeddings))
    given = (passage_embeddings, offsets, team)
    if device is None:
        with ThreadWorkers(threads or os.cpu_count() or 1, *given) as workers:
            return _run(workers, query_embeddings, relevance, languages, kept, team, description)
    with DeviceWorkers(device, precision, *given) as on_device:
        return _run(on_device, query_embeddings, relevance, languages, kept, team, description)


def _run(
    workers: _Workers[S],
    queries_QH: Embeddings,
    relevance: Relevance,
    languages: int,
    kept: int,
    team: Team,
    description: str,
) -> Ranking:
    """Rank with predicted own scores, and again with the true ones where the pass has met others.

    The second pass takes the same products, so that it meets what the first one has met.
    """
    above_PL = np.zeros((len(relevance.passages), languages), dtype=np.int32)
    own_P = np.zeros(len(relevance.passages), dtype=np.float32)
    blocks = workers.start(queries_QH, relevance, kept)
    wrong: Sequence[S] = blocks
    for _ in range(_PASSES):
        if not wrong:  # in every process alike, as all have the sums of all
            break
        workers.count(wrong, description)
        pairs = np.concatenate([block.pairs for block in wrong])
        above, met = zip(*(block.counted() for block in wrong), strict=True)
        above_PL[pairs] = team.add_up(np.concatenate(above))
        own_P[pairs] = team.add_up(np.concatenate(met))  # one process has met each pair
        wrong = [block for block in wrong if (own_P[block.pairs] != block.own).any()]
        for block in wrong:
            block.restart(own_P[block.pairs])
    if wrong:
        raise DataError(
            "ranking",
            "other scores in each pass over the same embeddings",
            "products that give the same numbers whenever they are taken",
            "Rank with threads, or have the device work deterministically",
        )
    keys_QK = np.empty((len(queries_QH), kept), dtype=np.int64)
    for block in blocks:
        keys_QK[block.queries] = block.top()
    top_scores, top_passages = decode_keys(_best_of(team.gather(keys_QK)))
    return Ranking(above_PL, own_P, top_passages, top_scores)


def _best_of(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the best of the kept passages of all processes, as sorted keys like each one's."""
    if len(parts) == 1:
        return parts[0]
    every = np.sort(np.concatenate(parts, axis=1), axis=1)
    return every[:, ::-1][:, : parts[0].shape[1]]


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
