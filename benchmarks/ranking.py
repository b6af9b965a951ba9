"""Exact ranking against the bare matrix product, and against InformationRetrievalEvaluator.

    python benchmarks/ranking.py [--widths 256 768 1024] [--repeats 5]

Random embeddings in the sizes of XQuAD-R: 13,090 queries, 13,014 passages, 11 languages, one
relevant passage per language. One call of ``rank`` serves 121 pairs of languages and 11 pools;
``score`` takes every ranking and bias measure of them. The product is the same one, in blocks of
the same shape with the same threads, writing its scores and nothing else. Times are medians of
alternating repeats. The peer gets ready embeddings too; one pool and one pair are timed, for the
queries in one language, and scaled up to all 132 evaluations.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark, Card, Relevance, TextSet
from evenrank.evaluation.score import score
from evenrank.evaluation.selection import DEFAULT_MEASURES
from evenrank.ranking.kernel import QUERY_BLOCK, rank
from evenrank.ranking.ranks import Ranking

PASSAGES = (1222, 1276, 1234, 1180, 1215, 1244, 1219, 852, 1167, 1209, 1196)
QUESTIONS = 1190
LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")


def made_benchmark(generator: np.random.Generator) -> Benchmark:
    """Return a benchmark of the sizes of XQuAD-R without texts."""
    offsets = np.concatenate([[0], np.cumsum(PASSAGES)])
    relevant = np.stack(
        [generator.integers(offsets[lang], offsets[lang + 1], QUESTIONS) for lang in range(11)], 1
    )
    queries = QUESTIONS * len(LANGUAGES)
    return Benchmark(
        name="made",
        card=Card("made", "", "", ""),
        languages=LANGUAGES,
        queries=texts("q", np.repeat(np.arange(11), QUESTIONS)),
        parallel=np.tile(np.arange(QUESTIONS, dtype=np.int32), 11),
        collection=texts("p", np.repeat(np.arange(11), PASSAGES)),
        relevance=Relevance(np.arange(0, queries * 11 + 1, 11), np.tile(relevant, (11, 1)).ravel()),
    )


def texts(letter: str, langs: NDArray[np.int64]) -> TextSet:
    ids = pa.chunked_array([pa.array([f"{letter}{number}" for number in range(len(langs))])])
    return TextSet(ids, ids, langs.astype(np.int16))


def unit_vectors(generator: np.random.Generator, count: int, width: int) -> NDArray[np.float32]:
    vectors = generator.standard_normal((count, width), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def products(queries: NDArray[np.float32], passages: NDArray[np.float32]) -> None:
    """Write all scores, block by block, as ``rank`` does for a collection of this size."""
    right = torch.from_numpy(passages).T
    tile = torch.empty((QUERY_BLOCK, len(passages)))
    for begin in range(0, len(queries) - QUERY_BLOCK + 1, QUERY_BLOCK):
        torch.mm(torch.from_numpy(queries[begin : begin + QUERY_BLOCK]), right, out=tile)
    if rest := len(queries) % QUERY_BLOCK:
        torch.mm(torch.from_numpy(queries[-rest:]), right, out=tile[:rest])


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peer(data: Benchmark, queries: NDArray[np.float32], passages: NDArray[np.float32]) -> float:
    """Return the seconds of InformationRetrievalEvaluator for 11 pools and 121 pairs.

    One pool and one pair are timed, both for the queries in one language, and scaled up.
    """
    asked = np.flatnonzero(data.queries.langs == 0)
    one_language = np.flatnonzero(data.collection.langs == 0)
    pool = peer_once(data, queries, passages, asked, np.arange(len(passages)))
    pair = peer_once(data, queries, passages, asked, one_language)
    return 11 * pool + 121 * pair


def peer_once(
    data: Benchmark,
    queries: NDArray[np.float32],
    passages: NDArray[np.float32],
    asked: NDArray[np.int64],
    pool: NDArray[np.int64],
) -> float:
    """Return the seconds of one evaluation with average precision at full depth."""
    from sentence_transformers.sentence_transformer.evaluation import (
        InformationRetrievalEvaluator,
    )
    from sentence_transformers.util import cos_sim

    class Evaluator(InformationRetrievalEvaluator):  # type: ignore[misc]
        def embed_inputs(self, *_: object, **__: object) -> torch.Tensor:
            return torch.from_numpy(queries[asked])

    relevant = data.relevance.passages.reshape(-1, len(LANGUAGES))
    inside = set(pool.tolist())
    evaluator = Evaluator(
        queries={f"q{query}": "q" for query in asked},
        corpus={f"p{passage}": "p" for passage in pool},
        relevant_docs={
            f"q{query}": {f"p{passage}" for passage in relevant[query] if passage in inside}
            for query in asked
        },
        map_at_k=[len(pool)],
        score_functions={"cosine": cos_sim},
        write_csv=False,
    )
    given = torch.from_numpy(passages[pool])
    return seconds(lambda: evaluator.compute_all_metrics(None, corpus_embeddings=given))


def measure(data: Benchmark, width: int, top_k: int, repeats: int) -> str:
    """Return the row of one width."""
    generator = np.random.default_rng(width)
    queries = unit_vectors(generator, len(data.queries), width)
    passages = unit_vectors(generator, len(data.collection), width)

    def ranked() -> Ranking:
        return rank(queries, passages, data.relevance, data.offsets, top_k=top_k)

    ranking = ranked()  # the first call compiles
    times = [
        (seconds(lambda: products(queries, passages)), seconds(ranked)) for _ in range(repeats)
    ]
    product, own = (median(column) for column in zip(*times, strict=True))
    ratio = median(one[1] / one[0] for one in times)
    scored = median(seconds(lambda: score(data, ranking, DEFAULT_MEASURES)) for _ in range(3))
    theirs = peer(data, queries, passages)
    return (
        f"{width:5}  {product:9.3f}  {own:7.3f}  {ratio:12.2f}  {scored:7.3f}  {theirs:6.0f}"
        f"  {theirs / (own + scored):19.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[256, 768, 1024])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--top-k", type=int, default=10)
    options = parser.parse_args()
    data = made_benchmark(np.random.default_rng(0))
    print(f"{torch.get_num_threads()} threads, top {options.top_k}, medians of {options.repeats}\n")
    print("width  product s   rank s  rank/product  score s  peer s  peer/(rank + score)")
    for width in options.widths:
        print(measure(data, width, options.top_k, options.repeats))


if __name__ == "__main__":
    main()
