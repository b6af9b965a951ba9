"""What a benchmark is: queries, passages, relevance, and a card that says where it comes from.

Shapes: ``Q`` queries, ``D`` passages, ``L`` languages, ``P`` pairs of a query and one of its
relevant passages.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evenrank.errors import ConfigError, DataError
from evenrank.files import fingerprint_of
from evenrank.registry import Registry

_DIGEST_ROWS = 16_384


@dataclass(frozen=True)
class Card:
    """Where a benchmark comes from: shown by ``evenrank list`` and kept in every result."""

    title: str
    source: str
    licence: str
    citation: str
    note: str = ""


class Query(NamedTuple):
    """A query; parallel queries share ``parallel_id``."""

    id: str
    parallel_id: str
    lang: str
    text: str


class Passage(NamedTuple):
    """A passage."""

    id: str
    lang: str
    text: str


@dataclass(frozen=True, eq=False)
class TextSet:
    """Texts with ids and languages, in columns.

    Attributes:
        ids: Unique ids.
        texts: The texts, memory-mapped if they come from a file.
        langs: int16, index of the benchmark's languages.
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
        indptr: ``(Q + 1,)`` int64; query ``q`` has the pairs ``indptr[q]:indptr[q + 1]``.
        passages: ``(P,)`` int64, positions of passages, ascending within a query.
        grades: ``(P,)`` int64, the grade of each pair, 1 or more; ``None`` if all are 1. ``nDCG``
            uses grades as gains; all other measures ignore them.
    """

    indptr: NDArray[np.int64]
    passages: NDArray[np.int64]
    grades: NDArray[np.int64] | None = None

    @classmethod
    def of_pairs(
        cls,
        queries: NDArray[np.int64],
        passages: NDArray[np.int64],
        count: int,
        grades: NDArray[np.int64] | None = None,
    ) -> Relevance:
        """Return the relevance of ``count`` queries from their pairs, sorted by query."""
        ends = np.cumsum(np.bincount(queries, minlength=count))
        return cls(np.concatenate([[0], ends]).astype(np.int64), passages, grades)

    @cached_property
    def query_of(self) -> NDArray[np.int64]:
        """``(P,)`` int64, the query of each pair."""
        return np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))


class Digests(NamedTuple):
    """Digests of the ids and of the texts of some passages, see :func:`digest_of`."""

    ids: str
    texts: str


@dataclass(frozen=True, eq=False)
class Benchmark:
    """Queries, passages in all languages, and the relevant passages of each query.

    Passages are ordered by language, in the order of ``languages``, and keep the order of their
    source within a language. Everywhere in evenrank, equal scores are ranked in this order.

    Attributes:
        name: Name in tables, such as ``xquad-r``.
        card: Source, licence, citation.
        languages: All languages, sorted.
        queries: The ``Q`` queries.
        parallel: ``(Q,)`` int32, the same number for parallel queries.
        passages: The ``D`` passages.
        relevance: Relevant passages of each query.
        digests: Digests of each language's passages, if they are already known.
    """

    name: str
    card: Card
    languages: tuple[str, ...]
    queries: TextSet
    parallel: NDArray[np.int32]
    passages: TextSet
    relevance: Relevance
    digests: tuple[Digests, ...] | None = None

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """``(L + 1,)`` passages of language ``l`` are ``offsets[l]:offsets[l + 1]``."""
        bounds = np.searchsorted(self.passages.langs, np.arange(len(self.languages) + 1))
        return bounds.astype(np.int64)

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of ids, languages and relevance, then of the texts if there are any.

        The halves are separated by a hyphen. A benchmark read from qrels has the first half only.
        Names and cards do not count.
        """
        queries, relevance = self.queries, self.relevance
        ids, texts = self.passages.ids, self.passages.texts
        passages = self.digests or [
            Digests(digest_of(ids[begin:end]), digest_of(texts[begin:end]))
            for begin, end in pairwise(self.offsets.tolist())
        ]
        langs = pa.chunked_array([pa.array(self.languages).take(pa.array(queries.langs))])
        _, first, number = np.unique(self.parallel, return_index=True, return_inverse=True)
        grades = np.ones_like(relevance.passages) if relevance.grades is None else relevance.grades
        arrays: list[NDArray[Any]] = [first[number], relevance.indptr, relevance.passages, grades]
        structure = fingerprint_of(
            digest_of(queries.ids),
            digest_of(langs),
            *(
                f"{lang} {one.ids}"
                for lang, one, size in zip(
                    self.languages, passages, np.diff(self.offsets), strict=True
                )
                if size
            ),
            *(array.astype(np.int64).tobytes() for array in arrays),
        )
        if not pc.any(pc.not_equal(queries.texts, "")).as_py():
            return structure
        words = fingerprint_of(digest_of(queries.texts), *(one.texts for one in passages))
        return f"{structure}-{words}"


def digest_of(column: pa.ChunkedArray) -> str:
    """Return a digest of texts in their order, which does not depend on chunks."""
    digest = hashlib.sha256()
    for begin in range(0, len(column), _DIGEST_ROWS):
        digest.update(orjson.dumps(column[begin : begin + _DIGEST_ROWS].to_pylist()))
    return digest.hexdigest()


