"""Reading TREC files: the run of any system, qrels, and the languages of ids.

Run
    ``query Q0 passage rank score tag``, fields separated by blanks or tabs.
Qrels
    ``query 0 passage grade``; a grade of 1 or more is relevant, unless another level is given.
Languages
    ``passage<TAB>id<TAB>language`` and ``query<TAB>id<TAB>language[<TAB>group]``; parallel queries
    have the same last field. The file lists all passages, since bias measures depend on how many
    there are in each language.

Files are UTF-8, with or without a byte order mark, and may be compressed by gzip, whatever their
name. Only ASCII white space separates fields, as in trec_eval, so that an id may contain a
no-break space. Blank lines are skipped. Anything else is an error that names file and line.
"""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import (
    Benchmark,
    Card,
    Passage,
    Query,
    build_benchmark,
    with_grades,
)
from evenrank.errors import ConfigError, DataError, FileError
from evenrank.files import sha256_of
from evenrank.languages import normalise

RUN_LINE = "query Q0 passage rank score tag"
QRELS_LINE = "query 0 passage grade"
LANGUAGES_LINE = "passage<TAB>id<TAB>language or query<TAB>id<TAB>language[<TAB>group]"
_BLANKS = " \t\r\v\f"
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_SHOWN = 60
"""Characters of a field that messages show."""


@dataclass(frozen=True, eq=False)
class Run:
    """A system's rankings of a benchmark's queries, in the order of trec_eval.

    That order is by score as a 32-bit float, descending, then by passage id, descending; the rank
    field of the file is ignored.

    Attributes:
        path: Its file.
        tag: The system's name in the file.
        fingerprint: Fingerprint of the file's bytes.
        queries: ``(N,)`` int64 positions of queries, ascending.
        passages: ``(N,)`` int64 positions of passages, best first within a query.
        scores: ``(N,)`` float32.
    """

    path: Path
    tag: str
    fingerprint: str
    queries: NDArray[np.int64]
    passages: NDArray[np.int64]
    scores: NDArray[np.float32]


class _Lines:
    """The lines of a file that are not blank, split into fields."""

    def __init__(self, path: Path, data: bytes, *, tabs: bool = False) -> None:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            _refuse(path, 1, "text in UTF-16", "text in UTF-8", "Save the file as UTF-8")
        lines = data.removeprefix(codecs.BOM_UTF8).split(b"\n")
        try:
            text = pa.array(lines, pa.large_binary()).cast(pa.large_string())
        except pa.ArrowInvalid:
            at = next(at for at, line in enumerate(lines) if not _is_text(line))
            _refuse(path, at + 1, f"bytes {lines[at][:_SHOWN]!r}", "UTF-8", "Save it as UTF-8")
        trimmed = pc.utf8_trim(text, characters=_BLANKS)
        filled = pc.not_equal(trimmed, "")
        self.path = path
        self.numbers = np.flatnonzero(filled) + 1
        self.fields: pa.Array = (
            pc.split_pattern(pc.utf8_rtrim(text, characters="\r").filter(filled), "\t")
            if tabs
            else pc.split_pattern_regex(trimmed.filter(filled), f"[{_BLANKS}]+")
        )

    def columns(self, count: int, layout: str) -> list[pa.Array]:
        """Return the fields by column; each line must have ``count`` of them."""
        if len(self.numbers) == 0:
            _refuse(self.path, 1, "no line in the file", f"'{layout}'", "Write the file again")
        counts = pc.list_value_length(self.fields).to_numpy()
        self.require(counts == count, lambda at: f"{counts[at]} fields", f"'{layout}'")
        flat = pc.list_flatten(self.fields)
        return [flat.take(pa.array(np.arange(at, len(flat), count))) for at in range(count)]

    def require(
        self,
        good_N: NDArray[np.bool_],
        found: Callable[[int], str],
        expected: str,
        remedy: str = "Correct the line",
    ) -> None:
        """Refuse the first line that is not good; ``found`` says what it contains."""
        if not good_N.all():
            at = int(good_N.argmin())
            _refuse(self.path, int(self.numbers[at]), found(at), expected, remedy)

    def require_once(self, query: pa.Array, passage: pa.Array) -> None:
        """Refuse a passage that occurs again for the same query."""
        keys = pc.binary_join_element_wise(query, passage, pa.scalar("\t", pa.large_string()))
        _, first, number = np.unique(
            pc.dictionary_encode(keys).indices, return_index=True, return_inverse=True
        )
        again = np.flatnonzero(first[number] < np.arange(len(keys)))
        if len(again):
            at, before = again[0], self.numbers[first[number[again[0]]]]
            found = f"passage {_shown(passage[at])} again for query {_shown(query[at])}"
            _refuse(self.path, int(self.numbers[at]), found, f"it once, as in line {before}")


