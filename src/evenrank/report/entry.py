"""The results of a report: read, checked, and given labels that can be told apart."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from evenrank.errors import ConfigError, DataError
from evenrank.report.content import Series
from evenrank.results.schema import Result, read_result

LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")
PER_QUERY_COLUMNS = {"query_id", "query_lang", "pool", "relevant"}
RANKS = pa.schema({"query_id": pa.string(), "lang": pa.string(), "rank": pa.int64()})
SHORTEST_FINGERPRINT = 4

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Entry:
    """A result in a report.

    Attributes:
        result: The result.
        folder: The folder that it was read from.
        label: What the report calls it: no two results on one benchmark share a label, and a
            label stands for one model only.
        number: A number for each label, from 0, which fixes its colour in every figure.
    """

    result: Result
    folder: Path
    label: str
    number: int

    @property
    def series(self) -> Series:
        """What figures know of the result."""
        return Series(self.number, self.label)

    @property
    def benchmark(self) -> tuple[str, str]:
        """Name and fingerprint of the benchmark: results are comparable where both are equal."""
        return self.result.benchmark.name, self.result.benchmark.fingerprint

    def per_query(self, columns: Mapping[str, pa.DataType]) -> pa.Table:
        """Return columns of the values per query, each of the type asked for.

        Raises:
            DataError: The file is damaged, or a column is missing or of another kind.
        """
        path = self.folder / "per_query.parquet"
        try:
            return pq.read_table(path, columns=list(columns)).cast(pa.schema(columns))
        except (OSError, ValueError, pa.ArrowException) as cause:
            raise _not_ours(path, str(cause)) from cause

    def best_ranks(self, queries: Iterable[str]) -> dict[str, dict[str, int | None]]:
        """Return the rank of the best answer in each language, by query.

        Ranks are those in the pool of all languages; ``None`` for an answer that a run does not
        hold. Nothing is known of a query without an answer, nor where ``ranks.parquet`` is absent.

        Args:
            queries: Ids of the queries to look up.

        Raises:
            DataError: The file is damaged, or a column is missing or of another kind.
        """
        path = self.folder / "ranks.parquet"
        if not path.is_file():
            return {}
        filters = [("query_id", "in", sorted(queries))]
        try:
            table = pq.read_table(path, columns=RANKS.names, filters=filters).cast(RANKS)
        except (OSError, ValueError, pa.ArrowException) as cause:
            raise _not_ours(path, str(cause)) from cause
        found: dict[str, dict[str, int | None]] = defaultdict(dict)
        for row in table.sort_by([("rank", "descending")]).to_pylist():  # nulls last
            ranks = found[row["query_id"]]
            if row["rank"] is not None or row["lang"] not in ranks:
                ranks[row["lang"]] = row["rank"]
        return dict(found)


def read_entries(folders: Sequence[Path]) -> list[Entry]:
    """Read result folders, in the order given.

    Two models with one label get the beginning of their fingerprints beside it; two results of one
    model on one benchmark get the names of their folders.

    Raises:
        ConfigError: No folder is given, or the same one twice.
        DataError: A folder is not a result folder.
    """
    if not folders:
        raise ConfigError("report", "no result", "one or more result folders", "Name one")
    seen: set[Path] = set()
    for folder in folders:
        if folder.resolve() in seen:
            raise ConfigError(str(folder), "it twice", "each result once", "Name it once")
        seen.add(folder.resolve())
    entries = [_read(folder) for folder in folders]
    entries = _tell_models_apart(entries)
    entries = _tell_folders_apart(entries)
    numbers = {label: i for i, label in enumerate(dict.fromkeys(e.label for e in entries))}
    return [replace(entry, number=numbers[entry.label]) for entry in entries]


def one_per_label(entries: Sequence[Entry]) -> list[Entry]:
    """Return the first result of each label: for what is about models, not about benchmarks."""
    first: dict[str, Entry] = {}
    for entry in entries:
        first.setdefault(entry.label, entry)
    return list(first.values())


def _read(path: Path) -> Entry:
    result = read_result(path)
    folder = path if path.is_dir() else path.parent
    for lang in _languages_of(result):
        if not LANGUAGE.fullmatch(lang) or lang not in result.benchmark.languages:
            raise DataError(
                str(folder / "result.json"),
                f"language {lang[:40]!r}",
                "language codes that the benchmark lists",
                "Evaluate the model again with this version",
            )
    _check_per_query(folder / "per_query.parquet")
    return Entry(result, folder, result.model.label, 0)


def _languages_of(result: Result) -> set[str]:
    """Return every language that a result names anywhere."""
    pairs = [by_lang for figures in result.pairs.values() for by_lang in figures.values()]
    maps: list[Iterable[str]] = [
        result.benchmark.languages,
        result.benchmark.queries,
        result.benchmark.passages,
        result.scored,
        result.share.passages,
        result.share.by_query_lang,
        *result.share.by_query_lang.values(),
        *result.pairs.values(),
        *pairs,
        *result.pool.values(),
        *(example.relevant_ranks for example in result.examples),
        (example.lang for example in result.examples),
        (answer.lang for example in result.examples for answer in example.answers),
        (query.lang for query in result.worst),
        (answer.lang for query in result.worst for answer in query.answers),
        (query.first.lang for query in result.worst if query.first),
    ]
    return {lang for langs in maps for lang in langs}


def _check_per_query(path: Path) -> None:
    try:
        missing = PER_QUERY_COLUMNS - set(pq.read_schema(path).names)
    except (OSError, pa.ArrowException) as cause:
        raise _not_ours(path, str(cause)) from cause
    if missing:
        raise _not_ours(path, f"no column {min(missing)!r}")


def _not_ours(path: Path, found: str) -> DataError:
    return DataError(
        str(path),
        found,
        "a table that 'evenrank evaluate' writes",
        "Evaluate the model again with this version",
    )


def _tell_models_apart(entries: list[Entry]) -> list[Entry]:
    fingerprints: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        fingerprints[entry.label].add(entry.result.model.fingerprint)

    def labelled(entry: Entry) -> Entry:
        names = fingerprints[entry.label]
        if len(names) == 1:
            return entry
        own = entry.result.model.fingerprint
        length = _shortest(SHORTEST_FINGERPRINT, names, lambda name, length: name[:length])
        return replace(entry, label=f"{entry.label} [{own[:length]}]")

    return [labelled(entry) for entry in entries]


def _tell_folders_apart(entries: list[Entry]) -> list[Entry]:
    clashes: dict[tuple[str, tuple[str, str]], list[Path]] = defaultdict(list)
    for entry in entries:
        clashes[entry.label, entry.benchmark].append(entry.folder.resolve())

    def labelled(entry: Entry) -> Entry:
        folders = clashes[entry.label, entry.benchmark]
        if len(folders) == 1:
            return entry
        depth = _shortest(1, folders, lambda folder, depth: folder.parts[-depth:])
        name = Path(*entry.folder.resolve().parts[-depth:]).as_posix()
        return replace(entry, label=f"{entry.label} ({name})")

    return [labelled(entry) for entry in entries]


def _shortest(start: int, items: Iterable[T], cut: Callable[[T, int], Hashable]) -> int:
    """Return the least length from ``start`` at which all items, cut to it, still differ."""
    distinct = list(items)
    length = start
    while len({cut(item, length) for item in distinct}) < len(distinct):
        length += 1
    return length
