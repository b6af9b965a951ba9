"""``corpus:PATH``: a parallel corpus as a benchmark of its queries and passages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

import numpy as np

from evenrank.benchmarks.benchmark import (
    BENCHMARKS,
    Benchmark,
    BenchmarkLoader,
    Card,
    Passage,
    Query,
    benchmark_of,
)
from evenrank.data.corpus import ParallelCorpus
from evenrank.data.opening import open_corpus
from evenrank.errors import ConfigError

CARD = Card(
    title="Your own parallel corpus: find the passages that answer the query",
    source="corpus:PATH, where PATH is what 'evenrank data validate' accepts",
    licence="that of the corpus",
    citation="that of the corpus",
    note="All passages of an item's passage group are relevant, in every language.",
)


def benchmark_from_corpus(corpus: ParallelCorpus, card: Card = CARD) -> Benchmark:
    """Return a benchmark of the queries and the distinct passages of a corpus.

    Passages are equal if language, passage group and text are. The same text in two groups remains
    two passages, since it belongs to two documents. For a query, all passages of its item's group
    are relevant: in every language, even if the item has no row there, and all of them if there are
    several in one language.

    Queries are called ``<language>/<id>`` and passages ``<language>/<passage id>``, followed by
    ``#2``, ``#3`` and so on where several texts of a language have the same passage id. White space
    in an id becomes ``%20`` and the like, for TREC files.

    Args:
        corpus: The corpus; only rows of its items count.
        card: Where it comes from.

    >>> from evenrank.data.corpus import corpus_from_rows
    >>> row = {"id": "1", "passage_id": "a", "lang": "de", "query": "Wer?", "passage": "Ada war's."}
    >>> rows = [row, row | {"lang": "en", "query": "Who?", "passage": "It was Ada."}]
    >>> benchmark = benchmark_from_corpus(corpus_from_rows(rows, "ada"))
    >>> benchmark.queries.ids.to_pylist(), benchmark.passages.ids.to_pylist()
    (['de/1', 'en/1'], ['de/a', 'en/a'])
    >>> benchmark.relevance.passages.tolist()
    [0, 1, 0, 1]
    """
    columns, items = np.nonzero(corpus.rows.T >= 0)  # by language, then in the order of items
    rows = corpus.rows[items, columns]
    langs = [corpus.languages[column] for column in columns.tolist()]
    groups = corpus.groups[items]

    queries = [
        Query(f"{lang}/{_spaceless(id_)}", id_, lang, text)
        for lang, id_, text in zip(
            langs, corpus.column("id", rows), corpus.column("query", rows), strict=True
        )
    ]
    grouped = list(distinct_passages(corpus))
    passages = [passage for passage, _ in grouped]

    passage_groups = np.array([group for _, group in grouped])
    by_group = np.argsort(passage_groups, kind="stable")
    first = np.searchsorted(passage_groups[by_group], groups, side="left")
    counts = np.searchsorted(passage_groups[by_group], groups, side="right") - first
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    relevant = by_group[np.repeat(first, counts) + within]
    pairs = np.stack([np.repeat(np.arange(len(queries)), counts), relevant], axis=1)
    return benchmark_of(corpus.name, card, queries, passages, pairs)


def distinct_passages(corpus: ParallelCorpus) -> Iterator[tuple[Passage, int]]:
    """Yield the distinct passages of a corpus with their groups, as its benchmark names them.

    By language, then in the order of items. One language is in memory at once.
    """
    for column, lang in enumerate(corpus.languages):
        items = np.flatnonzero(corpus.rows[:, column] >= 0)
        rows = corpus.rows[items, column]
        keys = zip(corpus.groups[items].tolist(), corpus.column("passage", rows), strict=True)
        named: dict[tuple[int, str], str] = {}
        for key, passage_id in zip(keys, corpus.column("passage_id", rows), strict=True):
            named.setdefault(key, passage_id)
        seen: Counter[str] = Counter()
        for (group, text), passage_id in named.items():
            name = f"{lang}/{_spaceless(passage_id)}"
            seen[name] += 1
            yield Passage(name if seen[name] == 1 else f"{name}#{seen[name]}", lang, text), group


def _spaceless(id_: str) -> str:
    """Return an id for TREC files; different ids remain different."""
    return re.sub(r"[\s%#]", lambda found: quote(found.group()), id_)


def _load(argument: str | None) -> Benchmark:
    if not argument:
        raise ConfigError(
            "benchmark 'corpus'", "no path", "corpus:PATH", "Name the corpus after the colon"
        )
    return benchmark_from_corpus(open_corpus(argument), replace(CARD, source=argument))


BENCHMARKS.register("corpus", BenchmarkLoader(CARD, _load, takes_argument=True))
