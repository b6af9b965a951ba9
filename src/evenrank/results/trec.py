"""TREC files: the top of each ranking as a run, the relevant passages as qrels.

A run line is ``query Q0 passage rank score tag``, a qrels line ``query 0 passage 1``. trec_eval
ignores the rank: it sorts by score as a 32-bit float, and equal scores by passage id, descending.
So that it sees our order, a score that is not below the one before it is written as the next
smaller 32-bit float.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark
from evenrank.benchmarks.export import check_trec_ids, constant, write_qrels, write_rows
from evenrank.errors import ConfigError
from evenrank.ranking.ranks import Ranking


def write_trec(folder: Path, benchmark: Benchmark, ranking: Ranking, tag: str) -> None:
    """Write ``run.trec`` and ``qrels.trec`` into a folder."""
    write_run(folder / "run.trec", benchmark, ranking, tag)
    write_qrels(folder / "qrels.trec", benchmark)


def write_run(path: Path, benchmark: Benchmark, ranking: Ranking, tag: str) -> None:
    """Write the best passages of the multilingual pool as a TREC run.

    Args:
        path: The file.
        benchmark: The benchmark that was ranked.
        ranking: The pass over it.
        tag: Name of the system; characters that a tag cannot contain become ``-``.

    Raises:
        DataError: A TREC file cannot contain an id.
        ConfigError: The ranking kept no top passages.
    """
    check_trec_ids(benchmark)
    if ranking.top_passages.shape[1] == 0:
        raise ConfigError("run file", "a ranking with top_k 0", "at least 1", "Raise top_k")
    queries, places = np.nonzero(ranking.top_passages >= 0)
    passages = ranking.top_passages[queries, places]
    scores = strictly_falling(ranking.top_scores)[queries, places]
    name = re.sub(r"[^\w.+-]+", "-", tag) or "evenrank"
    write_rows(
        path,
        {
            "query": benchmark.queries.ids.take(pa.array(queries)),
            "q0": constant("Q0", len(queries)),
            "passage": benchmark.passages.ids.take(pa.array(passages)),
            "rank": pa.array(places + 1),
            "score": pa.array(scores),
            "tag": constant(name, len(queries)),
        },
    )


def strictly_falling(scores_QK: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lower each score that is not below the one before it to the next smaller 32-bit float.

    Args:
        scores_QK: ``(Q, K)`` scores that never rise along a row.

    >>> strictly_falling(np.array([[0.5, 0.5, 0.25]], dtype=np.float32))
    array([[0.5 , 0.49999997, 0.25 ]], dtype=float32)
    """
    falling = scores_QK.copy()
    for k in range(1, falling.shape[1]):
        below = np.nextafter(falling[:, k - 1], np.float32(-np.inf))
        falling[:, k] = np.minimum(falling[:, k], below)
    return falling
