"""Act three: an index of its own, searched by score and balanced."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evenrank.benchmarks.parallel_corpus import benchmark_from_corpus
from evenrank.demo.pretrained import slices
from evenrank.encoding.opening import open_model
from evenrank.search.index.build import build_index
from evenrank.search.opening import open_searcher
from evenrank.search.searcher import Result


@dataclass(frozen=True)
class Search:
    """One query, searched in the raw order and in a balanced one.

    Attributes:
        query: Its text.
        language: Its language.
        index: The index.
        raw: The passages by score.
        balanced: The passages as the default policy merges the languages.
    """

    query: str
    language: str
    index: Path
    raw: list[Result]
    balanced: list[Result]


def search_both_ways(model: str, index: Path, facts: tuple[int, int], store: Path) -> Search:
    """Index a slice of World Facts, and search for its first German query.

    Args:
        model: As for :func:`~evenrank.encoding.opening.open_model`.
        index: Folder of the index.
        facts: Facts of the two parts of the slice, see :func:`~evenrank.demo.pretrained.slices`.
        store: Embedding store, which may have the texts.
    """
    data = benchmark_from_corpus(slices("world-facts:test", facts)[0])
    encoder = open_model(model)
    build_index(data, encoder, index, store=store)
    langs = [data.languages[lang] for lang in data.queries.langs]
    number = langs.index("de")
    query, language = str(data.queries.texts[number]), langs[number]
    with open_searcher(index, encoder) as searcher:
        raw, balanced = (
            searcher.search(query, k=10, query_languages=language, policy=policy)[0]
            for policy in ("raw", None)
        )
    return Search(query, language, index, raw, balanced)
