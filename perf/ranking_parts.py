"""Where the time of exact ranking goes, how near the processor's limits that is, and how it grows.

    python perf/ranking_parts.py [--width 256] [--top-k 10]

Random embeddings in the sizes of XQuAD-R (``synthetic.py``). Parts: one block of queries is ranked
on one thread, and the time is multiplied by the number of blocks. ``limit`` is the fastest product
of several shapes. Growth: the whole of ``rank``, all threads, with half the queries,
passages, width.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark, Relevance
from evenrank.processes import ALONE
from evenrank.ranking.counting import count_above, keep_top
from evenrank.ranking.cpu import PANEL, PANELS, QUERY_BLOCK, Block, ThreadBackend
from evenrank.ranking.rank import rank
from synthetic import seconds, synthetic_benchmark, unit_vectors, vectors_of

SHAPES = ((128, 512), (128, 1024), (256, 512), (256, 1024), (512, 512), (512, 1024))


def best(work: Callable[[], object], repeats: int = 9) -> float:
    """Return the minimum of several repeats, since other work may use the machine."""
    work()
    return min(seconds(work) for _ in range(repeats))


def fastest_product(width: int) -> float:
    """Return FLOP/s of the fastest shape."""
    generator, rates = np.random.default_rng(0), []
    for queries, passages in SHAPES:
        left = torch.from_numpy(unit_vectors(generator, queries, width))
        right = torch.from_numpy(unit_vectors(generator, passages, width)).T
        out = torch.empty((queries, passages))
        spent = best(lambda: torch.mm(left, right, out=out), 50)  # noqa: B023 - called at once
        rates.append(2 * queries * passages * width / spent)
    return max(rates)


def show_parts(data: Benchmark, width: int, top_k: int) -> None:
    """Time the parts of ranking one block, and scale them up to all queries."""
    queries, passages = vectors_of(data, width)
    backend = ThreadBackend(1, passages, data.offsets, ALONE)
    blocks = backend.start(queries, data.relevance, top_k)
    block = blocks[len(blocks) // 2]
    scale = len(queries) / len(block.queries)
    runs = [times_of(block, passages, top_k) for _ in range(15)]
    parts = {name: scale * min(run[name] for run in runs) for name in runs[0]}
    parts["blocks, pair scores"] = best(lambda: backend.start(queries, data.relevance, top_k), 5)
    for name, spent in parts.items():
        print(f"  {name:20} {spent:7.3f} s  {spent / parts['product']:6.1%} of the product")
    print(
        f"  {'sum':20} {sum(parts.values()):7.3f} s  {sum(parts.values()) / parts['product']:6.2f}"
    )
    rate = 2 * len(queries) * len(passages) * width / parts["product"]
    limit = fastest_product(width)
    print(f"  product: {rate / 1e9:.0f} GFLOP/s, {rate / limit:.0%} of the limit {limit / 1e9:.0f}")
    compared = len(data.relevance.passages) * len(passages) / parts["counts"] / 1e9
    moved = 4 * len(queries) * len(passages) / 1e9
    tile = np.zeros((PANELS, QUERY_BLOCK, PANEL), dtype=np.float32)
    reading = tile.nbytes / best(lambda: tile.max()) / 1e9
    print(
        f"  counts: {compared:.1f} comparisons a nanosecond; {moved:.2f} GB of scores are read"
        f" once, at {moved / parts['counts']:.1f} GB/s (reading alone: {reading:.1f} GB/s)"
    )


def times_of(block: Block, passages: NDArray[np.float32], top_k: int) -> dict[str, float]:
    """Return the seconds of each part, tile by tile as in a pass."""
    block.restart(block.own)
    bars = np.stack([block.own, np.nextafter(block.own, np.float32(np.inf))], axis=1)
    pairs = (block.indptr, block.places, bars, block.met, block.above)
    spent = {"product": 0.0, "counts": 0.0, "top": 0.0}
    buffer = torch.empty((PANELS, QUERY_BLOCK, PANEL))
    for start in range(0, len(passages), PANELS * PANEL):
        tile = range(start, min(start + PANELS * PANEL, len(passages)))
        panels = torch.zeros((-(-len(tile) // PANEL) * PANEL, passages.shape[1]))
        panels[: len(tile)] = torch.from_numpy(passages[tile.start : tile.stop])
        scores = buffer[: len(panels) // PANEL]
        found = scores.numpy()
        times = [time.perf_counter()]
        for panel, out in zip(panels.split(PANEL), scores, strict=True):
            torch.mm(block.embeddings, panel.T, out=out)
        times.append(time.perf_counter())
        count_above(found, start, len(tile), *pairs)
        times.append(time.perf_counter())
        keep_top(found, start, len(tile), top_k, block.keys, block.fills, block.floors)
        times.append(time.perf_counter())
        for name, before, after in zip(spent, times, times[1:], strict=False):
            spent[name] += after - before
    return spent


def show_growth(data: Benchmark, width: int, top_k: int) -> None:
    queries, passages = vectors_of(data, width)
    relevant = data.relevance.passages.reshape(len(queries), -1)
    half_q, half_d = len(queries) // 2, len(passages) // 2
    fewer = Relevance(data.relevance.indptr[: half_q + 1], relevant[:half_q].ravel())
    folded = replace(data.relevance, passages=np.sort(relevant // 2, axis=1).ravel())
    half_width = [np.ascontiguousarray(rows[:, : width // 2]) for rows in (queries, passages)]
    cases = {
        "all": (queries, passages, data.relevance, data.offsets),
        "half the queries": (queries[:half_q], passages, fewer, data.offsets),
        "half the passages": (queries, passages[:half_d], folded, data.offsets // 2),
        "half the width": (*half_width, data.relevance, data.offsets),
    }
    whole = 0.0
    for name, case in cases.items():
        spent = best(lambda: rank(*case, top_k=top_k), 5)  # noqa: B023 - called at once
        whole = whole or spent
        print(f"  {name:20} {spent:7.3f} s  {spent / whole:5.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--top-k", type=int, default=10)
    options = parser.parse_args()
    data = synthetic_benchmark(np.random.default_rng(0))
    print(f"width {options.width}, top {options.top_k}; growth, all threads:")
    show_growth(data, options.width, options.top_k)
    torch.set_num_threads(1)
    print("parts, one thread:")
    show_parts(data, options.width, options.top_k)


if __name__ == "__main__":
    main()
