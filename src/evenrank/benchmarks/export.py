"""A benchmark as files that other tools read: a BEIR folder, or TREC files.

BEIR
    ``corpus.jsonl`` (``_id``, ``title``, ``text``, ``metadata``), ``queries.jsonl`` (``_id``,
    ``text``, ``metadata``) and ``qrels/test.tsv`` (with a header line). ``metadata`` has the
    language and, of a query, the id that it shares with its parallel queries; titles are empty.
TREC
    ``queries.tsv`` and ``collection.tsv`` (id, text), ``qrels.trec`` and ``languages.tsv``, which
    ``evenrank evaluate --trec-run`` reads. In the texts, tabs and ends of lines become blanks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from evenrank.benchmarks.benchmark import Benchmark, Relevance, TextSet
from evenrank.errors import ConfigError, DataError
from evenrank.files import whole_file, whole_folder
from evenrank.languages import parse_languages

Format = Literal["beir", "trec"]
MARKERS: dict[Format, str] = {"beir": "BEIR export", "trec": "TREC export"}
"""What the folder of an export is marked as (see ``files.whole_folder``)."""
_BATCH = 65_536


def export_benchmark(
    benchmark: Benchmark, folder: Path, form: Format, *, overwrite: bool = False
) -> None:
    """Write a benchmark as a folder, whole or not at all.

    Args:
        benchmark: The benchmark; see :func:`restrict` for the pool of some languages.
        folder: The folder to create.
        form: ``beir`` or ``trec``.
        overwrite: Replace an export that exists; nothing else is ever replaced.

    Raises:
        ConfigError: ``folder`` exists.
        DataError: An id has white space or a quotation mark.
    """
    check_trec_ids(benchmark)
    with whole_folder(folder, overwrite=overwrite, marker=MARKERS[form]) as part:
        if form == "beir":
            _write_beir(benchmark, part)
        else:
            _write_trec(benchmark, part)


def restrict(
    benchmark: Benchmark,
    *,
    query_langs: Collection[str] | None = None,
    pool: Collection[str] | None = None,
) -> Benchmark:
    """Return the benchmark with the queries and the passages of some languages only.

    Args:
        benchmark: The whole benchmark.
        query_langs: Languages of queries to keep; all if ``None``.
        pool: Languages of passages to keep; all if ``None``.

    Raises:
        ConfigError: No query, or no passage, is in these languages.
    """
    queries = _rows_in(benchmark, "query", benchmark.queries, query_langs)
    kept = _rows_in(benchmark, "passage", benchmark.passages, pool)
    position = np.full(len(benchmark.passages), -1, dtype=np.int64)
    position[kept] = np.arange(len(kept))
    relevance = benchmark.relevance
    place = np.full(len(benchmark.queries), -1, dtype=np.int64)
    place[queries] = np.arange(len(queries))
    pairs = (position[relevance.passages] >= 0) & (place[relevance.query_of] >= 0)
    return replace(
        benchmark,
        queries=_take(benchmark.queries, queries),
        parallel=benchmark.parallel[queries],
        passages=_take(benchmark.passages, kept),
        relevance=Relevance.of_pairs(
            place[relevance.query_of[pairs]],
            position[relevance.passages[pairs]],
            len(queries),
            None if relevance.grades is None else relevance.grades[pairs],
        ),
        digests=None,
    )


def in_languages(benchmark: Benchmark, languages: str | Iterable[str] | None) -> Benchmark:
    """Return what the benchmark would be if it had some languages only.

    Args:
        benchmark: The whole benchmark.
        languages: Languages of queries and of passages to keep; all if ``None``. A language may
            have one of the two only.

    Raises:
        ConfigError: The benchmark misses a language, or no query or passage is in these languages.
        DataError: A code names no language.
    """
    if languages is None:
        return benchmark
    codes = set(parse_languages(languages))
    kept = [number for number, lang in enumerate(benchmark.languages) if lang in codes]
    place, names = f"benchmark {benchmark.name!r}", ", ".join(benchmark.languages)
    if unknown := sorted(codes - set(benchmark.languages)):
        remedy = "Choose languages that it has"
        raise ConfigError(place, f"nothing in {', '.join(unknown)}", f"some of {names}", remedy)
    present = []
    for kind, texts in (("query", benchmark.queries), ("passage", benchmark.passages)):
        there = [benchmark.languages[lang] for lang in kept if (texts.langs == lang).any()]
        if not there:
            found, remedy = f"no {kind} in {', '.join(sorted(codes))}", "Add a language"
            raise ConfigError(place, found, f"at least one {kind}", remedy)
        present.append(there)
    part = restrict(benchmark, query_langs=present[0], pool=present[1])
    number_of = np.full(len(benchmark.languages), -1, dtype=np.int16)
    number_of[kept] = np.arange(len(kept))
    return replace(
        part,
        languages=tuple(benchmark.languages[lang] for lang in kept),
        queries=replace(part.queries, langs=number_of[part.queries.langs]),
        passages=replace(part.passages, langs=number_of[part.passages.langs]),
    )


def check_trec_ids(benchmark: Benchmark) -> None:
    """Refuse ids with white space, which separates the fields of TREC files.

    Raises:
        DataError: An id is empty, or has white space or a quotation mark.
    """
    sets: dict[str, TextSet] = {"query": benchmark.queries, "passage": benchmark.passages}
    for kind, texts in sets.items():
        bad = pc.match_substring_regex(texts.ids, r'[\s\p{Z}"]|^$')
        if pc.any(bad).as_py():
            at = pc.index(bad, pa.scalar(True)).as_py()
            raise DataError(
                f"benchmark {benchmark.name!r}",
                f"{kind} id {texts.ids[at].as_py()!r}",
                "ids without white space or quotation marks, as TREC files need",
                "Change the id, or leave out the run file",
            )


def write_qrels(path: Path, benchmark: Benchmark) -> None:
    """Write the relevant passages of the multilingual pool as TREC qrels.

    Raises:
        DataError: An id has white space or a quotation mark.
    """
    check_trec_ids(benchmark)
    queries, passages, grades = _pairs(benchmark)
    write_rows(
        path,
        {
            "query": queries,
            "iteration": constant("0", len(queries)),
            "passage": passages,
            "relevance": grades,
        },
    )


def write_rows(path: Path, columns: dict[str, pa.Array], *, delimiter: str = " ") -> None:
    """Write columns as lines of fields without quotation marks or a header."""
    options = csv.WriteOptions(include_header=False, delimiter=delimiter, quoting_style="none")
    with whole_file(path) as part:
        csv.write_csv(pa.table(columns), part, options)


def constant(value: str, length: int) -> pa.Array:
    """Return a column in which all values are equal."""
    return pa.array([value]).take(pa.array(np.zeros(length, dtype=np.int8)))


def _write_beir(benchmark: Benchmark, folder: Path) -> None:
    with (folder / "corpus.jsonl").open("wb") as file:
        for id_, text, lang in _texts(benchmark, benchmark.passages):
            row = {"_id": id_, "title": "", "text": text, "metadata": {"language": lang}}
            file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    names = _parallel_ids(benchmark)
    with (folder / "queries.jsonl").open("wb") as file:
        queries = _texts(benchmark, benchmark.queries)
        for (id_, text, lang), number in zip(queries, benchmark.parallel.tolist(), strict=True):
            metadata = {"language": lang, "parallel": names[number]}
            row = {"_id": id_, "text": text, "metadata": metadata}
            file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    pairs = zip(*(column.to_pylist() for column in _pairs(benchmark)), strict=True)
    (folder / "qrels").mkdir()
    with (folder / "qrels" / "test.tsv").open("w", encoding="utf-8", newline="\n") as file:
        file.write("query-id\tcorpus-id\tscore\n")
        file.writelines(f"{query}\t{passage}\t{grade}\n" for query, passage, grade in pairs)


def _parallel_ids(benchmark: Benchmark) -> dict[int, str]:
    """Return what parallel queries are called together, by their number in the benchmark.

    It is their id without the language, if they alone have it; else the id of the first of them.
    """
    ids: dict[int, set[str]] = {}
    first: dict[int, str] = {}
    queries = _texts(benchmark, benchmark.queries)
    for (id_, _, lang), number in zip(queries, benchmark.parallel.tolist(), strict=True):
        ids.setdefault(number, set()).add(id_.removeprefix(f"{lang}/"))
        first.setdefault(number, id_)
    shared = Counter(id_ for some in ids.values() for id_ in some)
    return {
        number: id_ if len(ids[number]) == 1 and shared[id_] == 1 else first[number]
        for number in ids
        for id_ in [min(ids[number])]
    }


def _write_trec(benchmark: Benchmark, folder: Path) -> None:
    for name, texts in (("collection", benchmark.passages), ("queries", benchmark.queries)):
        with (folder / f"{name}.tsv").open("w", encoding="utf-8", newline="\n") as file:
            for id_, text, _ in _texts(benchmark, texts):
                file.write(f"{id_}\t{_one_line(text)}\n")
    write_qrels(folder / "qrels.trec", benchmark)
    parallel = benchmark.parallel.tolist()
    with (folder / "languages.tsv").open("w", encoding="utf-8", newline="\n") as file:
        for id_, _, lang in _texts(benchmark, benchmark.passages):
            file.write(f"passage\t{id_}\t{lang}\n")
        queries = _texts(benchmark, benchmark.queries)
        for number, (id_, _, lang) in zip(parallel, queries, strict=True):
            file.write(f"query\t{id_}\t{lang}\t{number}\n")


def _texts(benchmark: Benchmark, texts: TextSet) -> Iterator[tuple[str, str, str]]:
    """Yield id, text and language, a batch in memory at a time."""
    for begin in range(0, len(texts), _BATCH):
        ids = texts.ids.slice(begin, _BATCH).to_pylist()
        words = texts.texts.slice(begin, _BATCH).to_pylist()
        langs = texts.langs[begin : begin + _BATCH].tolist()
        for id_, text, lang in zip(ids, words, langs, strict=True):
            yield id_, text, benchmark.languages[lang]


def _one_line(text: str) -> str:
    return " ".join(part for line in text.splitlines() for part in line.split("\t"))


def _pairs(benchmark: Benchmark) -> tuple[pa.ChunkedArray, pa.ChunkedArray, pa.Array]:
    """Return the ids of each query and relevant passage, and its grade."""
    relevance = benchmark.relevance
    queries = relevance.query_of
    return (
        benchmark.queries.ids.take(pa.array(queries)),
        benchmark.passages.ids.take(pa.array(relevance.passages)),
        constant("1", len(queries)) if relevance.grades is None else pa.array(relevance.grades),
    )


def _take(texts: TextSet, rows: NDArray[np.int64]) -> TextSet:
    at = pa.array(rows)
    return TextSet(texts.ids.take(at), texts.texts.take(at), texts.langs[rows])


def _rows_in(
    benchmark: Benchmark, kind: str, texts: TextSet, langs: Collection[str] | None
) -> NDArray[np.int64]:
    if langs is None:
        return np.arange(len(texts))
    present = {benchmark.languages[lang] for lang in np.unique(texts.langs).tolist()}
    if unknown := sorted(set(langs) - present):
        raise ConfigError(
            f"benchmark {benchmark.name!r}",
            f"no {kind} in {', '.join(unknown)}",
            f"some of {', '.join(sorted(present))}",
            "Choose languages that it has",
        )
    numbers = [benchmark.languages.index(lang) for lang in langs]
    return np.flatnonzero(np.isin(texts.langs, numbers))
