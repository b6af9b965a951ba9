"""A large memory-mapped pool: time, memory and growth, against FAISS's exact search.

    python perf/large_pool.py [--passages 125000 250000 500000 1000000] [--queries 1000]

Each line is a process of its own: ``rank`` over a float16 store on disk (full-depth ranks of three
relevant passages a query in four languages, and the top 100), then FAISS ``IndexFlatIP`` (top 100,
float32 in memory) over the same vectors. Memory is the growth of the process's anonymous memory
at its peak: the page cache of the store does not count, nor do Python and its libraries.
``product`` is the bare product in the same panels and threads, from float32 in memory.
``faiss-cpu`` (``requirements/bench.txt``) is needed for the peer, which is left out without it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BLOCK = 50_000


def anonymous_mb() -> float:
    """Return the anonymous memory of this process in MB (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of some work and the growth of memory at its peak in MB."""
    before, peak, done = anonymous_mb(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], anonymous_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    work()
    spent = time.perf_counter() - start
    done.set()
    watcher.join()
    return spent, max(0.0, peak[0] - before)


def run_product(path: Path, count: int, width: int, queries: int) -> None:
    from synthetic import products

    store = np.memmap(path, dtype=np.float16, mode="r", shape=(count, width))
    passages = np.empty((count, width), dtype=np.float32)
    for begin in range(0, count, BLOCK):
        passages[begin : begin + BLOCK] = store[begin : begin + BLOCK]
    asked = unit_rows(np.random.default_rng(1), queries, width)
    products(asked, passages[:40_000])
    spent, memory = measured(lambda: products(asked, passages))
    print(f"{spent:.2f} {memory:.0f}")


def unit_rows(generator: np.random.Generator, count: int, width: int) -> NDArray[np.float32]:
    rows = generator.standard_normal((count, width), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def make_store(path: Path, count: int, width: int) -> None:
    generator = np.random.default_rng(0)
    store = np.memmap(path, dtype=np.float16, mode="w+", shape=(count, width))
    for begin in range(0, count, BLOCK):
        store[begin : begin + BLOCK] = unit_rows(generator, min(BLOCK, count - begin), width)
    store.flush()


def run_own(path: Path, count: int, width: int, queries: int) -> None:
    from evenrank.benchmarks.benchmark import Relevance
    from evenrank.ranking.rank import rank

    generator = np.random.default_rng(1)
    store = np.memmap(path, dtype=np.float16, mode="r", shape=(count, width))
    asked = unit_rows(generator, queries, width)
    relevant = np.sort(generator.integers(0, count, (queries, 3)), axis=1).ravel()
    relevance = Relevance(np.arange(0, 3 * queries + 1, 3), relevant)
    offsets = np.array([0, count // 10, count // 4, count // 2, count])
    small = Relevance(np.array([0, 1]), np.array([0]))
    rank(asked[:1], store[:40_000], small, np.array([0, 40_000]))  # compiles
    spent, memory = measured(lambda: rank(asked, store, relevance, offsets, top_k=100))
    print(f"{spent:.2f} {memory:.0f}")


def run_faiss(path: Path, count: int, width: int, queries: int) -> None:
    import faiss

    generator = np.random.default_rng(1)
    store = np.memmap(path, dtype=np.float16, mode="r", shape=(count, width))
    asked = unit_rows(generator, queries, width)
    index = faiss.IndexFlatIP(width)
    for begin in range(0, count, BLOCK):
        index.add(store[begin : begin + BLOCK].astype(np.float32))
    spent, _ = measured(lambda: index.search(asked, 100))
    print(f"{spent:.2f} {count * width * 4 / 2**20:.0f}")


def child(kind: str, *arguments: object) -> tuple[float, float] | None:
    command = [sys.executable, __file__, "--child", kind, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:]
        print(f"  {kind} did not run: {' '.join(reason)}")
        return None
    seconds, memory = done.stdout.split()
    return float(seconds), float(memory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = [125_000, 250_000, 500_000, 1_000_000]
    parser.add_argument("--passages", type=int, nargs="+", default=sizes)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        kind, path, *numbers = options.child
        work = {"rank": run_own, "faiss": run_faiss, "product": run_product}[kind]
        work(Path(path), *map(int, numbers))
        return
    print(f"{options.queries} queries, width {options.width}, float16 store")
    print(
        " passages   rank s  us/passage  memory MB  product s   faiss s  its index MB  faiss/rank"
    )
    with tempfile.TemporaryDirectory() as folder:
        for count in options.passages:
            path = Path(folder) / "store"
            make_store(path, count, options.width)
            own = child("rank", path, count, options.width, options.queries)
            bare = child("product", path, count, options.width, options.queries)
            peer = child("faiss", path, count, options.width, options.queries)
            if own is None or bare is None:
                raise SystemExit(1)
            line = f"{count:9,} {own[0]:8.2f} {own[0] / count * 1e6:11.1f} {own[1]:10.0f}"
            line += f" {bare[0]:10.2f}"
            if peer is not None:
                line += f" {peer[0]:9.2f} {peer[1]:13.0f} {peer[0] / own[0]:11.2f}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
