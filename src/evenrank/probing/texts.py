"""The texts of a probe: passages and queries with a language tag each, and canaries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark, TextSet
from evenrank.benchmarks.parallel_corpus import benchmark_from_corpus
from evenrank.data.corpus import ParallelCorpus, values_at
from evenrank.data.opening import open_corpus
from evenrank.data.readers.base import Unreadable
from evenrank.data.readers.files import SUFFIXES, part_of, stem
from evenrank.encoding.store import Texts, each
from evenrank.errors import DataError
from evenrank.languages import normalise

TAG = 'Add a field \'lang\' to every row, such as "lang": "de"'
_ROWS = 16_384


@dataclass(frozen=True, eq=False)
class Tagged:
    """Texts with a language each.

    Attributes:
        name: What messages call them.
        texts: ``N`` texts.
        langs: ``(N,)`` int16 positions in ``languages``.
        languages: Languages, sorted.
    """

    name: str
    texts: Texts
    langs: NDArray[np.int16]
    languages: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.langs)

    @property
    def sizes(self) -> dict[str, int]:
        """Texts of each language."""
        counts = np.bincount(self.langs, minlength=len(self.languages)).tolist()
        return {lang: count for lang, count in zip(self.languages, counts, strict=True) if count}

    def sample(self, size: int, random: np.random.Generator) -> NDArray[np.int64]:
        """Return positions of ``size`` texts of each language, or all of fewer, sorted."""
        groups = (np.flatnonzero(self.langs == lang) for lang in range(len(self.languages)))
        chosen = [random.permutation(group)[:size] for group in groups]
        return np.sort(np.concatenate(chosen)).astype(np.int64)

    def at(self, positions: NDArray[np.int64]) -> list[str]:
        """Return the texts at some positions."""
        if isinstance(self.texts, pa.ChunkedArray):
            return values_at(self.texts, positions)
        return [self.texts[position] for position in positions.tolist()]


@dataclass(frozen=True, eq=False)
class CanaryTexts:
    """Parallel texts that are ranked with the passages and written nowhere.

    Attributes:
        name: Name of their corpus.
        languages: ``B`` languages, all of which the passages have.
        queries: ``I`` times ``B`` queries.
        passages: The passages that answer them.
        known: Items that were left out because the corpus contains their passages.
    """

    name: str
    languages: tuple[str, ...]
    queries: list[list[str]]
    passages: list[list[str]]
    known: int


def open_texts(
    corpus: str | Path | ParallelCorpus | Benchmark, queries: str | Path | None = None
) -> tuple[Tagged, Tagged | None]:
    """Return the passages of a corpus, and the queries if there are any.

    Args:
        corpus: A file whose rows have ``text`` and ``lang``; or a parallel corpus or a benchmark,
            which has queries.
        queries: A file of queries whose rows have ``text`` and ``lang``, used instead.

    Raises:
        DataError: A text has no language or a tag that is no language; one language only; a
            language with one passage; or queries in a language that the corpus does not have.
    """
    own: Tagged | None = None
    if isinstance(corpus, str | Path) and _is_plain(Path(corpus)):
        passages = read_tagged(Path(corpus))
    else:
        data = corpus if isinstance(corpus, ParallelCorpus | Benchmark) else open_corpus(corpus)
        data = benchmark_from_corpus(data) if isinstance(data, ParallelCorpus) else data
        passages = _tagged(data, data.passages)
        own = _tagged(data, data.queries) if len(data.queries) else None
    _check(passages)
    if queries is None:
        return passages, None if own is None else _aligned(own, passages)
    return passages, _aligned(read_tagged(Path(queries)), passages)


def read_tagged(path: Path) -> Tagged:
    """Read a file (JSON lines, CSV, TSV or Parquet) whose rows have ``text`` and ``lang``.

    Raises:
        DataError: There is no such file; or a row has no text, no language, or another fault.
    """
    if not path.name.endswith(SUFFIXES) or not path.is_file():
        found = "a file of another kind" if path.exists() else "no such file"
        raise DataError(
            str(path), found, f"a file that ends in {', '.join(SUFFIXES)}", "Correct it"
        )
    chunks: list[pa.Array] = []
    texts: list[str] = []
    codes: list[int] = []
    numbers: dict[str, int] = {}
    for place, row in _rows(path):
        texts.append(_text(row, place))
        tag = row.get("lang", row.get("language"))
        if not isinstance(tag, str) or not tag.strip():
            found = "no language" if tag in (None, "") else f"the language {tag!r}"
            raise DataError(place, found, "the language of each text", TAG)
        lang = normalise(tag.strip(), place)
        codes.append(numbers.setdefault(lang, len(numbers)))
        if len(texts) == _ROWS:
            chunks.append(pa.array(texts, pa.string()))
            texts = []
    chunks.append(pa.array(texts, pa.string()))
    if not codes:
        raise DataError(str(path), "no rows", "texts with their languages", "Correct the file")
    languages = sorted(numbers)
    places = np.array([languages.index(lang) for lang in numbers], dtype=np.int16)
    return Tagged(stem(path), pa.chunked_array(chunks), places[np.array(codes)], tuple(languages))


def open_canaries(source: str | Path | ParallelCorpus, passages: Tagged, items: int) -> CanaryTexts:
    """Return items of a parallel corpus in those of its languages that the passages have.

    An item is used if it is in all of these languages and the corpus does not contain it.

    Args:
        source: The parallel corpus.
        passages: The passages of the probe.
        items: Items at most, evenly spread.

    Raises:
        DataError: There are canaries in fewer than two of the languages, or fewer than two items.
    """
    corpus = source if isinstance(source, ParallelCorpus) else open_corpus(source)
    shared = [lang for lang in corpus.languages if lang in passages.languages]
    place, remedy = f"canaries {corpus.name!r}", "Name another parallel corpus with --canaries"
    if len(shared) < 2:
        raise DataError(
            place,
            f"texts in {', '.join(shared) or 'none'} of the languages of {passages.name}",
            f"texts in two or more of {', '.join(passages.languages)}",
            f"{remedy}, or leave them out with --canaries none",
        )
    corpus = corpus.restrict(shared)
    full = np.flatnonzero((corpus.rows >= 0).all(axis=1))
    full = full[np.sort(np.unique(corpus.groups[full], return_index=True)[1])]
    unknown = _unknown(corpus, full, passages)
    if len(unknown) < 2:
        found = f"{len(unknown)} items in all of {', '.join(shared)}"
        found += f" ({len(full) - len(unknown)} are in {passages.name})" if len(full) else ""
        raise DataError(place, found, "2 or more that the corpus does not contain", remedy)
    chosen = unknown[np.arange(min(items, len(unknown))) * len(unknown) // min(items, len(unknown))]
    rows = corpus.rows[chosen]
    queries, answers = (
        np.array(corpus.column(name, rows.ravel()), dtype=object).reshape(rows.shape).tolist()
        for name in ("query", "passage")
    )
    return CanaryTexts(corpus.name, tuple(shared), queries, answers, len(full) - len(unknown))


def _unknown(corpus: ParallelCorpus, items: NDArray[Any], passages: Tagged) -> NDArray[Any]:
    """Return the items none of whose passages is in the corpus of the probe."""
    texts = corpus.column("passage", corpus.rows[items].ravel())
    present = set(texts).intersection(each(passages.texts))
    inside = np.array([text in present for text in texts], dtype=bool).reshape(len(items), -1)
    return items[~inside.any(axis=1)]


def _is_plain(path: Path) -> bool:
    """Return whether a file has rows of one text, not of a query and a passage."""
    if not (path.name.endswith(SUFFIXES) and path.is_file()):
        return False
    first = next(_rows(path), None)
    return first is not None and "text" in first[1] and not {"query", "question"} & first[1].keys()


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each row of a file with its place."""
    part = part_of(path)
    for chunk in part.read(frozenset({"text", "lang", "language"})):
        for number, row in chunk.rows:
            if isinstance(row, Unreadable):
                error = row.error
                raise DataError(error.place, error.found, error.expected, "Correct the file")
            yield part.place(number), row


