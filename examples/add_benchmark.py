"""Add a benchmark: two queries in two languages over four passages.

The benchmark is available by its name once this module is imported:

>>> import evenrank
>>> benchmark = evenrank.load_benchmark("opening-hours")
>>> benchmark.languages, len(benchmark.queries), len(benchmark.passages)
(('de', 'en'), 4, 4)
"""

from __future__ import annotations

from evenrank.benchmarks.benchmark import (
    BENCHMARKS,
    Benchmark,
    BenchmarkLoader,
    Card,
    Passage,
    Query,
    build_benchmark,
)

CARD = Card(
    title="Opening hours: the sentence that answers the query, in German and English",
    source="this example",
    licence="CC0-1.0",
    citation="none",
)


def load_opening_hours() -> Benchmark:
    """Return the benchmark. Queries that are translations of one another share a parallel id."""
    queries = [
        Query("de/pool", "pool", "de", "Wann öffnet das Bad?"),
        Query("en/pool", "pool", "en", "When does the pool open?"),
        Query("de/shop", "shop", "de", "Wann schließt der Laden?"),
        Query("en/shop", "shop", "en", "When does the shop close?"),
    ]
    passages = [
        Passage("de-1", "de", "Das Bad öffnet um acht Uhr."),
        Passage("en-1", "en", "The pool opens at eight."),
        Passage("de-2", "de", "Der Laden schließt um sechs."),
        Passage("en-2", "en", "The shop closes at six."),
    ]
    number = {"pool": "1", "shop": "2"}
    qrels = [
        (query.id, f"{lang}-{number[query.parallel_id]}")
        for query in queries
        for lang in ("de", "en")
    ]
    return build_benchmark("opening-hours", CARD, queries, passages, qrels)


BENCHMARKS.register("opening-hours", BenchmarkLoader(CARD, load_opening_hours))
