"""The cost of an evaluation follows the texts, not the square of the number of languages."""

from __future__ import annotations

import time
from itertools import product

import numpy as np
import pyarrow.parquet as pq
import pytest

from evenrank.benchmarks.benchmark import Card, Passage, Query, build_benchmark
from evenrank.evaluation.score import score
from evenrank.ranking.rank import rank
from evenrank.results.frames import ranks_table

LANGUAGES = ["".join(letters) for letters in product("abcdef", repeat=3)][:203]
ITEMS = 3


def many():
    queries = [Query(f"{lang}/{n}", str(n), lang, "q") for lang in LANGUAGES for n in range(ITEMS)]
    passages = [Passage(f"{lang}/{n}", lang, "p") for lang in LANGUAGES for n in range(ITEMS)]
    qrels = [(query.id, f"{lang}/{query.parallel_id}") for query in queries for lang in LANGUAGES]
    return build_benchmark("many", Card("many", "", "", ""), queries, passages, qrels)


@pytest.mark.slow
def test_two_hundred_languages_take_seconds(tmp_path):
    """With three items in each of 203 languages this took 77 seconds, and 100 MB of ranks."""
    benchmark = many()
    rng = np.random.default_rng(0)
    queries, passages = rng.standard_normal((2, len(benchmark.queries), 8)).astype(np.float32)
    start = time.process_time()
    ranking = rank(queries, passages, benchmark.relevance, benchmark.offsets, top_k=10)
    scores = score(benchmark, ranking)
    for name, table in {
        "pools": scores.per_query,
        "ranks": ranks_table(benchmark, ranking),
    }.items():
        pq.write_table(table, tmp_path / name)
    spent = time.process_time() - start
    assert len(scores.pairs["AP"]) == len(scores.pairs["AP"]["aaa"]) == len(LANGUAGES)
    assert scores.per_query.num_rows == len(benchmark.queries) * (len(LANGUAGES) + 1)
    assert (tmp_path / "ranks").stat().st_size < 4_000_000
    assert spent < 20
