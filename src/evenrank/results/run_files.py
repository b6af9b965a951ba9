"""Reading TREC files: the run of any system, qrels, and the languages of ids.

Run
    ``query Q0 passage rank score tag``, fields separated by blanks or tabs.
Qrels
    ``query 0 passage grade``; a grade of 1 or more is relevant, unless another level is asked for.
Languages
    ``passage<TAB>id<TAB>language`` and ``query<TAB>id<TAB>language[<TAB>question]``, where the
    translations of one question share the last field. The file lists the whole collection, since
    the sizes of its languages are part of the bias measures.

A file that is compressed by gzip is read as such, whatever its name, and a byte order mark in front
of UTF-8 is passed over, as are lines of white space only. Anything else that is not as above is an
error that names its file and line.
"""

from __future__ import annotations

import codecs
import gzip
import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import (
    Benchmark,
    Card,
    Passage,
    Query,
    TextSet,
    build_benchmark,
    with_grades,
)
from evenrank.errors import ConfigError, DataError
from evenrank.files import sha256_of
from evenrank.languages import normalise

RUN_LINE = "query Q0 passage rank score tag"
QRELS_LINE = "query 0 passage grade"
LANGUAGES_LINE = "passage<TAB>id<TAB>language or query<TAB>id<TAB>language[<TAB>question]"
_LARGEST = float(np.finfo(np.float32).max)
_SHOWN = 60
"""Characters of a field that messages show."""


@dataclass(frozen=True, eq=False)
class Run:
    """A system's rankings of a benchmark's queries, in the order in which trec_eval sees them.

    That order is by score as a 32-bit float, descending, then by passage id, descending; the rank
    field of the file is ignored.

    Attributes:
        path: Its file.
        tag: The system's name in the file.
        fingerprint: Of the file's bytes.
        queries: ``(N,)`` int64 positions in the benchmark, ascending.
        passages: ``(N,)`` int64 positions in the collection, best first within a query.
        scores: ``(N,)`` float32.
    """

    path: Path
    tag: str
    fingerprint: str
    queries: NDArray[np.int64]
    passages: NDArray[np.int64]
    scores: NDArray[np.float32]


def read_run(path: Path, benchmark: Benchmark) -> Run:
    """Read a run file.

    Args:
        path: The file.
        benchmark: What was searched; its ids are the file's.

    Raises:
        DataError: A line is not a run's, a query or passage is unknown, a passage comes twice for
            a query, or the file is empty or missing.
    """
    query_at, passage_at = _positions(benchmark.queries), _positions(benchmark.passages)
    tag = read_tag(path)
    numbers, queries, passages, scores = [], [], [], []
    for number, fields in _lines(path):
        if len(fields) != 6:
            _refuse(path, number, f"{len(fields)} fields", f"'{RUN_LINE}'")
        query, _, passage, _, score, _ = fields
        numbers.append(number)
        queries.append(_look_up(path, number, "query", query, query_at))
        passages.append(_look_up(path, number, "passage", passage, passage_at))
        scores.append(_score(path, number, score))
    query_N, passage_N = np.array(queries, dtype=np.int64), np.array(passages, dtype=np.int64)
    _refuse_twice(path, benchmark, numbers, query_N, passage_N)
    score_N = np.array(scores, dtype=np.float32)
    ids = pc.sort_indices(benchmark.passages.ids)  # by bytes, as trec_eval compares them
    place_D = np.empty(len(ids), dtype=np.int64)
    place_D[ids.to_numpy()] = np.arange(len(ids))
    order = np.lexsort((-place_D[passage_N], -score_N, query_N))
    return Run(
        path,
        tag,
        sha256_of(path)[:16],
        query_N[order],
        passage_N[order],
        score_N[order],
    )


