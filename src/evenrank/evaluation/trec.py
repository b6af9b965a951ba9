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
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from evenrank.benchmarks.benchmark import Benchmark, TextSet
from evenrank.errors import ConfigError, DataError
from evenrank.files import whole_file
from evenrank.ranking.ranks import Ranking


def check_trec_ids(benchmark: Benchmark) -> None:
    """Refuse ids that TREC files cannot hold, which separate fields by white space.

    Raises:
        DataError: An id is empty or holds white space or a quotation mark.
    """
    sets: dict[str, TextSet] = {"query": benchmark.queries, "passage": benchmark.collection}
    for kind, texts in sets.items():
        bad = pc.match_substring_regex(texts.ids, r'[\s\p{Z}"]|^$')
        if pc.any(bad).as_py():
            at = pc.index(bad, pa.scalar(True)).as_py()
            raise DataError(
                f"benchmark {benchmark.name!r}",
                f"{kind} id {texts.ids[at].as_py()!r}",
                "ids without white space or quotation marks, as TREC files need",
                "Change the id, or leave out the run file",
            )


def write_trec(folder: Path, benchmark: Benchmark, ranking: Ranking, tag: str) -> None:
    """Write ``run.trec`` and ``qrels.trec`` into a folder; see the functions below."""
    write_run(folder / "run.trec", benchmark, ranking, tag)
    write_qrels(folder / "qrels.trec", benchmark)


def write_run(path: Path, benchmark: Benchmark, ranking: Ranking, tag: str) -> None:
    """Write the best passages of the pool of all languages as a TREC run.

    Args:
        path: The file.
        benchmark: The benchmark that was ranked.
        ranking: The pass over it.
        tag: Name of the system; characters that a tag cannot hold become ``-``.

    Raises:
        DataError: An id cannot stand in a TREC file.
        ConfigError: The ranking kept no top passages.
    """
    check_trec_ids(benchmark)
    if ranking.top_passages.shape[1] == 0:
        raise ConfigError("run file", "a ranking with top_k 0", "at least 1", "Raise top_k")
    queries, places = np.nonzero(ranking.top_passages >= 0)
    passages = ranking.top_passages[queries, places]
    scores = strictly_falling(ranking.top_scores)[queries, places]
    name = re.sub(r"[^\w.+-]+", "-", tag) or "evenrank"
    _write_rows(
        path,
        {
            "query": benchmark.queries.ids.take(pa.array(queries)),
            "q0": _constant("Q0", len(queries)),
            "passage": benchmark.collection.ids.take(pa.array(passages)),
            "rank": pa.array(places + 1),
            "score": pa.array(scores),
            "tag": _constant(name, len(queries)),
        },
    )


def write_qrels(path: Path, benchmark: Benchmark) -> None:
    """Write the relevant passages of the pool of all languages as TREC qrels.

    Raises:
        DataError: An id cannot stand in a TREC file.
    """
    check_trec_ids(benchmark)
    relevance = benchmark.relevance
    queries = np.repeat(np.arange(len(benchmark.queries)), np.diff(relevance.indptr))
    _write_rows(
        path,
        {
            "query": benchmark.queries.ids.take(pa.array(queries)),
            "iteration": _constant("0", len(queries)),
            "passage": benchmark.collection.ids.take(pa.array(relevance.passages)),
            "relevance": _constant("1", len(queries)),
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


def _constant(value: str, length: int) -> pa.Array:
    return pa.array([value]).take(pa.array(np.zeros(length, dtype=np.int8)))


def _write_rows(path: Path, columns: dict[str, pa.Array]) -> None:
    options = csv.WriteOptions(include_header=False, delimiter=" ", quoting_style="none")
    with whole_file(path) as part:
        csv.write_csv(pa.table(columns), part, options)