def same_content(one: str, other: str) -> bool:
    """Return whether two fingerprints are those of the same benchmark.

    The texts only count if both have them, so that a run that was read with qrels is comparable to
    a model's result.

    >>> same_content("1f-2e", "1f"), same_content("1f-2e", "1f-3d")
    (True, False)
    """
    (structure, _, texts), (structure_2, _, texts_2) = one.partition("-"), other.partition("-")
    return structure == structure_2 and (texts == texts_2 or not (texts and texts_2))


@dataclass(frozen=True)
class BenchmarkLoader:
    """A registered benchmark: a card that is known without data, and a way to load it.

    Attributes:
        card: Where the benchmark comes from.
        load: Loads the benchmark.
        takes_argument: Whether ``load`` gets what follows the colon in names such as
            ``corpus:PATH``, or ``None`` if there is no colon.
    """

    card: Card
    load: Callable[..., Benchmark]
    takes_argument: bool = False


BENCHMARKS: Registry[BenchmarkLoader] = Registry("benchmark", "evenrank.benchmarks")


def load_benchmark(name: str | Benchmark) -> Benchmark:
    """Load a benchmark by name: ``xquad-r``, ``corpus:PATH``. A loaded benchmark is returned.

    Raises:
        UnknownNameError: No benchmark has that name.
        ConfigError: An argument is missing, or the benchmark takes none.
        DataError: Its files are missing, damaged or break their contract.
    """
    if isinstance(name, Benchmark):
        return name
    title, colon, argument = name.partition(":")
    loader = BENCHMARKS.get(title)
    if loader.takes_argument:
        return loader.load(argument if colon else None)
    if colon:
        raise ConfigError(
            f"benchmark {title!r}", f"':{argument}' after it", "the name alone", "Remove it"
        )
    return loader.load()


def build_benchmark(
    name: str,
    card: Card,
    queries: Sequence[Query],
    passages: Sequence[Passage],
    qrels: Iterable[tuple[str, str]],
) -> Benchmark:
    """Build a benchmark from lists: order the passages by language, turn ids into positions.

    Args:
        name: Its name.
        card: Where it comes from.
        queries: At least one; ids are unique and have no blanks, tabs or line ends.
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
    query_at = _positions(name, "query", [query.id for query in queries])
    passage_at = _positions(name, "passage", [passage.id for passage in passages])
    pairs = [_pair(name, query_at, passage_at, pair) for pair in qrels]
    positions = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return benchmark_of(name, card, queries, passages, positions)


def benchmark_of(
    name: str,
    card: Card,
    queries: Sequence[Query],
    passages: Sequence[Passage],
    pairs_P2: NDArray[np.int64],
) -> Benchmark:
    """Build a benchmark like :func:`build_benchmark`, from pairs of positions in the two lists."""
    _positions(name, "query", [query.id for query in queries])
    _positions(name, "passage", [passage.id for passage in passages])
    languages = sorted({query.lang for query in queries} | {text.lang for text in passages})
    number = {lang: index for index, lang in enumerate(languages)}
    langs = np.array([number[passage.lang] for passage in passages])
    order = np.argsort(langs, kind="stable")
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    pairs = np.sort(pairs_P2[:, 0] * len(passages) + position[pairs_P2[:, 1]])
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]  # far faster than np.unique for millions
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
        passages=_text_set([passages[at] for at in order.tolist()], number),
        relevance=Relevance.of_pairs(pairs // len(passages), pairs % len(passages), len(queries)),
    )


def with_grades(benchmark: Benchmark, grades: Mapping[tuple[str, str], int]) -> Benchmark:
    """Return a benchmark with grades for its relevant passages.

    Args:
        benchmark: The benchmark.
        grades: Grade of a query id and a relevant passage id, 1 or more; 1 for other pairs.

    Raises:
        DataError: A grade is below 1.
    """
    relevance = benchmark.relevance
    queries = benchmark.queries.ids.take(pa.array(relevance.query_of)).to_pylist()
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
    return replace(benchmark, relevance=replace(relevance, grades=grade_P.astype(np.int64)))


def _positions(name: str, kind: str, ids: list[str]) -> dict[str, int]:
    """Return the position of each id; refuse an empty list, repeated ids and white space."""
    if not ids:
        raise DataError(f"benchmark {name!r}", f"no {kind}", "at least one", "Check its files")
    spaced = next((id_ for id_ in ids if id_.encode().split() != [id_.encode()]), None)
    if spaced is not None:
        raise DataError(
            f"benchmark {name!r}", f"{kind} id {spaced!r}", "an id without white space", "Rename it"
        )
    positions = {id_: position for position, id_ in enumerate(ids)}
    if len(positions) != len(ids):
        twice = Counter(ids).most_common(1)[0][0]
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
                "a known query and a relevant passage of the benchmark",
                f"Add the {kind} or remove the pair",
            )
    return query_at[query], passage_at[passage]


def _text_set(texts: Sequence[Query] | Sequence[Passage], number: dict[str, int]) -> TextSet:
    return TextSet(
        ids=pa.chunked_array([pa.array([text.id for text in texts], pa.string())]),
        texts=pa.chunked_array([pa.array([text.text for text in texts], pa.string())]),
        langs=np.array([number[text.lang] for text in texts], dtype=np.int16),
    )
