"""What half precision does to ranks and ties, on a real model and benchmark.

    python perf/precision.py runs/hybrid/model --benchmark xquad-r

Embeddings rounded to float16 or bfloat16, with products summed up in float32 and scores kept in
float32, as a device ranks them; then scores rounded as well, as a product that returns its inputs'
type would give them. Against ranks in float32: how many of the full-depth ranks differ, by how
many places, and how many passages share the score of a relevant one, which the order of the
benchmark then decides.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark, load_benchmark
from evenrank.encoding.loading import load_encoder
from evenrank.evaluation.encode import embed
from evenrank.evaluation.score import score
from evenrank.ranking.ranks import Ranking

QUERIES = 256


def ranking_of(
    data: Benchmark, queries: torch.Tensor, passages: torch.Tensor, scores_in: torch.dtype
) -> tuple[Ranking, NDArray[np.int64]]:
    """Rank by plain comparison of all scores, and count what ties with each relevant passage."""
    indptr, relevant = data.relevance.indptr, torch.from_numpy(data.relevance.passages)
    above = np.zeros((2, len(relevant)), dtype=np.int64)
    langs = data.passages.langs
    ties = np.zeros(len(relevant), dtype=np.int64)
    own_scores = np.zeros(len(relevant), dtype=np.float32)
    top = np.zeros((len(queries), 10), dtype=np.int64)
    places = torch.arange(len(passages))
    for first in range(0, len(queries), QUERIES):
        last = min(first + QUERIES, len(queries))
        scores_BD = (queries[first:last] @ passages.T).to(scores_in).float()
        top[first:last] = (
            torch.sort(scores_BD, dim=1, descending=True, stable=True).indices[:, :10].numpy()
        )
        for query in range(first, last):
            pairs = slice(int(indptr[query]), int(indptr[query + 1]))
            row = scores_BD[query - first]
            own = row[relevant[pairs], None]
            equal = row == own
            ranked = (row > own) | (equal & (places < relevant[pairs, None]))
            same = torch.from_numpy(langs[data.relevance.passages[pairs], None] == langs)
            above[:, pairs] = (ranked & same).sum(1).numpy(), ranked.sum(1).numpy()
            ties[pairs] = equal.sum(1).numpy() - 1
            own_scores[pairs] = own[:, 0].numpy()
    return Ranking(*above, own_scores, top, np.zeros(top.shape, dtype=np.float32)), ties


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--benchmark", default="xquad-r")
    options = parser.parse_args()
    data = load_benchmark(options.benchmark)
    found = embed(load_encoder(options.model), data)
    queries, passages = (
        torch.from_numpy(np.array(rows)) for rows in (found.queries, found.passages)
    )
    cases = [
        ("float32", torch.float32, torch.float32),
        ("float16", torch.float16, torch.float32),
        ("bfloat16", torch.bfloat16, torch.float32),
        ("float16", torch.float16, torch.float16),
        ("bfloat16", torch.bfloat16, torch.bfloat16),
    ]
    print(
        "embeddings  scores    ranks that differ  places, mean  most  ties of a relevant one",
        end="",
    )
    print("  AP mono/cross/multi")
    exact = None
    for name, rounded_to, scores_in in cases:
        rounded = (rows.to(rounded_to).float() for rows in (queries, passages))
        ranking, ties = ranking_of(data, *rounded, scores_in)
        ranks = ranking.above
        exact = ranks if exact is None else exact
        moved = np.abs(ranks - exact)
        settings = score(data, ranking, ["AP"]).settings
        figures = " / ".join(f"{settings[setting]['AP']:.5f}" for setting in settings)
        print(
            f"{name:10}  {str(scores_in).split('.')[1]:8} {(moved > 0).mean():18.1%}"
            f" {moved.mean():13.2f} {moved.max():5} {ties.mean():23.2f}  {figures}",
            flush=True,
        )


if __name__ == "__main__":
    main()