def read_run(path: str | Path, benchmark: Benchmark) -> Run:
    """Read a run file.

    Args:
        path: The file.
        benchmark: What was searched; the file has its ids.

    Raises:
        DataError: A line is not in the format of a run, a query or passage is unknown, a passage
            occurs twice for a query, or the file is empty or missing.
    """
    path = Path(path)
    lines = _read(path)
    query, _, passage, _, score, tag = lines.columns(6, RUN_LINE)
    positions = []
    for kind, ids, texts in (
        ("query", query, benchmark.queries),
        ("passage", passage, benchmark.passages),
    ):
        known = texts.ids.combine_chunks().cast(pa.large_string())
        found = pc.index_in(ids, value_set=known)
        lines.require(
            np.asarray(found.is_valid()),
            lambda at, kind=kind, ids=ids: (  # type: ignore[misc]
                f"{kind} {_shown(ids[at])}, whose language is not known"
            ),
            f"a {kind} of the benchmark, or of the languages file",
            f"Add the {kind} there, or remove the line",
        )
        positions.append(found.to_numpy().astype(np.int64))
    query_N, passage_N = positions
    number = np.asarray(pc.match_substring_regex(score, _NUMBER))
    score_N = np.where(number, score, "nan").astype(np.float64)
    number &= np.abs(score_N) <= np.finfo(np.float32).max
    lines.require(number, lambda at: f"score {_shown(score[at])}", "a finite 32-bit number")
    lines.require_once(query, passage)
    ids = pc.sort_indices(benchmark.passages.ids)  # by bytes, as trec_eval compares them
    place_D = np.empty(len(ids), dtype=np.int64)
    place_D[ids.to_numpy()] = np.arange(len(ids))
    scores = score_N.astype(np.float32)
    order = np.lexsort((-place_D[passage_N], -scores, query_N))
    fingerprint = sha256_of(path)[:16]
    return Run(path, tag[0].as_py(), fingerprint, query_N[order], passage_N[order], scores[order])


def read_tag(path: str | Path) -> str:
    """Return the system's name in a run file, of which only the first line is read.

    Raises:
        DataError: The line is not in the format of a run, or the file is empty or missing.
    """
    path, head = Path(path), b""
    with _opened(path) as file:
        for line in file:
            head += line
            if line.strip():
                break
    return str(_Lines(path, head).columns(6, RUN_LINE)[5][0])


def read_benchmark(
    qrels: str | Path, languages: str | Path, *, relevance_level: int = 1
) -> Benchmark:
    """Make a benchmark without texts from qrels and the languages of its ids.

    A query without a relevant passage is kept, and is not scored.

    Args:
        qrels: The judgments.
        languages: The languages of all ids.
        relevance_level: The minimum grade of a relevant passage, 1 or more. Measures ignore lower
            grades; nDCG uses the others as gains.

    Raises:
        ConfigError: The level is below 1.
        DataError: A line breaks its format, an id has no language, or an id or pair occurs twice.
    """
    if relevance_level < 1:
        raise ConfigError(
            "relevance level", str(relevance_level), "1 or more", "Leave it out for 1"
        )
    qrels, languages = Path(qrels), Path(languages)
    queries, passages = _read_languages(languages)
    known = {query.id for query in queries}, {passage.id for passage in passages}
    grades = _read_qrels(qrels, languages, *known, relevance_level)
    level = "" if relevance_level == 1 else f", from grade {relevance_level}"
    card = Card(f"Relevance of {qrels.name}{level}", str(qrels), "not stated", "not stated")
    name = next((part for part in qrels.name.split(".") if part), "qrels")
    return with_grades(build_benchmark(name, card, queries, passages, grades), grades)


