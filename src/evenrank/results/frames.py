"""The tables of a result folder: per query and pool, the top of each ranking, all ranks.

Shapes: ``Q`` queries, ``L`` languages, ``P`` pairs of a query and one of its relevant passages,
``K`` passages kept from the top.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark
from evenrank.measures.base import Values
from evenrank.ranking.cells import LanguageCells
from evenrank.ranking.ranks import PoolRanks, Ranking
from evenrank.results.schema import MULTI, single_column


@dataclass(frozen=True, eq=False)
class PoolValues:
    """Values of per-query measures in one pool.

    Attributes:
        pool: The pool.
        lang: Its language as a number; ``None`` for the multilingual pool.
        values: Measure to ``(Q,)`` values, NaN where a query is not scored.
    """

    pool: PoolRanks
    lang: int | None
    values: dict[str, Values]


def per_query_table(
    benchmark: Benchmark,
    scored: Sequence[PoolValues],
    cells: LanguageCells,
    single: Mapping[str, Values],
) -> pa.Table:
    """Return the table of ``per_query.parquet``: one row per query and pool.

    Args:
        benchmark: The benchmark.
        scored: The pools; a measure that a pool has no values for is null in its rows.
        cells: The cells of the setting ``single``.
        single: Measure to the value of each cell.
    """
    queries, languages = benchmark.queries, pa.array([*benchmark.languages])
    query_langs = languages.take(pa.array(queries.langs))
    nothing = np.full(len(queries), np.nan)
    parts = []
    for one in scored:
        pool = MULTI if one.lang is None else benchmark.languages[one.lang]
        columns = {
            "query_id": queries.ids.combine_chunks(),
            "query_lang": query_langs,
            "parallel": benchmark.parallel.astype(np.int32),
            "pool": pa.array([pool]).take(pa.array(np.zeros(len(queries), np.int8))),
            "relevant": one.pool.relevant.astype(np.int32),
        }
        for name in dict.fromkeys(name for pool in scored for name in pool.values):
            columns[name] = pa.array(one.values.get(name, nothing), pa.float64(), from_pandas=True)
        parts.append(pa.table(columns))
    table = pa.concat_tables(parts)
    part_of = {one.lang: number for number, one in enumerate(scored)}
    numbers_L = np.array([part_of.get(lang, -1) for lang in range(len(benchmark.languages))])
    rows_C = numbers_L[cells.langs] * len(queries) + cells.queries
    for name, values_C in single.items():
        column = np.full(len(table), np.nan)
        column[rows_C] = values_C
        table = table.append_column(single_column(name), pa.array(column, from_pandas=True))
    return table


def top_table(benchmark: Benchmark, ranking: Ranking) -> pa.Table:
    """Return the table of ``top.parquet``: the best passages of the multilingual pool."""
    queries, ranks = np.nonzero(ranking.top_passages >= 0)
    passages = ranking.top_passages[queries, ranks]
    return pa.table(
        {
            "query_id": _take(benchmark.queries.ids, queries),
            "rank": (ranks + 1).astype(np.int32),
            "passage_id": _take(benchmark.passages.ids, passages),
            "lang": _langs(benchmark, benchmark.passages.langs[passages]),
            "score": ranking.top_scores[queries, ranks],
        }
    )


def ranks_table(benchmark: Benchmark, ranking: Ranking) -> pa.Table:
    """Return the table of ``ranks.parquet``: one row per query and relevant passage.

    ``rank`` is the rank in the multilingual pool and ``rank_in_language`` the rank in the pool of
    the passage's language; the ranks and the score of passages that a run misses are null.
    """
    relevance = benchmark.relevance
    queries, passages = relevance.query_of, relevance.passages
    missing = None if ranking.retrieved is None else ~ranking.retrieved
    return pa.table(
        {
            "query_id": _take(benchmark.queries.ids, queries),
            "query_lang": _langs(benchmark, benchmark.queries.langs[queries]),
            "passage_id": _take(benchmark.passages.ids, passages),
            "lang": _langs(benchmark, benchmark.passages.langs[passages]),
            "score": pa.array(ranking.scores, mask=missing),
            "rank": pa.array(1 + ranking.above, mask=missing),
            "rank_in_language": pa.array(1 + ranking.above_in_language, mask=missing),
        }
    )


def _take(values: pa.ChunkedArray, positions: NDArray[np.int64]) -> pa.ChunkedArray:
    return values.take(pa.array(positions))


def _langs(benchmark: Benchmark, langs: NDArray[np.int16]) -> pa.Array:
    return pa.array([*benchmark.languages]).take(pa.array(langs))
