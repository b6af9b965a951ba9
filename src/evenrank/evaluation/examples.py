"""A few queries with their best passages, for people to read.

The choice depends on the benchmark alone, so that the examples of two models can be compared.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark
from evenrank.ranking.ranks import Ranking, multilingual_pool
from evenrank.results.schema import Example, ExampleAnswer

BLOCKS = 2
LANGUAGES = 3
"""The examples are two blocks of parallel queries, each in three languages."""
ANSWERS = 5
CHARACTERS = 500


def choose_examples(benchmark: Benchmark) -> list[int]:
    """Choose two blocks of parallel queries that exist in most languages, each in three of them.

    The blocks are at one and two thirds of the benchmark. Their languages are spread evenly, those
    of the second block between those of the first. Each query has a relevant passage.

    Returns:
        Positions of up to six queries.
    """
    usable = np.flatnonzero(np.diff(benchmark.relevance.indptr) > 0)
    blocks, languages = np.unique(benchmark.parallel[usable], return_counts=True)
    widest = blocks[languages == languages.max(initial=0)]
    count = min(BLOCKS, len(widest))
    chosen: list[int] = []
    for turn in range(count):
        block = widest[(turn + 1) * len(widest) // (count + 1)]
        parallel = usable[benchmark.parallel[usable] == block]
        parallel = parallel[np.argsort(benchmark.queries.langs[parallel], kind="stable")]
        steps = np.arange(LANGUAGES) + turn / count
        chosen += parallel[np.unique((steps * len(parallel) / LANGUAGES).astype(int))].tolist()
    return chosen


def build_examples(benchmark: Benchmark, ranking: Ranking) -> list[Example]:
    """Return the chosen queries with their best passages and the ranks of relevant ones."""
    pool = multilingual_pool(benchmark, ranking)
    held = pool.best_by_lang <= (np.inf if ranking.retrieved is None else ranking.depth)
    return [
        _example(benchmark, ranking, query, np.where(held[query], pool.best_by_lang[query], np.inf))
        for query in choose_examples(benchmark)
    ]


def _example(
    benchmark: Benchmark, ranking: Ranking, query: int, ranks_L: NDArray[np.float64]
) -> Example:
    queries, passages = benchmark.queries, benchmark.passages
    start, end = benchmark.relevance.indptr[query : query + 2]
    relevant = set(benchmark.relevance.passages[start:end].tolist())
    best = ranking.top_passages[query, :ANSWERS].tolist()
    answers = [
        ExampleAnswer(
            rank=place + 1,
            lang=benchmark.languages[passages.langs[passage]],
            text=shorten(passages.texts[passage].as_py()),
            score=float(ranking.top_scores[query, place]),
            relevant=passage in relevant,
        )
        for place, passage in enumerate(best)
        if passage >= 0
    ]
    found = np.flatnonzero(np.isfinite(ranks_L)).tolist()
    return Example(
        query_id=queries.ids[query].as_py(),
        lang=benchmark.languages[queries.langs[query]],
        text=shorten(queries.texts[query].as_py()),
        answers=answers,
        relevant_ranks={benchmark.languages[lang]: int(ranks_L[lang]) for lang in found},
    )


def shorten(text: str) -> str:
    """Return the text, or its first 500 characters of which the last is an ellipsis.

    >>> len(shorten("a" * 501)), shorten("short")
    (500, 'short')
    """
    return text if len(text) <= CHARACTERS else text[: CHARACTERS - 1] + "…"
