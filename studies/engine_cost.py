"""What balanced search costs in an engine: measured in PostgreSQL, and on paper for a cluster.

    EVENRANK_DATA=DATA python studies/engine_cost.py PASSAGES QUERIES POSTGRES [--sizes N ...]

PASSAGES and QUERIES are embeddings of XQuAD-R (``.npy``, in the order of the benchmark); POSTGRES
is the address of a database without a table (``postgresql://USER@HOST/DATABASE``), in which tables
``cost_*`` are written. Larger corpora are copies of the passages with noise (cosine about 0.95).

Three tables come out: time and recall of the best 10 of each language for each way to store the
vectors; the depth that one list over all languages would need; and a simulation of a cluster with
the constants that were measured before.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import ceil, log2
from statistics import median

import numpy as np
import psycopg
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import load_benchmark
from evenrank.search.base import Engine, Passage
from evenrank.search.engines.opening import open_engine, write_engine

K = 10
SAMPLE = 24
Rows = NDArray[np.float32]


@dataclass
class Corpus:
    """Passages of all languages, and queries.

    Attributes:
        passages: ``N``.
        vectors: ``(N, H)``.
        langs: ``(N,)`` number of the language of each.
        names: Languages.
        queries: ``(Q, H)``.
        truth: For each query and language, the ids of the true best ``K``.
    """

    passages: list[Passage]
    vectors: Rows
    langs: NDArray[np.int64]
    names: list[str]
    queries: Rows
    truth: list[list[set[str]]]


def read_corpus(passages: str, queries: str, size: int) -> Corpus:
    """Return XQuAD-R, or copies of it with noise until there are about ``size`` passages."""
    data = load_benchmark("xquad-r")
    vectors, generator = np.load(passages), np.random.default_rng(1)
    ids, texts = data.passages.ids.to_pylist(), data.passages.texts.to_pylist()
    langs = np.asarray(data.passages.langs, dtype=np.int64)
    names = list(data.languages)
    chosen = generator.choice(len(data.queries), SAMPLE, replace=False)
    rows, listed, numbers = [], [], []
    for copy in range(max(1, round(size / len(vectors)))):
        noise = generator.normal(size=vectors.shape) * (0.33 * (copy > 0) / vectors.shape[1] ** 0.5)
        noisy = vectors + noise
        rows.append((noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32))
        numbers.append(langs)
        listed += [
            Passage(f"{id}/{copy}", names[lang], text)
            for id, lang, text in zip(ids, langs, texts, strict=True)
        ]
    all_rows, all_langs = np.concatenate(rows), np.concatenate(numbers)
    asked = np.load(queries)[chosen].astype(np.float32)
    order_QD = np.argsort(-(asked @ all_rows.T), axis=1, kind="stable")
    truth = [
        [
            {listed[at].id for at in order[all_langs[order] == lang][:K]}
            for lang in range(len(names))
        ]
        for order in order_QD
    ]
    return Corpus(listed, all_rows, all_langs, names, asked, truth)


def seconds_and_recall(engine: Engine, corpus: Corpus) -> tuple[float, float, float]:
    """Return the median time of a query, the mean recall, and that of the worst language."""
    times, hits = [], np.zeros((SAMPLE, len(corpus.names)))
    for number, query in enumerate(corpus.queries):
        times.append(
            best_of(lambda query=query: engine.search(query[None, None], corpus.names, K), 3)
        )
        [lists] = engine.search(query[None, None], corpus.names, K)
        for lang, name in enumerate(corpus.names):
            hits[number, lang] = len(set(lists[name].ids) & corpus.truth[number][lang]) / K
    return median(times), hits.mean(), hits.mean(axis=0).min()


def postgres_table(corpus: Corpus, database: str) -> Iterator[tuple[str, float, float, float]]:
    """Yield for each way to store the vectors: its name, time, recall, recall of the worst."""
    size = len(corpus.passages)
    join = "&" if "?" in database else "?"
    own, theirs = f"{database}{join}table=cost_{size}", f"{database}{join}table=cost_one_{size}"
    write_engine(own, corpus.passages, corpus.vectors, hnsw_minimum=1000)
    with open_engine(own, exact=True) as engine:
        yield "every passage (exact)", *seconds_and_recall(engine, corpus)
    with open_engine(own) as engine:
        yield "a graph for each language", *seconds_and_recall(engine, corpus)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"drop table if exists cost_one_{size}")
        connection.execute(
            f"create table cost_one_{size} as select id, language, text, embedding from cost_{size}"
        )
        connection.execute(f"create index on cost_one_{size} (language)")
        connection.execute(f"create index on cost_one_{size} using hnsw (embedding vector_ip_ops)")
        connection.execute(f"analyze cost_one_{size}")
    for tuples in (20_000, 1_000_000):
        with open_engine(theirs, max_scan_tuples=tuples) as engine:
            found = seconds_and_recall(engine, corpus)
            yield f"one graph over all, at most {tuples:,} passages looked at", *found


def graph_seconds(corpus: Corpus, database: str, size: int) -> list[tuple[int, float]]:
    """Return the number of passages of a graph, and the time of one search in it."""
    found = []
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("set hnsw.ef_search = 100")
        connection.execute("set enable_sort = off")
        for table, where in ((f"cost_{size}", "where language = 'en'"), (f"cost_one_{size}", "")):
            [(count,)] = connection.execute(f"select count(*) from {table} {where}").fetchall()
            search = f"select id from {table} {where} order by embedding <#> %s::vector limit 10"
            times = [
                best_of(lambda v=vector, s=search: connection.execute(s, [v]).fetchall(), 5)
                for vector in map(str, corpus.queries.tolist())
            ]
            found.append((count, median(times)))
    return found


def depth_of_one_list(corpus: Corpus) -> list[tuple[str, int, int, int]]:
    """Return how deep one list over all languages goes until it has 1, 3 and ``K`` of each."""
    needed = []
    for query in corpus.queries:
        order = corpus.langs[np.argsort(-(corpus.vectors @ query), kind="stable")]
        places = [np.flatnonzero(order == lang) for lang in range(len(corpus.names))]
        needed.append([max(int(own[wanted - 1]) + 1 for own in places) for wanted in (1, 3, K)])
    columns = np.array(needed)
    return [
        (name, *(int(np.quantile(columns[:, at], share)) for at in range(3)))
        for name, share in (("half of the queries", 0.5), ("nine of ten", 0.9))
    ]


def prepared(languages: int, width: int, sizes: list[int]) -> type[BaseHTTPRequestHandler]:
    """Return a server's answers, which are prepared hits; ``sizes`` gets bytes in and out."""
    point = {"version": 1, "score": 0.8123456, "payload": {"id": "en-0123456789"}}
    point["id"] = "6f1c3a52-5d0b-5c0e-9c55-5b6c1f0f7a11"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            params = {"vectors": {"size": width, "distance": "Cosine"}}
            mark = {"evenrank": {"complete": True, "about": {}}}
            config = {
                "params": params,
                "metadata": mark,
                "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000},
                "optimizer_config": {
                    "deleted_threshold": 0.2,
                    "vacuum_min_vector_number": 1000,
                    "default_segment_number": 0,
                    "flush_interval_sec": 5,
                },
            }
            info = {"status": "green", "optimizer_status": "ok", "segments_count": 1}
            self.answer(info | {"config": config, "payload_schema": {}})

        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path.endswith("facet"):
                self.answer({"hits": [{"value": f"l{at}", "count": 9} for at in range(languages)]})
                return
            count = len(json.loads(asked)["searches"])
            points = [dict(point, score=0.9 - at / 100) for at in range(K)]
            sizes[0] = len(asked)
            sizes[1] = self.answer([{"points": points}] * count)

        def answer(self, result: object) -> int:
            body = json.dumps({"result": result, "status": "ok", "time": 0.0}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return len(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def client_cost(languages: int, width: int) -> tuple[float, int, int]:
    """Return the time of one query in the client, and the bytes of request and answer.

    A server on this machine answers at once with prepared hits.
    """
    sizes = [0, 0]
    server = ThreadingHTTPServer(("127.0.0.1", 0), prepared(languages, width, sizes))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        names = [f"l{at}" for at in range(languages)]
        query = np.random.default_rng(2).normal(size=(1, 1, width)).astype(np.float32)
        with open_engine(f"qdrant+http://127.0.0.1:{server.server_port}/c") as engine:
            seconds = best_of(lambda: engine.search(query, names, K))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    return seconds, sizes[0], sizes[1]


def best_of(work: Callable[[], object], repeats: int = 15) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


@dataclass(frozen=True)
class Constants:
    """What the simulation counts with.

    Attributes:
        graph: Seconds of one search in a graph of ``n`` passages, divided by ``log2(n)``.
        client: Seconds of the client for one query, and for each language of it.
        up: Bytes of a request for each language.
        down: Bytes of an answer for each hit.
        trip: Seconds of a round trip between two machines of one data centre.
        width: Numbers of a vector.
        depth: Hits of one list over all languages until it has enough of each.
        cores: Cores of each machine.
    """

    graph: float
    client: tuple[float, float]
    up: float
    down: float
    depth: int
    trip: float = 0.0003
    width: int = 384
    cores: int = 16


def simulated(known: Constants, size: int, languages: int, shards: int) -> list[tuple[str, ...]]:
    """Return a row for each way to ask: searches, bytes and time of one query.

    Shards are on machines of their own. The first machine sends the vectors to the others, each
    searches its part for every language on its cores, and the first merges.
    """

    def graph(passages: float, hits: int) -> float:
        return max(1, hits / 100) * known.graph * log2(passages)  # 100: width of the search

    def row(name: str, lists: int, each: float, hits: int) -> tuple[str, ...]:
        inside = (shards - 1) * lists * (4 * known.width + 16 * hits)
        outside = lists * (known.up + known.down * hits)
        trips = known.trip * (2 if shards > 1 else 1)
        client = known.client[0] + known.client[1] * lists * (hits / K)
        work = ceil(lists / known.cores) * graph(each, hits)
        texts = (f"{lists * shards:,}", f"{outside / 1000:,.0f}", f"{inside / 1000:,.0f}")
        busy = lists * shards * graph(each, hits)
        return (name, *texts, f"{1000 * busy:,.0f}", f"{1000 * (client + trips + work):,.1f}")

    one = size / languages
    return [
        row("one list of 10", 1, size / shards, K),
        row("one list, deep enough for all languages", 1, size / shards, known.depth),
        row("a list of 10 for each language", languages, one / shards, K),
    ]


def print_table(head: list[str], rows: list[tuple[object, ...]]) -> None:
    print("\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("passages")
    parser.add_argument("queries")
    parser.add_argument("postgres")
    parser.add_argument("--sizes", type=int, nargs="+", default=[13_014, 130_140])
    asked = parser.parse_args()
    rows: list[tuple[object, ...]] = []
    graphs: list[tuple[int, float]] = []
    for size in asked.sizes:
        corpus = read_corpus(asked.passages, asked.queries, size)
        for name, seconds, recall, worst in postgres_table(corpus, asked.postgres):
            figures = f"{1000 * seconds:.0f}", f"{recall:.3f}", f"{worst:.3f}"
            rows.append((f"{len(corpus.passages):,}", name, *figures))
            print(rows[-1], flush=True)
        graphs += graph_seconds(corpus, asked.postgres, len(corpus.passages))
    print_table(["passages", "vectors compared", "ms", "recall@10", "worst language"], rows)
    depths = depth_of_one_list(read_corpus(asked.passages, asked.queries, 0))
    print_table(["one list over all languages has", "1 of each", "3 of each", "10 of each"], depths)
    print_table(["passages in a graph", "ms"], [(f"{n:,}", f"{1000 * s:.2f}") for n, s in graphs])
    # the graphs of the largest corpus: small ones fit into the caches of the processor
    graph = float(np.mean([seconds / log2(count) for count, seconds in graphs[-2:]]))
    few, many = client_cost(1, 384), client_cost(11, 384)
    slope = (many[0] - few[0]) / 10
    up = many[1] / 11
    known = Constants(graph, (few[0] - slope, slope), up, many[2] / 11 / K, depths[0][-1])
    print(f"\n{known}")
    for size, languages, shards in (
        (1_000_000, 11, 1),
        (100_000_000, 11, 1),
        (100_000_000, 11, 12),
        (100_000_000, 100, 12),
        (1_000_000_000, 11, 60),
    ):
        print(f"\n{size:,} passages, {languages} languages, {shards} shards")
        head = ["asked for", "searches", "kB to the client", "kB inside", "core ms", "ms"]
        print_table(head, simulated(known, size, languages, shards))


if __name__ == "__main__":
    main()
