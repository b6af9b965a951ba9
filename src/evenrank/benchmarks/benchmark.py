"""What a benchmark is: queries, one multilingual collection, relevance, and where it comes from.

Shapes: ``Q`` queries, ``D`` passages, ``L`` languages, ``P`` pairs of a query and one of its
relevant passages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenrank.errors import ConfigError, DataError
from evenrank.files import fingerprint_of
from evenrank.registry import Registry


@dataclass(frozen=True)
class Card:
    """Where a benchmark comes from: shown by ``evenrank list`` and kept in every result."""

    title: str
    source: str
    licence: str
    citation: str
    note: str = ""


class Query(NamedTuple):
    """A query; ``parallel_id`` is shared by the translations of one question."""

    id: str
    parallel_id: str
    lang: str
    text: str


class Passage(NamedTuple):
    """A passage of the collection."""

    id: str
    lang: str
    text: str


@dataclass(frozen=True, eq=False)
class TextSet:
    """Texts with ids and languages, in columns.

    Attributes:
        ids: Unique ids.
        texts: The texts, memory-mapped where they come from a file.
        langs: int16 index into the benchmark's languages.
    """

    ids: pa.ChunkedArray
    texts: pa.ChunkedArray
    langs: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.langs)


@dataclass(frozen=True, eq=False)
class Relevance:
    """Relevant passages of each query, as compressed rows.

    Attributes:
        indptr: ``(Q + 1,)`` int64; query ``q`` owns the pairs ``indptr[q]:indptr[q + 1]``.
        passages: ``(P,)`` int64, positions in the collection, ascending within a query.
        grades: ``(P,)`` int64, how relevant each passage is, 1 or more; ``None`` where all have
            grade 1. ``nDCG`` takes them as gains; to every other measure they are alike.
    """

    indptr: NDArray[np.int64]
    passages: NDArray[np.int64]
    grades: NDArray[np.int64] | None = None

    @cached_property
    def query_of(self) -> NDArray[np.int64]:
        """``(P,)`` int64, the query of each pair."""
        return np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))


@dataclass(frozen=True, eq=False)
class Benchmark:
    """Queries, one collection over all languages, and the relevant passages.

    The collection is ordered by language, in the order of ``languages``, and keeps the order of
    its source within a language. This order is the order of ties everywhere in evenrank.

    Attributes:
        name: Name in tables, such as ``xquad-r``.
        card: Source, licence, citation.
        languages: All languages, sorted.
        queries: The ``Q`` queries.
        parallel: ``(Q,)`` int32, a number shared by the translations of one question.
        passages: The ``D`` passages.
        relevance: Which passages answer which query.
    """

    name: str
    card: Card
    languages: tuple[str, ...]
    queries: TextSet
    parallel: NDArray[np.int32]
    passages: TextSet
    relevance: Relevance
    fingerprint: str = field(default="")

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """``(L + 1,)`` passages of language ``l`` are ``offsets[l]:offsets[l + 1]``."""
        return np.searchsorted(self.passages.langs, np.arange(len(self.languages) + 1)).astype(
            np.int64
        )


class BenchmarkLoader(Protocol):
    """A registered benchmark: a card that is known without data, and a way to load it.

    ``argument`` is what follows the colon in names such as ``corpus:PATH``, else ``None``.
    """

    @property
    def card(self) -> Card:
        """Where the benchmark comes from."""
        ...

    def __call__(self, argument: str | None) -> Benchmark:
        """Load the benchmark."""
        ...


@dataclass(frozen=True)
class FixedBenchmark:
    """The loader of a benchmark that there is one of, so that its name takes no argument."""

    name: str
    card: Card
    load: Callable[[], Benchmark]

    def __call__(self, argument: str | None) -> Benchmark:
        """Load the benchmark.

        Raises:
            ConfigError: An argument is given.
        """
        if argument is not None:
            raise ConfigError(
                f"benchmark {self.name!r}", f"':{argument}' after it", "the name alone", "Remove it"
            )
        return self.load()


BENCHMARKS: Registry[BenchmarkLoader] = Registry("benchmark", "evenrank.benchmarks")


def load_benchmark(name: str | Benchmark) -> Benchmark:
    """Load a benchmark by name: ``xquad-r``, ``corpus:PATH``; one that is loaded is returned.

    Raises:
        UnknownNameError: No benchmark has that name.
        DataError: Its files are missing, damaged or break their contract.
    """
    if isinstance(name, Benchmark):
        return name
    loader, colon, argument = name.partition(":")
    return BENCHMARKS.get(loader)(argument if colon else None)


def build_benchmark(
    name: str,
    card: Card,
    queries: Sequence[Query],
    passages: Sequence[Passage],
    qrels: Iterable[tuple[str, str]],
) -> Benchmark:
    """Build a benchmark from lists: order the collection by language, turn ids into positions.

    Args:
        name: Its name.
        card: Where it comes from.
        queries: At least one; ids unique and free of white space, as TREC files need them.
        passages: At least one; ids likewise.
        qrels: Pairs of query id and relevant passage id.

    Raises:
        DataError: An id is repeated or has white space, or a pair names a query or passage that
            does not exist.

    >>> benchmark = build_benchmark(
    ...     "colours",
    ...     Card("Colours", "this page", "CC0-1.0", "none"),
    ...     [Query("en/1", "1", "en", "What colour is snow?")],
    ...     [Passage("en/a", "en", "Snow is white."), Passage("de/a", "de", "Schnee ist weiß.")],
    ...     [("en/1", "en/a"), ("en/1", "de/a")],
    ... )
    >>> benchmark.languages, benchmark.passages.ids.to_pylist(), benchmark.relevance.passages
    (('de', 'en'), ['de/a', 'en/a'], array([0, 1]))
    """
    languages = sorted({query.lang for query in queries} | {text.lang for text in passages})
    number = {lang: index for index, lang in enumerate(languages)}
    ordered = sorted(passages, key=lambda passage: number[passage.lang])  # stable
    query_at = _positions(name, "query", [query.id for query in queries])
    passage_at = _positions(name, "passage", [passage.id for passage in ordered])
    pairs = sorted({_pair(name, query_at, passage_at, pair) for pair in qrels})
    counts = np.bincount([query for query, _ in pairs], minlength=len(queries))
    parallel: dict[str, int] = {}
    return Benchmark(
        name=name,
        card=card,
        languages=tuple(languages),
        queries=_text_set(queries, number),
        parallel=np.array(
            [parallel.setdefault(query.parallel_id, len(parallel)) for query in queries],
            dtype=np.int32,
        ),
        passages=_text_set(ordered, number),
        relevance=Relevance(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            np.array([passage for _, passage in pairs], dtype=np.int64),
        ),
        fingerprint=fingerprint_of(
            name, *(repr(text) for text in (*queries, *ordered)), repr(pairs)
        ),
    )


def with_grades(benchmark: Benchmark, grades: Mapping[tuple[str, str], int]) -> Benchmark:
    """Return a benchmark whose relevant passages are told apart by how relevant they are.

    Args:
        benchmark: The benchmark.
        grades: Grade of a query id and a relevant passage id, 1 or more; 1 for pairs it lacks.

    Raises:
        DataError: A grade is below 1.
    """
    relevance = benchmark.relevance
    owners = np.repeat(np.arange(len(benchmark.queries)), np.diff(relevance.indptr))
    queries = benchmark.queries.ids.take(pa.array(owners)).to_pylist()
    passages = benchmark.passages.ids.take(pa.array(relevance.passages)).to_pylist()
    grade_P = np.array([grades.get(pair, 1) for pair in zip(queries, passages, strict=True)])
    if (grade_P < 1).any():
        at = int(grade_P.argmin())
        raise DataError(
            f"benchmark {benchmark.name!r}, relevance of query {queries[at]!r}",
            f"grade {grade_P[at]} of passage {passages[at]!r}",
            "1 or more for a relevant passage",
            "Leave the pair out",
        )
    if (grade_P == 1).all():
        return benchmark
    return replace(
        benchmark,
        relevance=replace(relevance, grades=grade_P.astype(np.int64)),
        fingerprint=fingerprint_of(benchmark.fingerprint, repr(grade_P.tolist())),
    )


def _positions(name: str, kind: str, ids: list[str]) -> dict[str, int]:
    """Return the position of each id, refusing none, repeated ones and ones with white space."""
    if not ids:
        raise DataError(f"benchmark {name!r}", f"no {kind}", "at least one", "Check its files")
    spaced = next((id_ for id_ in ids if id_.split() != [id_]), None)
    if spaced is not None:
        raise DataError(
            f"benchmark {name!r}", f"{kind} id {spaced!r}", "an id without white space", "Rename it"
        )
    positions = {id_: position for position, id_ in enumerate(ids)}
    if len(positions) != len(ids):
        twice = next(id_ for position, id_ in enumerate(ids) if positions[id_] != position)
        raise DataError(
            f"benchmark {name!r}", f"{kind} id {twice!r} twice", "unique ids", "Rename one"
        )
    return positions


def _pair(
    name: str, query_at: dict[str, int], passage_at: dict[str, int], pair: tuple[str, str]
) -> tuple[int, int]:
    query, passage = pair
    for kind, id_, known in (("query", query, query_at), ("passage", passage, passage_at)):
        if id_ not in known:
            raise DataError(
                f"benchmark {name!r}, relevance of query {query!r}",
                f"{kind} {id_!r}, which is not in the benchmark",
                "a relevant passage that is in the collection, and a known query",
                f"Add the {kind} or remove the pair",
            )
    return query_at[query], passage_at[passage]


def _text_set(texts: Sequence[Query] | Sequence[Passage], number: dict[str, int]) -> TextSet:
    return TextSet(
        ids=pa.chunked_array([pa.array([text.id for text in texts], pa.string())]),
        texts=pa.chunked_array([pa.array([text.text for text in texts], pa.string())]),
        langs=np.array([number[text.lang] for text in texts], dtype=np.int16),
    )
