"""What can be indexed: plain passages in files, a parallel corpus, or a benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from evenrank.benchmarks.benchmark import Benchmark, load_benchmark
from evenrank.benchmarks.parallel_corpus import distinct_passages
from evenrank.data.corpus import ParallelCorpus, components
from evenrank.data.opening import open_corpus
from evenrank.data.readers.base import Part, Row, Source, Unreadable, open_source
from evenrank.data.rows import Field, checked
from evenrank.errors import DataError
from evenrank.progress import bar
from evenrank.search.base import Passage, Value

FIELDS = (
    Field("id", "id", "key", required=True),
    Field("lang", "language", "text", required=True),
    Field("text", "text", "text", required=True),
    Field("group", "group", "label", required=False),
)
"""Fields of a row of plain passages; all others are metadata."""
_NAMES = frozenset(name for field in FIELDS for name in (field.name, field.alias))
BENCHMARK = "benchmark:"
"""Before the name of a benchmark."""
_PARALLEL = frozenset({"query", "question", "passage", "context"})
_LARGEST = 1 << 63
_AT_ONCE = 16_384


@dataclass(frozen=True)
class PassageSource:
    """Passages to index.

    Attributes:
        name: What messages call them.
        passages: Yields them; only a few are in memory.
    """

    name: str
    passages: Iterator[Passage]


def open_passages(source: str | Path | ParallelCorpus | Benchmark) -> PassageSource:
    """Open passages to index.

    Args:
        source: A file or folder of rows with ``id``, ``lang`` and ``text``, and perhaps ``group``
            and other fields; what :func:`~evenrank.data.opening.open_corpus` opens; ``benchmark:``
            and a name; or a corpus or a benchmark. Passages of a corpus have the ids of the
            benchmark ``corpus:...``, and those that answer the same query are one group.

    Raises:
        DataError: The source cannot be read, or a row misses a field.
    """
    if isinstance(source, str) and source.startswith(BENCHMARK):
        source = load_benchmark(source.removeprefix(BENCHMARK))
    if isinstance(source, Benchmark):
        return PassageSource(source.name, _of_benchmark(source))
    if not isinstance(source, ParallelCorpus):
        found = open_source(str(source))
        if _is_plain(found):
            return PassageSource(found.name, _plain(found))
        source = open_corpus(source)
    return PassageSource(source.name, _of_corpus(source))


def _is_plain(source: Source) -> bool:
    """Return whether rows have one text, not a query and a passage."""
    for part in source.parts[:1]:
        for _, row in islice((row for chunk in part.read(_columns(part)) for row in chunk.rows), 1):
            return isinstance(row, dict) and "text" in row and not _PARALLEL & row.keys()
    return False


def _columns(part: Part) -> frozenset[str]:
    return frozenset(part.columns) | _NAMES | _PARALLEL


def _plain(source: Source) -> Iterator[Passage]:
    total = sum(part.size for part in source.parts) or None
    with bar(f"Reading {source.name}", total, source.unit) as progress:
        for part in source.parts:
            for chunk in part.read(_columns(part)):
                for number, row in chunk.rows:
                    yield _passage(row, part, number)
                progress.advance(chunk.consumed)


def _passage(row: Row | Unreadable, part: Part, number: int) -> Passage:
    try:
        if isinstance(row, Unreadable):
            raise row.error
        if part.lang and "language" not in row:
            row.setdefault("lang", part.lang)
        own = checked(row, part, number, FIELDS)
    except DataError as error:
        raise DataError(error.place, error.found, error.expected, "Correct the row") from None
    metadata = {
        name: _value(value, name, part, number)
        for name, value in row.items()
        if value is not None and name not in _NAMES
    }
    return Passage(own["id"], own["lang"], own["text"], own["group"] or "", metadata)


def _value(value: Any, name: str, part: Part, number: int) -> Value:  # noqa: ANN401 - any value
    """Return a value of metadata; lists and objects become JSON, others than numbers text."""
    if isinstance(value, list | dict):
        return orjson.dumps(value, default=str).decode()
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        found = f"{value} in field {name!r}"
        raise DataError(part.place(number), found, "a number of 64 bits", "Write it as a text")
    return value if isinstance(value, str | int | float | bool) else str(value)


def _of_corpus(corpus: ParallelCorpus) -> Iterator[Passage]:
    """Yield the passages of a corpus; a group has the id of a passage in it, without a language."""
    names: dict[int, str] = {}
    with bar(f"Reading {corpus.name}", unit="passages") as progress:
        for one, group in distinct_passages(corpus):
            name = names.setdefault(group, one.id.partition("/")[2])
            yield Passage(one.id, one.lang, one.text, name)
            progress.advance()


def _of_benchmark(benchmark: Benchmark) -> Iterator[Passage]:
    """Yield the passages of a benchmark; those that answer one query are a group."""
    texts, relevance = benchmark.passages, benchmark.relevance
    first = relevance.indptr[:-1][np.diff(relevance.indptr) > 0]
    heads = np.repeat(relevance.passages[first], np.diff(np.append(first, relevance.indptr[-1])))
    groups = components(len(texts), heads, relevance.passages)
    sizes = np.bincount(groups)
    names: dict[int, str] = {}
    for start in range(0, len(texts), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        columns = (texts.ids[part].to_pylist(), texts.texts[part].to_pylist())
        codes = (texts.langs[part].tolist(), groups[part].tolist())
        for id_, text, lang, group in zip(*columns, *codes, strict=True):
            name = names.setdefault(group, id_) if sizes[group] > 1 else ""
            yield Passage(id_, benchmark.languages[lang], text, name)