def read_tag(path: Path) -> str:
    """Return the system's name in a run file, of which only the first line is read.

    Raises:
        DataError: The line is not a run's, or the file is empty or missing.
    """
    first = next(_lines(path), None)
    if first is None:
        _refuse(path, 1, "no line in the file", f"'{RUN_LINE}'", "Write the run again")
    number, fields = first
    if len(fields) != 6:
        _refuse(path, number, f"{len(fields)} fields", f"'{RUN_LINE}'")
    return fields[5].decode(errors="replace")


def read_benchmark(qrels: Path, languages: Path, *, relevance_level: int = 1) -> Benchmark:
    """Make a benchmark without texts from qrels and the languages of its ids.

    A query without a relevant passage is kept, and is not scored.

    Args:
        qrels: The judgments.
        languages: The languages of all ids.
        relevance_level: The least grade that is relevant, 1 or more. What is below has no part in
            any measure; what is above keeps its grade.

    Raises:
        ConfigError: The level is below 1.
        DataError: A line breaks its format, an id has no language, or an id or pair comes twice.
    """
    if relevance_level < 1:
        raise ConfigError(
            "relevance level", str(relevance_level), "1 or more", "Leave it out for 1"
        )
    queries, passages = _read_languages(languages)
    known = {query.id for query in queries}, {passage.id for passage in passages}
    grades = _read_qrels(qrels, languages, *known, relevance_level)
    level = "" if relevance_level == 1 else f", from grade {relevance_level}"
    card = Card(f"Relevance of {qrels.name}{level}", str(qrels), "not stated", "not stated")
    benchmark = build_benchmark(qrels.name.split(".")[0], card, queries, passages, grades)
    return with_grades(benchmark, grades)


def _read_qrels(
    path: Path, languages: Path, queries: set[str], passages: set[str], level: int
) -> dict[tuple[str, str], int]:
    """Return the pairs that are relevant with their grades; these need languages."""
    first: dict[tuple[str, str], int] = {}
    relevant: dict[tuple[str, str], int] = {}
    for number, fields in _lines(path):
        if len(fields) != 4:
            _refuse(path, number, f"{len(fields)} fields", f"'{QRELS_LINE}'")
        query, _, passage, grade = (_text(path, number, field) for field in fields)
        if first.setdefault((query, passage), number) != number:
            before = first[query, passage]
            _refuse(path, number, f"passage {_shown(passage)} again for query {_shown(query)}",
                    f"it once, as in line {before}")  # fmt: skip
        if not re.fullmatch(r"-?[0-9]{1,9}", grade):
            _refuse(path, number, f"grade {_shown(grade)}", "a whole number, above 0 for relevant")
        if int(grade) < level:
            continue
        for kind, id_, known in (("query", query, queries), ("passage", passage, passages)):
            if id_ not in known:
                remedy = f"Add the {kind} to {languages}"
                _refuse(
                    path, number, f"{kind} {_shown(id_)} without a language", "a known id", remedy
                )
        relevant[query, passage] = int(grade)
    if not relevant:
        expected = f"a line '{QRELS_LINE}' with a grade of {level} or more"
        _refuse(path, 1, "no relevant passage", expected)
    return relevant


def _read_languages(path: Path) -> tuple[list[Query], list[Passage]]:
    queries: dict[str, Query] = {}
    passages: dict[str, Passage] = {}
    tags: dict[str, str] = {}
    for number, fields in _lines(path, separator=b"\t"):
        kind, *rest = (_text(path, number, field).strip("\r\n") for field in fields)
        allowed = {"query": (2, 3), "passage": (2,)}.get(kind, ())
        if len(rest) not in allowed or not all(rest) or rest[0].split() != [rest[0]]:
            shown = f"{_shown(kind)} with {len(rest)} fields behind it"
            _refuse(path, number, shown, f"'{LANGUAGES_LINE}', ids without blanks")
        id_, code = rest[0], rest[1]
        if id_ in (queries if kind == "query" else passages):
            _refuse(path, number, f"{kind} {_shown(id_)} twice", "one language for each id")
        if code not in tags:
            tags[code] = normalise(code, f"{path}:{number}")
        if kind == "query":
            queries[id_] = Query(id_, rest[2] if len(rest) == 3 else f"\t{id_}", tags[code], "")
        else:
            passages[id_] = Passage(id_, tags[code], "")
    for kind, found in (("query", queries), ("passage", passages)):
        if not found:
            _refuse(path, 1, f"no {kind}", f"lines '{LANGUAGES_LINE}'")
    return list(queries.values()), list(passages.values())


