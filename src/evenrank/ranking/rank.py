"""One exact pass over all scores: ranks in every pool, without sorting and without a cutoff.

For each query and each of its relevant passages (a *pair*), the pass counts the passages that rank
above: in the passage's own language, and in all languages. These counts are the ranks in the pool
of one language and in the multilingual pool (``ranks.py``).

Order: score descending, then position in the collection of passages. Scores are float32 dot
products of L2-normalised embeddings, computed in panels of one shape. Another shape of product may
round differently and turn a tie into a win, so a pair's score is always the number in its panel. It
has to be known before the pass: it is predicted from products with the relevant passages alone. The
pass compares each prediction with the panel, and ranks again with the true numbers if they differ.

Cost: one matrix product of ``Q x H`` by ``H x D``, and about one comparison per score, relevant
passage and query; it does not depend on the number of languages. Memory: the embeddings (passages
may be memory-mapped, and float16), one tile of scores and of converted passages per thread, ``P``
counts and ``Q x 2K`` candidates.

A backend does the pass: threads (``cpu.py``, with the compiled loops of ``counting.py``) or a
device of PyTorch (``gpu.py``).

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
from evenrank.ranking.cpu import ThreadBackend
from evenrank.ranking.gpu import DeviceBackend, Precision
from evenrank.ranking.inputs import Embeddings
from evenrank.ranking.ranks import Ranking

_PASSES = 3
"""The second pass is exact if products can be repeated; the third is never needed."""


class _Block(Protocol):
    """Some queries, and what is counted and kept for them."""

    queries: NDArray[np.int64]
    pairs: NDArray[np.int64]
    own: NDArray[np.float32]

    def restart(self, own: NDArray[np.float32]) -> None: ...

    def counted(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...

    def top(self) -> NDArray[np.int64]: ...


S = TypeVar("S", bound=_Block)


class _Backend(Protocol[S]):
    """What ranks this process's share of the passages."""

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
    """Rank every relevant passage of every query in the pool of its language and in all languages.

    Args:
        query_embeddings: ``(Q, H)`` L2-normalised.
        passage_embeddings: ``(D, H)`` L2-normalised, ordered by language; may be a memory map.
        relevance: Relevant passages of each query.
        offsets: ``(L + 1,)`` passages of language ``l`` are ``offsets[l]:offsets[l + 1]``.
        top_k: Best passages of the multilingual pool to keep for each query.
        threads: Number of threads, each with its own products; the number of CPUs if ``None``.
        team: Processes that share the passages. Each passes the same arguments, and reads the
            embeddings of its share and of relevant passages only.
        device: Device of PyTorch that ranks, such as ``cuda``; threads if ``None``.
        precision: Type that the device rounds embeddings to; products are summed in float32.
        description: Text of the progress bar; no bar if empty.

    Raises:
        ConfigError: A precision is given without a device.
        DataError: Shapes do not match, an embedding contains NaN or infinity, or the scores of a
            device cannot be repeated.

    >>> import numpy as np
    >>> passages = np.array([[1, 0], [0.6, 0.8], [0, 1]], dtype=np.float32)
    >>> relevance = Relevance(np.array([0, 2]), np.array([1, 2]))
    >>> ranking = rank(passages[:1], passages, relevance, np.array([0, 1, 3]), top_k=2)
    >>> ranking.above.tolist(), ranking.top_passages.tolist()
    ([1, 2], [[0, 1]])
    """
    _check(query_embeddings, passage_embeddings, relevance, offsets)
    if device is None and precision != "float32":
        raise ConfigError(
            "ranking",
            f"precision {precision} without a device",
            "float32, the precision of threads",
            "Name a device, or leave the precision out",
        )
    passages = (passage_embeddings, offsets, team)
    work = (query_embeddings, relevance, min(top_k, len(passage_embeddings)), team, description)
    if device is None:
        with ThreadBackend(threads or os.cpu_count() or 1, *passages) as threaded:
            return _run(threaded, *work)
    return _run(DeviceBackend(device, precision, *passages), *work)


def _run(
    backend: _Backend[S],
    queries_QH: Embeddings,
    relevance: Relevance,
    kept: int,
    team: Team,
    description: str,
) -> Ranking:
    """Rank with predicted scores of pairs, and again where the pass has computed other scores.

    The second pass repeats the same products, so it computes the same scores as the first.
    """
    above_P2 = np.zeros((len(relevance.passages), 2), dtype=np.int64)
    own_P = np.zeros(len(relevance.passages), dtype=np.float32)
    blocks = backend.start(queries_QH, relevance, kept)
    wrong: Sequence[S] = blocks
    for _ in range(_PASSES):
        if not wrong:  # the same in every process, since each has the sums of all
            break
        backend.count(wrong, description)
        pairs = np.concatenate([block.pairs for block in wrong])
        above, met = zip(*(block.counted() for block in wrong), strict=True)
        above_P2[pairs] = team.add_up(np.concatenate(above))
        own_P[pairs] = team.add_up(np.concatenate(met))  # each pair is met by one process
        wrong = [block for block in wrong if (own_P[block.pairs] != block.own).any()]
        for block in wrong:
            block.restart(own_P[block.pairs])
    if wrong:
        raise DataError(
            "ranking",
            "other scores in each pass over the same embeddings",
            "products that can be repeated exactly",
            "Rank with threads, or use the deterministic mode of the device",
        )
    keys_QK = np.empty((len(queries_QH), kept), dtype=np.int64)
    for block in blocks:
        keys_QK[block.queries] = block.top()
    top_scores, top_passages = decode_keys(_best_of(team.gather(keys_QK)))
    return Ranking(above_P2[:, 0], above_P2[:, 1], own_P, top_passages, top_scores)


def _best_of(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the best of the kept passages of all processes, as sorted keys."""
    if len(parts) == 1:
        return parts[0]
    every = np.sort(np.concatenate(parts, axis=1), axis=1)
    return every[:, ::-1][:, : parts[0].shape[1]]


def _check(
    queries: Embeddings, passages: Embeddings, relevance: Relevance, offsets: NDArray[np.int64]
) -> None:
    """Refuse shapes that do not match; the numbers are checked when they are read."""
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
