"""The exact engine against the physical limit, a plain top k, ``rank``, FAISS and Qdrant.

    python perf/search_engine.py [--passages 1000000] [--width 384] [--languages 11] [--repeats 7]

Random unit vectors. ``read`` finds the maximum of the same bytes with the same threads, which is as
fast as memory gives them. ``plain`` is the same engine over one language that has all passages: one
list instead of one for each language. ``rank`` ranks the same queries over the same passages, and
keeps as many. FAISS (``IndexFlatIP``) and Qdrant's local mode are measured where they are
installed; Qdrant's local mode keeps and searches vectors as NumPy arrays, with a filter for each
language, over a hundredth of the passages. Times are medians of alternating repeats.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Relevance
from evenrank.ranking.rank import rank
from evenrank.search.engines.exact import ExactEngine
from evenrank.search.index.passages import PassageTable, hash_of_id, indexed

K = 10
MANY = 64
Rows = NDArray[np.float32]


def read(rows: Rows, pool: ThreadPoolExecutor, threads: int) -> None:
    """Find the largest number, which NumPy does with vector registers, without its lock."""
    parts = np.array_split(rows.view(np.int32), 8 * threads)
    list(pool.map(np.max, parts))


def table_of(passages: int, languages: int) -> PassageTable:
    ids = [str(number) for number in range(passages)]
    langs = np.sort(np.arange(passages) % languages)
    names = pa.array([f"l{number:02}" for number in range(languages)])
    columns = {
        "id": pa.array(ids),
        "language": names.take(pa.array(langs)),
        "text": pa.array(ids),
        "group": pa.array([""] * passages),
    }
    hashes = np.array([hash_of_id(id_) for id_ in ids], dtype=np.uint64)
    return indexed("random", pa.table(columns), hashes)


def unit(count: int, width: int, seed: int) -> Rows:
    generator = np.random.default_rng(seed)
    rows = np.empty((count, width), dtype=np.float32)
    for start in range(0, count, 65_536):
        block = generator.standard_normal((len(rows[start : start + 65_536]), width), np.float32)
        rows[start : start + 65_536] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return rows


class Times(NamedTuple):
    """Medians in seconds: on the clock, and of all threads together."""

    clock: float
    work: float


def medians(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, Times]:
    """Time calls that take turns. On a busy machine, the work says more than the clock."""
    times: dict[str, list[Times]] = {name: [] for name in calls}
    for number in range(repeats + 1):
        for name, call in calls.items():
            clock, work = time.perf_counter(), time.process_time()
            call()
            if number:  # the first one compiles and fills caches
                found = Times(time.perf_counter() - clock, time.process_time() - work)
                times[name].append(found)
    return {name: Times(*map(median, zip(*some, strict=True))) for name, some in times.items()}


def faiss_work(rows: Rows, queries: Rows, threads: int) -> dict[str, Callable[[], object]]:
    try:
        import faiss
    except ImportError:
        return {}
    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    return {
        "FAISS, one query": lambda: index.search(queries[:1], K),
        f"FAISS, {MANY} queries": lambda: index.search(queries, K),
    }


def qdrant_work(rows: Rows, table: PassageTable, query: Rows) -> dict[str, Callable[[], object]]:
    try:
        from qdrant_client import QdrantClient, models
    except ImportError:
        return {}
    count = len(rows) // 100
    chosen = np.linspace(0, len(rows) - 1, count).astype(np.int64)
    langs = np.searchsorted(table.offsets, chosen, side="right") - 1
    client = QdrantClient(":memory:")
    params = models.VectorParams(size=rows.shape[1], distance=models.Distance.DOT)
    client.create_collection("random", vectors_config=params)
    payload = [{"language": table.languages[lang]} for lang in langs.tolist()]
    client.upload_collection("random", rows[chosen], payload=payload, ids=range(count))
    requests = [
        models.QueryRequest(
            query=query.tolist(),
            limit=K,
            filter=models.Filter(
                must=[models.FieldCondition(key="language", match=models.MatchValue(value=lang))]
            ),
        )
        for lang in table.languages
    ]
    call = client.query_batch_points
    return {f"Qdrant local, {count:,} passages": lambda: call("random", requests)}


def first_query(rows: Rows, table: PassageTable, query: Rows) -> float:
    """Return the seconds of mapping vectors and of a first query, with the file in the cache."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "rows.npy", rows)
        began = time.perf_counter()
        vectors = np.load(Path(folder) / "rows.npy", mmap_mode="c")
        with ExactEngine(np.asarray(vectors), table) as engine:
            engine.search(query, table.languages, K)
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, value in {"passages": 1_000_000, "width": 384, "languages": 11, "repeats": 7}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    given, threads = parser.parse_args(), os.cpu_count() or 1
    rows, queries = unit(given.passages, given.width, 1), unit(MANY, given.width, 2)
    table, plain = table_of(given.passages, given.languages), table_of(given.passages, 1)
    engine, single = ExactEngine(rows, table), ExactEngine(rows, plain)
    half = ExactEngine(rows.astype(np.float16), table)
    one, many = queries[:1, None], queries[:, None]
    relevance = Relevance(np.arange(MANY + 1), np.arange(MANY))
    pool = ThreadPoolExecutor(threads)
    work: dict[str, Callable[[], object]] = {
        "read": lambda: read(rows, pool, threads),
        "one query, a list for each language": lambda: engine.search(one, table.languages, K),
        "one query, plain top k": lambda: single.search(one, plain.languages, K),
        "one query, float16": lambda: half.search(one, table.languages, K),
        f"{MANY} queries": lambda: engine.search(many, table.languages, K),
        f"{MANY} queries, plain top k": lambda: single.search(many, plain.languages, K),
        f"{MANY} queries, rank": lambda: rank(queries, rows, relevance, table.offsets, top_k=K),
    }
    work |= faiss_work(rows, queries, threads)
    found = medians(work, given.repeats) | medians(qdrant_work(rows, table, queries[0]), 1)
    print(f"{given.passages:,} passages of width {given.width} in {given.languages} languages,")
    print(f"{threads} threads, load {os.getloadavg()[0]:.1f}")
    print(f"{'':42} {'clock':>12} {'all threads':>12}")
    for name, times in found.items():
        print(f"{name:42} {times.clock * 1000:9.1f} ms {times.work * 1000:9.1f} ms")
    one_list, several = found["one query, a list for each language"], found[f"{MANY} queries"]
    pairs = {
        "one query / read (at most 1.3)": (one_list, found["read"]),
        "lists / plain, one query (at most 1.1)": (one_list, found["one query, plain top k"]),
        f"lists / plain, {MANY} queries (at most 1.1)": (
            several,
            found[f"{MANY} queries, plain top k"],
        ),
        f"throughput / rank, {MANY} queries (at least 0.9)": (
            found[f"{MANY} queries, rank"],
            several,
        ),
    }
    for name, (ours, other) in pairs.items():
        print(f"{name:50} {ours.clock / other.clock:6.2f} {ours.work / other.work:6.2f}")
    print(f"open and first query (at most 1 s) {first_query(rows, table, one):.3f} s")


if __name__ == "__main__":
    main()
