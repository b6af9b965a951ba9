"""The loss in the query's own language, expected from queries without labels.

Canaries are too easy for it: a correction that costs real queries their answers costs canaries
nothing. So real queries are used. Which passage answers a query is not known, but it is one of the
best passages in the query's own language: the one in place ``r`` with a probability that falls as
``1 / r ** 2``. A correction loses it if it leaves the top 10 of the multilingual pool.

The expected loss is 1.3 to 5 times the loss that labels show (docs/experiments.md), so a limit of
the one holds for the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark, Relevance, TextSet
from evenrank.evaluation.encode import Embeddings
from evenrank.ranking.ranks import Ranking
from evenrank.tuning.figures import FOUND, Name, Values
from evenrank.tuning.planted import Measured

UNLABELLED = "queries without labels"
OWN: Name = (FOUND, "own")
_PLACES = 10
_QUERIES = 200
"""Queries of each language, at most."""

ValuesOf = Callable[[Benchmark, Ranking], dict[str, Values]]


def unlabelled(measured: Measured, seed: int) -> tuple[Measured, ValuesOf]:
    """Return queries whose answers may be any of the best passages in their language.

    Shapes: ``P`` pairs of a query and one of its 10 best passages.

    Args:
        measured: The benchmark; its relevance is not used.
        seed: Seed of the sample of its queries.

    Returns:
        The queries with all passages of the benchmark, and a function that returns the expected
        R@10 in the query's own language from a ranking.
    """
    benchmark, embeddings = measured
    some = _sample(benchmark, seed)
    langs = benchmark.queries.langs[some]
    queries = np.asarray(embeddings.queries[some], dtype=np.float32)
    best, weights = _best(benchmark, queries, langs, embeddings)
    texts, at = benchmark.queries, pa.array(some)
    chosen = replace(
        benchmark,
        name=f"{len(some):,} {UNLABELLED} of {benchmark.name}",
        queries=TextSet(texts.ids.take(at), texts.texts.take(at), langs),
        parallel=benchmark.parallel[some],
        relevance=best,
    )

    def expected(benchmark: Benchmark, ranking: Ranking) -> dict[str, Values]:
        count = len(benchmark.languages)
        values = np.full((len(langs), 2 * count + 1), np.nan)
        found = weights * (ranking.above < _PLACES)
        values[np.arange(len(langs)), count + 1 + langs] = np.bincount(
            best.query_of, found, minlength=len(langs)
        )
        return {FOUND: values}

    return Measured(chosen, Embeddings(queries=queries, passages=embeddings.passages)), expected


def _sample(benchmark: Benchmark, seed: int) -> NDArray[np.int64]:
    """Return some queries of each language that has passages."""
    random = np.random.Generator(np.random.Philox(key=np.array([seed, 4], np.uint64)))
    langs = benchmark.queries.langs
    groups = (np.flatnonzero(langs == lang) for lang in np.unique(benchmark.passages.langs))
    return np.sort(np.concatenate([random.permutation(group)[:_QUERIES] for group in groups]))


def _best(
    benchmark: Benchmark,
    queries: NDArray[np.float32],
    langs: NDArray[np.int16],
    embeddings: Embeddings,
) -> tuple[Relevance, NDArray[np.float64]]:
    """Return the best passages of each query in its language, and ``(P,)`` their probabilities."""
    pairs: list[NDArray[np.int64]] = []
    weights: list[NDArray[np.float64]] = []
    for lang in np.unique(langs).tolist():
        begin, end = benchmark.offsets[lang : lang + 2].tolist()
        at = np.flatnonzero(langs == lang)
        scores = queries[at] @ np.asarray(embeddings.passages[begin:end], dtype=np.float32).T
        top = np.argsort(-scores, axis=1, kind="stable")[:, :_PLACES]
        falling = 1 / np.arange(1, top.shape[1] + 1) ** 2
        order = np.argsort(top, axis=1)  # pairs have ascending passages within a query
        numbers = np.repeat(at, top.shape[1]), np.take_along_axis(top, order, axis=1).ravel()
        pairs.append(np.stack([numbers[0], begin + numbers[1]], axis=1))
        weights.append((falling / falling.sum())[order].ravel())
    both, shares = np.concatenate(pairs), np.concatenate(weights)
    by_query = np.argsort(both[:, 0], kind="stable")
    relevance = Relevance.of_pairs(both[by_query, 0], both[by_query, 1], len(queries))
    return relevance, shares[by_query]
