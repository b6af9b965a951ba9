"""Exact ranking on a device, such as a GPU, against the device's own matrix product.

    python perf/device_ranking.py [--device cuda] [--passages 10000000] [--queries 10000]

A synthetic float16 store, just written to disk, so that its pages are in memory; three relevant
passages per query, 18 languages. The rate is 2 x queries x passages x width over the
seconds of the whole of ``rank``; the device's own rate is measured in the same run, with square
products of the same type in its memory. ``--device cpu`` is for a trial with
small sizes: it says nothing about a GPU.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch

from evenrank.benchmarks.benchmark import Relevance
from evenrank.ranking.rank import rank
from large_pool import make_store, unit_rows
from synthetic import seconds

LANGUAGES = 18


def product_rate(device: str, dtype: torch.dtype, size: int) -> float:
    """Return the device's FLOP/s in square products, the best of some."""
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))

    def multiply() -> None:
        torch.mm(left, right).sum().item()  # waits for the device

    multiply()
    return 2 * size**3 / min(seconds(multiply) for _ in range(5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", nargs="+", default=["float16", "bfloat16", "float32"])
    parser.add_argument("--passages", type=int, default=10_000_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--square", type=int, default=8192, help="size of the square products")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("no GPU here: nothing measured (--device cpu --passages 50000 for a trial)")
        return
    generator = np.random.default_rng(1)
    queries = unit_rows(generator, options.queries, options.width)
    count = options.passages
    relevant = np.sort(generator.integers(0, count, (options.queries, 3)), axis=1).ravel()
    relevance = Relevance(np.arange(0, len(relevant) + 1, 3), relevant)
    offsets = np.linspace(0, count, LANGUAGES + 1).astype(np.int64)
    flops = 2 * options.queries * count * options.width
    print("precision   rank s  TFLOP/s  device's own  share")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        make_store(path, count, options.width)
        store = np.memmap(path, dtype=np.float16, mode="r", shape=(count, options.width))
        for precision in options.precision:
            spent = seconds(
                lambda precision=precision: rank(
                    *(queries, store, relevance, offsets),
                    device=options.device,
                    precision=precision,
                )
            )
            own = product_rate(options.device, getattr(torch, precision), options.square)
            rate = flops / spent
            print(
                f"{precision:9} {spent:8.2f} {rate / 1e12:8.3f} {own / 1e12:13.3f}"
                f" {rate / own:6.1%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
