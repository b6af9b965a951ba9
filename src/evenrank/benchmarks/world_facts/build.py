"""World Facts as a parallel corpus.

An item is one phrasing of one fact's question: ``currency/JP``, then ``currency/JP#2`` and so on,
which share the passage ``currency/JP``. Benchmarks use the first phrasing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import babel
import numpy as np
import pyarrow as pa
from babel.core import get_global
from numpy.typing import NDArray

from evenrank.benchmarks.world_facts.facts import Fact, all_facts, split_facts
from evenrank.benchmarks.world_facts.templates import (
    TEMPLATES,
    Sources,
    parse_language,
    read_sources,
)
from evenrank.benchmarks.world_facts.texts import Text, texts_in
from evenrank.data.corpus import SCHEMA, ParallelCorpus, corpus_from_table
from evenrank.data.rows import Values
from evenrank.errors import DataError, UnknownNameError
from evenrank.files import fingerprint_of
from evenrank.languages import parse_languages

NAME = "world-facts"
SPLITS: tuple[str, ...] = ("all", "dev", "test", "train")


def world_facts(
    split: Literal["train", "dev", "test", "all"] = "all",
    languages: str | Sequence[str] | None = None,
    templates: Path | None = None,
) -> ParallelCorpus:
    """Return World Facts: questions and answers about the world, parallel in many languages.

    The same Babel and the same templates give the same corpus, to the byte. Facts, texts and splits
    do not depend on ``languages``, which only leaves columns out.

    Args:
        split: Facts to return. No fact is in two splits; every name in a ``dev`` or ``test`` fact
            also occurs in ``train``, in each language.
        languages: Languages to return, as any codes; all that have a template file if ``None``.
        templates: Folder of template files, the package's own if ``None``.

    Raises:
        UnknownNameError: There is no such split.
        DataError: A template file breaks its contract, or a language has none.

    >>> corpus = world_facts("test", languages=["de", "en"])
    >>> corpus.name, corpus.languages
    ('world-facts', ('de', 'en'))
    """
    if split not in SPLITS:
        raise UnknownNameError("World Facts split", split, SPLITS)
    world = _world(read_sources(templates or TEMPLATES))
    corpus = world.corpus
    if split != "all":
        corpus = corpus.select(world.splits == split)
    if languages is None:
        return corpus
    wanted = parse_languages(languages, "languages of World Facts")
    if not wanted:
        raise DataError("World Facts", "no language", "at least one", "Name one or leave them out")
    return corpus.restrict(wanted)


def cldr_version() -> str:
    """Return which CLDR the facts and names come from, as in ``CLDR 47 (Babel 2.18.0)``."""
    return f"CLDR {get_global('cldr')['version']} (Babel {babel.__version__})"


class _World(NamedTuple):
    """The whole corpus, and the split of each item."""

    corpus: ParallelCorpus
    splits: NDArray[np.str_]


@lru_cache(maxsize=2)
def _world(sources: Sources) -> _World:
    facts = all_facts()
    splits = split_facts(facts)
    parsed = [parse_language(path, text) for path, text in sources]
    texts = {language.tag: texts_in(language, facts, splits) for language in parsed}
    rows = [row for fact in facts for row in _rows(fact, texts)]
    columns = list(zip(*rows, strict=True))
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    table = pa.table(arrays, SCHEMA)
    fingerprint = fingerprint_of(
        NAME, cldr_version(), *(text for _, text in sources), *map("\n".join, columns[:-1])
    )
    items = dict.fromkeys((row.id, row.passage_id) for row in rows)
    return _World(
        corpus_from_table(table, NAME, fingerprint),
        np.array([splits[passage_id] for _, passage_id in items]),
    )


def _rows(fact: Fact, texts: Mapping[str, Mapping[str, Text]]) -> Iterator[Values]:
    """Yield the rows of a fact, one item after the other, each in every language that has it."""
    found = {lang: by_id[fact.id] for lang, by_id in texts.items() if fact.id in by_id}
    article = f"{fact.subject.kind}/{fact.subject.code}"
    for number in range(max((len(text.questions) for text in found.values()), default=0)):
        item = fact.id if number == 0 else f"{fact.id}#{number + 1}"
        for lang, text in found.items():
            if number < len(text.questions):
                question = text.questions[number]
                yield Values(item, fact.id, article, lang, question, text.passage, None)
