"""What is in a corpus: sizes, overlap of the languages, lengths of texts, repeated texts."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from evenrank.data.corpus import ParallelCorpus, codes
from evenrank.progress import Bar, bar

PERCENTILES = (0, 5, 50, 95, 100)
_EXAMPLES = 3
_BLOCK = 1 << 14


@dataclass(frozen=True)
class Repeats:
    """Texts of one language that are repeated where different texts are expected.

    Attributes:
        texts: How many texts are repeated.
        items: How many items have one of them.
        examples: Some of the most frequent, each with the ids of some of its items.
    """

    texts: int
    items: int
    examples: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Texts:
    """The texts of one language.

    Attributes:
        query_characters: Percentiles 0, 5, 50, 95, 100 of the queries' lengths in code points.
        passage_characters: The same of the passages, each counted once for every item it answers.
        repeated_queries: Queries that several items share.
        repeated_passages: Passages whose text is in several passage groups. Ids do not say that
            these are one passage, so in one batch they are false negatives of one another.
        several_passages: Passage groups that have several different passages in this language; a
            ``corpus:`` benchmark counts all of them as relevant for a query of the group.
        maximum_passages: The maximum number of passages of a group.
    """

    query_characters: tuple[float, ...]
    passage_characters: tuple[float, ...]
    repeated_queries: Repeats
    repeated_passages: Repeats
    several_passages: int
    maximum_passages: int


@dataclass(frozen=True)
class CorpusDescription:
    """What is in a corpus.

    Attributes:
        name: Name of the corpus.
        fingerprint: Identifies its content.
        items: Number of items.
        rows: Number of rows: items counted once for each of their languages.
        languages: Language to its number of rows.
        overlap: Two languages to the number of items that have both.
        passages: Number of passage groups: different passages, translations counted as one.
        articles: Different articles; 0 if no row names one.
        items_without_article: Items that name no article in any language.
        texts: Language to a description of its texts.
    """

    name: str
    fingerprint: str
    items: int
    rows: int
    languages: dict[str, int]
    overlap: dict[str, dict[str, int]]
    passages: int
    articles: int
    items_without_article: int
    texts: dict[str, Texts]


def describe_corpus(corpus: ParallelCorpus) -> CorpusDescription:
    """Describe a corpus; reads every text once.

    >>> from evenrank.data.corpus import corpus_from_rows
    >>> passage = {"lang": "en", "passage": "Ada."}
    >>> described = describe_corpus(corpus_from_rows([
    ...     {"id": "1", "passage_id": "a", "query": "Who?", **passage},
    ...     {"id": "2", "passage_id": "b", "query": "What?", **passage},
    ... ], "ada"))
    >>> described.items, described.passages, described.texts["en"].repeated_passages.texts
    (2, 2, 1)
    """
    present = np.nonzero(corpus.rows >= 0)
    item = present[0]
    article = codes(corpus.table.column("article"))[corpus.rows[present]]
    has = (corpus.rows >= 0).astype(np.float32)  # floats, for the product of BLAS
    overlap = {
        lang: dict(
            zip(corpus.languages, (has[:, [at]].T @ has)[0].astype(int).tolist(), strict=True)
        )
        for at, lang in enumerate(corpus.languages)
    }
    with bar(f"Describing {corpus.name}", len(item), "rows") as progress:
        texts = {lang: _texts(corpus, lang, progress) for lang in corpus.languages}
    return CorpusDescription(
        name=corpus.name,
        fingerprint=corpus.fingerprint,
        items=len(corpus),
        rows=len(item),
        languages=corpus.sizes,
        overlap=overlap,
        passages=len(np.unique(corpus.groups)),
        articles=len(np.unique(article[article >= 0])),
        items_without_article=len(corpus) - len(np.unique(item[article >= 0])),
        texts=texts,
    )


def _texts(corpus: ParallelCorpus, lang: str, progress: Bar) -> Texts:
    column = corpus.rows[:, corpus.languages.index(lang)]
    items = np.flatnonzero(column >= 0)
    rows, groups = column[items], corpus.groups[items]
    (query_lengths, queries), (passage_lengths, passages) = (
        _read(corpus, name, rows, progress) for name in ("query", "passage")
    )
    of_group = np.unique(np.column_stack([groups, passages]), axis=0)[:, 0]
    passages_of_group = np.unique(of_group, return_counts=True)[1]
    return Texts(
        query_characters=tuple(np.percentile(query_lengths, PERCENTILES).tolist()),
        passage_characters=tuple(np.percentile(passage_lengths, PERCENTILES).tolist()),
        repeated_queries=_repeats(corpus, "query", rows, queries, items),
        repeated_passages=_repeats(corpus, "passage", rows, passages, groups),
        several_passages=int((passages_of_group > 1).sum()),
        maximum_passages=int(passages_of_group.max()),
    )


def _read(
    corpus: ParallelCorpus, name: str, rows: NDArray[np.int32], progress: Bar
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the length of each text, and a number for it that equal texts share."""
    lengths, keys = np.empty(len(rows), np.int64), np.empty(len(rows), np.uint64)
    for start in range(0, len(rows), _BLOCK):  # only a block of texts is in memory
        texts = corpus.column(name, rows[start : start + _BLOCK])
        lengths[start : start + len(texts)] = [len(text) for text in texts]
        keys[start : start + len(texts)] = [
            # of ten million different texts, two have the same 64 bits with odds of 1 in 10^5
            int.from_bytes(blake2b(text.encode(), digest_size=8).digest())
            for text in texts
        ]
        progress.advance(len(texts) / 2)
    return lengths, np.unique(keys, return_inverse=True)[1]


def _repeats(
    corpus: ParallelCorpus,
    name: str,
    rows: NDArray[np.int32],
    text: NDArray[np.int64],
    owners: NDArray[np.integer],
) -> Repeats:
    """Find texts with several owners; all arrays have one entry per row."""
    _, first = np.unique(text * (int(owners.max()) + 1) + owners, return_index=True)
    owners_of_text = np.bincount(text[first])
    often = np.argsort(-owners_of_text, kind="stable")[:_EXAMPLES]
    examples = {}
    for number in often[owners_of_text[often] > 1]:
        shown = rows[np.sort(first[text[first] == number])[:_EXAMPLES]]
        examples[corpus.column(name, shown[:1])[0]] = tuple(corpus.column("id", shown))
    return Repeats(
        texts=int((owners_of_text > 1).sum()),
        items=int((owners_of_text > 1)[text].sum()),
        examples=examples,
    )