def _read_qrels(
    path: Path, languages: Path, queries: set[str], passages: set[str], level: int
) -> dict[tuple[str, str], int]:
    """Return the relevant pairs with their grades."""
    lines = _read(path)
    query, _, passage, grade = lines.columns(4, QRELS_LINE)
    whole = np.asarray(pc.match_substring_regex(grade, "^-?[0-9]{1,9}$"))
    expected = "a whole number, above 0 for relevant"
    lines.require(whole, lambda at: f"grade {_shown(grade[at])}", expected)
    lines.require_once(query, passage)
    grade_N = grade.cast(pa.int64()).to_numpy()
    for kind, ids, known in (("query", query, queries), ("passage", passage, passages)):
        with_language = np.asarray(pc.is_in(ids, value_set=pa.array(known, pa.large_string())))
        lines.require(
            with_language | (grade_N < level),
            lambda at, kind=kind, ids=ids: (  # type: ignore[misc]
                f"{kind} {_shown(ids[at])} without a language"
            ),
            "a known id",
            f"Add the {kind} to {languages}",
        )
    pairs = zip(query.to_pylist(), passage.to_pylist(), grade_N.tolist(), strict=True)
    relevant = {(query, passage): grade for query, passage, grade in pairs if grade >= level}
    if not relevant:
        expected = f"a line '{QRELS_LINE}' with a grade of {level} or more"
        _refuse(path, 1, "no relevant passage", expected)
    return relevant


def _read_languages(path: Path) -> tuple[list[Query], list[Passage]]:
    queries: dict[str, Query] = {}
    passages: dict[str, Passage] = {}
    codes: dict[str, str] = {}
    lines = _read(path, tabs=True)
    for number, (kind, *rest) in zip(lines.numbers.tolist(), lines.fields.to_pylist(), strict=True):
        allowed = {"query": (2, 3), "passage": (2,)}.get(kind, ())
        if len(rest) not in allowed or not all(rest) or re.search(f"[{_BLANKS}]", rest[0]):
            found = f"{_shown(kind)} with {len(rest)} more fields"
            _refuse(path, number, found, f"'{LANGUAGES_LINE}', ids without blanks")
        id_, code = rest[:2]
        if id_ in (queries if kind == "query" else passages):
            _refuse(path, number, f"{kind} {_shown(id_)} twice", "one language for each id")
        if code not in codes:
            codes[code] = normalise(code, f"{path}:{number}")
        if kind == "query":
            queries[id_] = Query(id_, rest[2] if len(rest) == 3 else f"\t{id_}", codes[code], "")
        else:
            passages[id_] = Passage(id_, codes[code], "")
    for kind, read in (("query", queries), ("passage", passages)):
        if not read:
            _refuse(path, 1, f"no {kind}", f"lines '{LANGUAGES_LINE}'")
    return list(queries.values()), list(passages.values())


def _read(path: Path, *, tabs: bool = False) -> _Lines:
    with _opened(path) as file:
        data = file.read()
    return _Lines(path, data, tabs=tabs)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file's bytes, unpacked if they are compressed."""
    try:
        with path.open("rb") as raw:
            packed = raw.peek(2).startswith(b"\x1f\x8b")
            yield gzip.GzipFile(fileobj=raw) if packed else raw  # type: ignore[misc]
    except (gzip.BadGzipFile, EOFError, zlib.error) as cause:
        raise DataError(
            str(path), f"damage ({cause})", "a whole gzip file", "Copy or write the file again"
        ) from cause
    except OSError as cause:
        raise FileError.of(cause, path) from cause


def _is_text(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _shown(field: object) -> str:
    """Return a field as messages show it: in quotation marks, and not longer than a line."""
    text = str(field)
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}... ({len(text):,} characters)"


def _refuse(
    path: Path, number: int, found: str, expected: str, remedy: str = "Correct the line"
) -> NoReturn:
    raise DataError(f"{path}:{number}", found, expected, remedy)
