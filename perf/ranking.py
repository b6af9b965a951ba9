"""Exact ranking against the bare matrix product, and against InformationRetrievalEvaluator.

    python perf/ranking.py [--widths 256 768 1024] [--repeats 7] [--top-k 10]

Random embeddings in the sizes of XQuAD-R (``synthetic.py``). One call of ``rank`` ranks 121
language pairs and the multilingual pool; ``score`` computes every default measure for them.

``product`` is the same matrix product in the same panels, tiles and threads, which only writes the
scores; ``plain`` are eleven products of 1,190 x 13,014, each written as a whole matrix, as
PyTorch does them with all threads. Times are medians of alternating repeats. The peer gets ready
embeddings too; one pool and one pair are timed, for the queries in one language, and scaled up to
all 132 evaluations.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark
from evenrank.evaluation.score import score
from evenrank.measures.selection import DEFAULT_MEASURES
from evenrank.ranking.rank import rank
from evenrank.ranking.ranks import Ranking
from synthetic import (
    LANGUAGES,
    QUESTIONS,
    processors,
    products,
    seconds,
    synthetic_benchmark,
    vectors_of,
)

Rows = NDArray[np.float32]


def plain_products(queries: Rows, passages: Rows) -> None:
    for at in range(0, len(queries), QUESTIONS):
        torch.mm(torch.from_numpy(queries[at : at + QUESTIONS]), torch.from_numpy(passages).T)


def peer(data: Benchmark, queries: NDArray[np.float32], passages: NDArray[np.float32]) -> float:
    """Return the seconds of InformationRetrievalEvaluator for 11 pools and 121 pairs.

    One pool and one pair are timed, both for the queries in one language, and scaled up.
    """
    chosen = np.flatnonzero(data.queries.langs == 0)
    one_language = np.flatnonzero(data.passages.langs == 0)
    pool = peer_once(data, queries, passages, chosen, np.arange(len(passages)))
    pair = peer_once(data, queries, passages, chosen, one_language)
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


@dataclass(frozen=True)
class Times:
    """Seconds, medians; ``ratio`` is the median of rank / product, repeat by repeat."""

    product: float
    plain: float
    rank: float
    score: float
    ratio: float


def times_of(data: Benchmark, queries: Rows, passages: Rows, top_k: int, repeats: int) -> Times:
    def ranked() -> Ranking:
        return rank(queries, passages, data.relevance, data.offsets, top_k=top_k)

    ranking = ranked()  # the first call compiles
    rows = [
        (
            seconds(lambda: products(queries, passages)),
            seconds(lambda: plain_products(queries, passages)),
            seconds(ranked),
            seconds(lambda: score(data, ranking, DEFAULT_MEASURES)),
        )
        for _ in range(repeats)
    ]
    return Times(*map(median, zip(*rows, strict=True)), median(row[2] / row[0] for row in rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[256, 768, 1024])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--top-k", type=int, default=10)
    options = parser.parse_args()
    data = synthetic_benchmark(np.random.default_rng(0))
    print(f"{processors()} threads, top {options.top_k}, medians of {options.repeats}; seconds\n")
    print("width  product  GFLOP/s  plain   rank  rank/product  score  (rank+score)/product   peer")
    for width in options.widths:
        queries, passages = vectors_of(data, width)
        times = times_of(data, queries, passages, options.top_k, options.repeats)
        whole = times.rank + times.score
        theirs = peer(data, queries, passages)
        rate = 2 * len(queries) * len(passages) * width / times.product / 1e9
        print(
            f"{width:5} {times.product:8.3f} {rate:8.0f} {times.plain:6.3f} {times.rank:6.3f}"
            f" {times.ratio:13.2f} {times.score:6.3f} {whole / times.product:21.2f} {theirs:6.0f}"
        )
        print(
            f"      peer / (rank + score) {theirs / whole:.0f};"
            f" peer / product alone {theirs / times.product:.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