def _text(row: dict[str, Any], place: str) -> str:
    text = row.get("text")
    if isinstance(text, str) and text.strip():
        return text
    found = "no field 'text'" if text is None else f"the text {str(text)[:60]!r}"
    raise DataError(place, found, "a text with a visible character", "Correct the row")


def _tagged(data: Benchmark, texts: TextSet) -> Tagged:
    used = np.unique(texts.langs)
    places = np.zeros(len(data.languages), dtype=np.int16)
    places[used] = np.arange(len(used))
    languages = tuple(data.languages[lang] for lang in used)
    return Tagged(data.name, texts.texts, places[texts.langs], languages)


def _check(passages: Tagged) -> None:
    if len(passages.languages) < 2:
        raise DataError(
            passages.name,
            f"passages in one language only, {passages.languages[0]!r}",
            "two or more languages",
            "Add passages in another language: without them there is no bias to measure",
        )
    for lang, count in passages.sizes.items():
        if count < 2:
            found, remedy = f"1 passage in {lang!r}", "Add passages, or leave the language out"
            raise DataError(passages.name, found, "2 or more in each language", remedy)


def _aligned(queries: Tagged, passages: Tagged) -> Tagged:
    """Return the queries with languages numbered as those of the passages."""
    others = [lang for lang in queries.languages if lang not in passages.languages]
    if others:
        raise DataError(
            f"queries of {queries.name}",
            f"queries in {', '.join(others)}, in which there are no passages",
            f"languages of the passages: {', '.join(passages.languages)}",
            "Add passages in these languages, or leave the queries out",
        )
    places = np.array([passages.languages.index(lang) for lang in queries.languages], np.int16)
    return Tagged(queries.name, queries.texts, places[queries.langs], passages.languages)


def flat(texts: Sequence[Sequence[str]]) -> list[str]:
    """Return the texts of canaries, item by item."""
    return [text for item in texts for text in item]