def _lines(path: Path, separator: bytes | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the number and the fields of each line that is not blank.

    Fields stay bytes: in UTF-8 text, only ASCII white space separates fields, as in trec_eval.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.peek(2).startswith(b"\x1f\x8b")
            for number, line in enumerate(gzip.GzipFile(fileobj=raw) if packed else raw, 1):
                text = _without_mark(path, line) if number == 1 else line
                if fields := text.split():
                    yield number, fields if separator is None else text.split(separator)
    except (OSError, EOFError, zlib.error) as cause:
        raise DataError(
            str(path), str(cause), "a file that can be read", "Correct the path, or write it again"
        ) from cause


def _without_mark(path: Path, line: bytes) -> bytes:
    """Return the first line without a byte order mark, refusing that of another encoding."""
    if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        _refuse(path, 1, "text in UTF-16", "text in UTF-8", "Save the file as UTF-8")
    return line.removeprefix(codecs.BOM_UTF8)


def _positions(texts: TextSet) -> dict[bytes, int]:
    ids = texts.ids.cast(pa.binary()).to_pylist()
    return {id_: position for position, id_ in enumerate(ids)}


def _look_up(path: Path, number: int, kind: str, id_: bytes, known: dict[bytes, int]) -> int:
    position = known.get(id_)
    if position is None:
        _refuse(
            path,
            number,
            f"{kind} {_shown(id_)}, whose language is not known",
            f"a {kind} of the benchmark, or of the languages file",
            f"Add the {kind} there, or remove the line",
        )
    return position


def _score(path: Path, number: int, field: bytes) -> float:
    try:
        score = float(field)
    except ValueError:
        score = math.nan
    if not abs(score) <= _LARGEST or b"_" in field:
        _refuse(path, number, f"score {_shown(field)}", "a finite 32-bit number")
    return score


def _text(path: Path, number: int, field: bytes) -> str:
    try:
        return field.decode()
    except UnicodeDecodeError:
        _refuse(path, number, f"bytes {field[:_SHOWN]!r}", "text in UTF-8", "Save it as UTF-8")


def _shown(field: bytes | str) -> str:
    """Return a field as messages show it: in quotation marks, and no longer than a line."""
    text = field if isinstance(field, str) else field.decode(errors="replace")
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}... ({len(text):,} characters)"


def _refuse_twice(
    path: Path,
    benchmark: Benchmark,
    numbers: list[int],
    query_N: NDArray[np.int64],
    passage_N: NDArray[np.int64],
) -> None:
    """Refuse a passage that comes a second time for one query."""
    keys = query_N * len(benchmark.passages) + passage_N
    _, first = np.unique(keys, return_index=True)
    if len(first) == len(keys):
        return
    again = int(np.setdiff1d(np.arange(len(keys)), first)[0])
    before = int(np.flatnonzero(keys == keys[again])[0])
    passage = benchmark.passages.ids[passage_N[again]].as_py()
    query = benchmark.queries.ids[query_N[again]].as_py()
    _refuse(
        path,
        numbers[again],
        f"passage {_shown(passage)} again for query {_shown(query)}",
        f"it once, as in line {numbers[before]}",
    )


def _refuse(
    path: Path, number: int, found: str, expected: str, remedy: str = "Correct the line"
) -> NoReturn:
    raise DataError(f"{path}:{number}", found, expected, remedy)
