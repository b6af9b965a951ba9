"""``corpus:PATH``: any parallel corpus is a benchmark, whose collection is its own passages."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from urllib.parse import quote

import numpy as np

from evenrank.benchmarks.benchmark import (
    BENCHMARKS,
    Benchmark,
    Card,
    Passage,
    Query,
    build_benchmark,
)
from evenrank.data.corpus import ParallelCorpus
from evenrank.data.opening import open_corpus
from evenrank.errors import ConfigError

CARD = Card(
    title="A parallel corpus of your own: find the passage that answers the question",
    source="corpus:PATH, where PATH is what 'evenrank data validate' accepts",
    licence="that of the corpus",
    citation="that of the corpus",
    note="The passages of a question's item are relevant in every language.",
)


def benchmark_from_corpus(corpus: ParallelCorpus, card: Card = CARD) -> Benchmark:
    """Make a benchmark of a corpus: its queries ask, its distinct passages are the collection.

    Passages are the same if language, group of items and text are: the same text in two groups
    stays two passages, as it belongs to two documents. All passages of its item's group are
    relevant for a query, in every language, also where the item itself has no row.

    Queries are called ``<language>/<id>``; passages ``<language>/<passage id>``, with ``#2``,
    ``#3`` and so on behind where several texts of a language share a passage id. White space in
    an id becomes ``%20`` and the like, as TREC files need it.

    Args:
        corpus: The corpus; only the rows that its items point at count.
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
    groups: list[int] = corpus.groups[items].tolist()

    queries = [
        Query(f"{lang}/{_spaceless(id_)}", id_, lang, text)
        for lang, id_, text in zip(
            langs, corpus.column("id", rows), corpus.column("query", rows), strict=True
        )
    ]
    keys = zip(langs, groups, corpus.column("passage", rows), strict=True)
    named: dict[tuple[str, int, str], str] = {}
    for key, passage_id in zip(keys, corpus.column("passage_id", rows), strict=True):
        named.setdefault(key, passage_id)

    passages: list[Passage] = []
    in_group: defaultdict[int, list[str]] = defaultdict(list)
    seen: Counter[str] = Counter()
    for (lang, group, text), passage_id in named.items():
        name = f"{lang}/{_spaceless(passage_id)}"
        seen[name] += 1
        passages.append(Passage(name if seen[name] == 1 else f"{name}#{seen[name]}", lang, text))
        in_group[group].append(passages[-1].id)
    qrels = (
        (query.id, passage)
        for query, group in zip(queries, groups, strict=True)
        for passage in in_group[group]
    )
    return build_benchmark(corpus.name, card, queries, passages, qrels)


def _spaceless(id_: str) -> str:
    """Return an id that TREC files can hold; different ids stay different."""
    return re.sub(r"[\s%#]", lambda found: quote(found.group()), id_)


@dataclass(frozen=True)
class CorpusBenchmark:
    """The loader of ``corpus:PATH``."""

    card: Card = CARD

    def __call__(self, argument: str | None) -> Benchmark:
        """Open the corpus at the path ``argument`` and make a benchmark of it.

        Raises:
            ConfigError: There is no path.
            DataError: The corpus breaks its contract.
        """
        if not argument:
            raise ConfigError(
                "benchmark 'corpus'", "no path", "corpus:PATH", "Name the corpus after the colon"
            )
        return benchmark_from_corpus(open_corpus(argument), replace(CARD, source=argument))


BENCHMARKS.register("corpus", CorpusBenchmark())
