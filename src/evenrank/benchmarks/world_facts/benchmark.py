"""``world-facts``: unseen queries about the world, over all facts in all languages."""

from __future__ import annotations

from collections import defaultdict
from typing import Literal

from evenrank.benchmarks.benchmark import (
    BENCHMARKS,
    Benchmark,
    BenchmarkLoader,
    Card,
    Passage,
    Query,
    build_benchmark,
)
from evenrank.benchmarks.world_facts.build import cldr_version, world_facts
from evenrank.errors import UnknownNameError


def _card() -> Card:
    """Return the benchmark's card, which names the CLDR and Babel that are installed."""
    return Card(
        title="World Facts: the sentence that states the fact of the query, in 11 languages",
        source=f"Unicode {cldr_version()}, https://cldr.unicode.org; sentences by evenrank",
        licence="Unicode License v3 (CLDR); Babel, through which it is read, is BSD-3-Clause",
        citation="Unicode Consortium. Unicode Common Locale Data Repository (CLDR). "
        "https://cldr.unicode.org",
        note="Generated on this machine, no download. Facts are as CLDR states them.",
    )


def load_world_facts(split: Literal["dev", "test"] = "test") -> Benchmark:
    """Build the benchmark: one query per held-out fact and language, every fact as a passage.

    The passages of a fact are relevant in every language that has the fact.

    Args:
        split: Held-out facts that the queries ask for.
    """
    passages = [
        Passage(f"{lang}/{id_}", lang, passage)
        for id_, passage_id, lang, _, passage in _rows("all")
        if id_ == passage_id  # the first phrasing
    ]
    translations = defaultdict(list)
    for passage in passages:
        translations[passage.id.removeprefix(f"{passage.lang}/")].append(passage.id)
    queries = [
        Query(f"{lang}/{id_}", id_, lang, query)
        for id_, passage_id, lang, query, _ in _rows(split)
        if id_ == passage_id
    ]
    qrels = [(query.id, id_) for query in queries for id_ in translations[query.parallel_id]]
    name = "world-facts" if split == "test" else f"world-facts:{split}"
    return build_benchmark(name, _card(), queries, passages, qrels)


def _rows(split: Literal["all", "dev", "test"]) -> list[tuple[str, str, str, str, str]]:
    """Return id, passage id, language, query and passage of each row of a split, by language."""
    corpus = world_facts(split)
    by_language = corpus.rows.T
    rows = by_language[by_language >= 0]
    names = ("id", "passage_id", "lang", "query", "passage")
    return list(zip(*(corpus.column(name, rows) for name in names), strict=True))


def _load(argument: str | None) -> Benchmark:
    if argument not in (None, "dev"):
        raise UnknownNameError("World Facts queries", str(argument), ["dev"], "world-facts")
    return load_world_facts("test" if argument is None else "dev")


BENCHMARKS.register("world-facts", BenchmarkLoader(_card(), _load, takes_argument=True))
