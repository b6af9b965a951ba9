"""MIRACL: native speakers' queries over the whole Wikipedia of 18 languages.

The paper's setting is monolingual: nDCG@10 and R@100 of the development queries of each language
over its own passages. Judgments are 0 or 1 and are within one language, so a passage of another
language is never relevant; the multilingual pool shows how many passages of other languages rank
above the judged ones.

The 106 million passages stay on disk. ``docs/miracl.md`` says what a run costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import (
    BENCHMARKS,
    Benchmark,
    BenchmarkLoader,
    Card,
    Relevance,
    TextSet,
)
from evenrank.benchmarks.miracl_files import (
    PUBLISHED,
    corpus_files,
    read_qrels,
    read_topics,
)
from evenrank.benchmarks.passage_table import PassageTable, open_passages
from evenrank.errors import DataError, UnknownNameError

CARD = Card(
    title="MIRACL: queries of native speakers over the Wikipedia of 18 languages",
    source="https://huggingface.co/datasets/miracl/miracl",
    licence="Apache-2.0",
    citation="Zhang et al. (2023). MIRACL: A multilingual retrieval dataset covering 18 diverse "
    "languages. TACL 11. arXiv:2210.09984.",
    note="13,495 development queries, 106,332,152 passages; miracl:sw,yo takes some languages.",
)
PARTIAL = "partial"
_SEPARATOR = "\n\n"
"""Between title and text, as in MIRACL's own dense baseline."""


class _Part(NamedTuple):
    """One language: query ids, query texts, passages, pairs of query and relevant passage."""

    lang: str
    query_ids: list[str]
    query_texts: list[str]
    passages: PassageTable
    pairs: list[tuple[str, str]]


def load_miracl(languages: Sequence[str] = tuple(PUBLISHED), *, partial: bool = False) -> Benchmark:
    """Load MIRACL's development queries, judgments and passages.

    Queries are called ``<language>/<query id>``, passages ``<language>/<docid>``. The text of a
    passage is its title, an empty line and its text, as published.

    Args:
        languages: Codes of MIRACL.
        partial: Accept an incomplete set of passages, for a trial run. Its figures are not
            MIRACL's, so the benchmark's name says ``partial``.

    Raises:
        UnknownNameError: MIRACL does not have a language.
        ChecksumError: Queries or judgments are not those that MIRACL published.
        DataError: A file is missing or damaged, the number of passages is not MIRACL's, or a
            relevant passage is missing.
    """
    for lang in languages:
        if lang not in PUBLISHED:
            raise UnknownNameError("MIRACL language", lang, PUBLISHED)
    chosen = sorted(set(languages))
    words = [] if len(chosen) == len(PUBLISHED) else chosen
    arguments = ",".join([*words, *([PARTIAL] if partial else [])])
    parts = [_load_part(lang, partial=partial) for lang in chosen]
    return _benchmark(f"miracl:{arguments}" if arguments else "miracl", parts)


def _load_part(lang: str, *, partial: bool) -> _Part:
    topics, pairs = read_topics(lang), read_qrels(lang)

    def row(passage: Any) -> tuple[str, str]:  # noqa: ANN401 - any JSON
        title, text = passage["title"], passage["text"]
        heading = title and title + _SEPARATOR
        return f"{lang}/{passage['docid']}", heading + text

    files = corpus_files(lang)
    passages = open_passages(f"miracl/{lang}", files, row)
    expected = PUBLISHED[lang].passages
    if not partial and len(passages) != expected:
        raise DataError(
            f"{files[0].parent}",
            f"{len(passages):,} passages",
            f"{expected:,}, as MIRACL published",
            f"Get the missing files, or evaluate 'miracl:{lang},{PARTIAL}' for a trial run",
        )
    return _Part(
        lang,
        [f"{lang}/{id_}" for id_, _ in topics],
        [text for _, text in topics],
        passages,
        [(f"{lang}/{query}", f"{lang}/{passage}") for query, passage in pairs],
    )


def _benchmark(name: str, parts: list[_Part]) -> Benchmark:
    """Concatenate the languages; the texts of passages are not copied."""
    query_ids = [id_ for part in parts for id_ in part.query_ids]
    query_texts = [text for part in parts for text in part.query_texts]
    sizes = np.array([len(part.passages) for part in parts])
    first_rows = np.cumsum(sizes) - sizes
    number = {id_: at for at, id_ in enumerate(query_ids)}
    queries = np.array([number[query] for part in parts for query, _ in part.pairs], np.int64)
    passages = np.concatenate(
        [_positions(part) + first for part, first in zip(parts, first_rows, strict=True)]
    )
    order = np.lexsort((passages, queries))
    langs = np.arange(len(parts), dtype=np.int16)
    return Benchmark(
        name=name,
        card=CARD,
        languages=tuple(part.lang for part in parts),
        queries=TextSet(
            ids=pa.chunked_array([query_ids], pa.string()),
            texts=pa.chunked_array([query_texts], pa.string()),
            langs=np.repeat(langs, [len(part.query_ids) for part in parts]),
        ),
        parallel=np.arange(len(query_ids), dtype=np.int32),
        passages=TextSet(
            ids=_chained(part.passages.ids for part in parts),
            texts=_chained(part.passages.texts for part in parts),
            langs=np.repeat(langs, sizes),
        ),
        relevance=Relevance.of_pairs(queries[order], passages[order], len(query_ids)),
        digests=tuple(part.passages.digests for part in parts),
    )


def _positions(part: _Part) -> NDArray[np.int64]:
    """Return the position of each pair's passage among the passages of its language.

    Raises:
        DataError: A passage is missing, or is there twice.
    """
    wanted = pa.array([passage for _, passage in part.pairs], pa.large_string())
    distinct = wanted.unique()
    places = np.full(len(distinct), -1, dtype=np.int64)
    start = 0
    for ids in part.passages.ids.chunks:
        found = pc.index_in(ids, value_set=distinct)
        here = np.flatnonzero(found.is_valid().to_numpy(zero_copy_only=False))
        numbers = found.drop_null().to_numpy()
        twice = np.flatnonzero((places[numbers] >= 0) | (np.bincount(numbers)[numbers] > 1))
        if len(twice):
            raise _wrong(part, distinct[int(numbers[twice[0]])].as_py(), "twice")
        places[numbers] = here + start
        start += len(ids)
    if (places < 0).any():
        lost = distinct[int(np.argmin(places))].as_py()
        raise _wrong(part, lost, "which is missing")
    positions: NDArray[np.int64] = places[pc.index_in(wanted, value_set=distinct).to_numpy()]
    return positions


def _wrong(part: _Part, passage: str, found: str) -> DataError:
    query = next(query for query, relevant in part.pairs if relevant == passage)
    return DataError(
        f"benchmark 'miracl', relevance of query {query!r}",
        f"passage {passage!r} {found}",
        "each relevant passage once",
        f"Get the docs-*.jsonl.gz files of {part.lang!r} again",
    )


def _chained(columns: Iterable[pa.ChunkedArray]) -> pa.ChunkedArray:
    return pa.chunked_array(
        [chunk for column in columns for chunk in column.chunks], pa.large_string()
    )


def _load(argument: str | None) -> Benchmark:
    """Load ``miracl``, ``miracl:sw,yo`` or ``miracl:sw,partial``."""
    words = [word.strip() for word in (argument or "").split(",") if word.strip()]
    languages = [word for word in words if word != PARTIAL]
    return load_miracl(languages or tuple(PUBLISHED), partial=PARTIAL in words)


BENCHMARKS.register("miracl", BenchmarkLoader(CARD, _load, takes_argument=True))
