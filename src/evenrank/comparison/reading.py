"""Result folders side by side: the same queries in the same places, whatever order files have.

Shapes: ``Q`` queries, ``P`` pools (each passage language, then all).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from evenrank.comparison.blocks import Grid
from evenrank.errors import ConfigError, DataError, UnknownNameError
from evenrank.measures.base import parse_measure
from evenrank.results.schema import MULTI, Result, read_result

Values = NDArray[np.float64]

DEFAULT_MEASURES = ("AP", "rank_distance")
"""Quality and language bias, as in the paper's first table (arXiv 2408.10536)."""

KEYS = {
    "query_id": pa.string(),
    "query_lang": pa.string(),
    "parallel": pa.int32(),
    "pool": pa.string(),
}


@dataclass(frozen=True, eq=False)
class System:
    """A result to compare.

    Attributes:
        label: What tables call it; no two share it.
        folder: Where it was read from.
        result: Its figures.
        values: Measure to ``(Q, P)`` values, NaN where a query is not scored in a pool.
    """

    label: str
    folder: Path
    result: Result
    values: dict[str, Values]


def read_systems(
    folders: Sequence[Path], measures: Sequence[str] | None = None, also: Sequence[str] = ()
) -> tuple[Grid, list[System]]:
    """Read result folders on one benchmark.

    Args:
        folders: At least one.
        measures: Measures with a value per query; ``None`` for those of ``DEFAULT_MEASURES`` that
            all results have and can be compared by.
        also: More of them.

    Raises:
        ConfigError: The results are on different benchmarks, a measure is not in all of them, or it
            depends on where a run ends and they end in different places.
        DataError: A folder is not a result folder, or its values per query break their contract.
    """
    results = [read_result(folder) for folder in folders]
    _check_benchmarks(folders, results)
    paths = [_per_query_path(folder) for folder in folders]
    names = _choose(paths, results, measures, also)
    tables = [_read(path, names) for path in paths]
    ids = pc.unique(pa.chunked_array([c for t in tables for c in t["query_id"].chunks]))
    languages = tuple(results[0].benchmark.languages)
    asked, parallel = np.full(len(ids), -1), np.full(len(ids), -1)
    systems = []
    for path, result, label, table in zip(paths, results, _labels(results), tables, strict=True):
        query = pc.index_in(table["query_id"], value_set=ids).to_numpy()
        _agree(path, asked, query, _numbers(path, table, "query_lang", languages))
        _agree(path, parallel, query, table["parallel"].to_numpy())
        pool = _numbers(path, table, "pool", (*languages, MULTI))
        at = query * (len(languages) + 1) + pool
        size = len(ids) * (len(languages) + 1)
        if len(at) and np.bincount(at).max() > 1:
            raise _broken(path, "a query twice in one pool")
        values = {name: _place(path, table, name, at, size) for name in names}
        shaped = {name: flat.reshape(len(ids), -1) for name, flat in values.items()}
        systems.append(System(label, path.parent, result, shaped))
    _, blocks = np.unique(parallel, return_inverse=True)
    return Grid(languages, asked, blocks.astype(np.int64)), systems


def has_blocks(folder: Path) -> bool:
    """Say whether a result knows which queries are translations: the first ones did not."""
    try:
        return "parallel" in pq.read_schema(_per_query_path(folder)).names
    except (OSError, pa.ArrowException):
        return False


def comparable(results: Sequence[Result], measure: str) -> bool:
    """Say whether results can be compared by a measure, wherever the rankings in them end.

    What a run lacks stands behind its end. So its rank distance says how deep the run is, and is
    held against that of runs of the same depth only.
    """
    return len({_depth(result) for result in results}) == 1 or not _of_depth(measure)


def _depth(result: Result) -> int | None:
    """Return after how many passages a run ends; ``None`` for a ranking of the whole pool."""
    depth: int | None = result.config.get("run", {}).get("depth")
    return depth


def _of_depth(measure: str) -> bool:
    try:
        return parse_measure(measure).measure.of_depth
    except UnknownNameError:  # a measure of an extension that is not installed here
        return False


def _check_benchmarks(folders: Sequence[Path], results: Sequence[Result]) -> None:
    first = results[0].benchmark
    for folder, result in zip(folders, results, strict=True):
        other = result.benchmark
        if other.fingerprint != first.fingerprint:
            raise ConfigError(
                str(folder),
                f"a result on {other.name} [{other.fingerprint}]",
                f"one on {first.name} [{first.fingerprint}], as in {folders[0]}",
                "Evaluate both models on the same benchmark",
            )


def _labels(results: Sequence[Result]) -> list[str]:
    """Return the models' labels; those that come again get a number that makes them new."""
    given = [result.model.label for result in results]
    labels: list[str] = []
    for label in given:
        numbered = (f"{label} ({number})" for number in count(2))
        free = (name for name in numbered if name not in (*given, *labels))
        labels.append(next(free) if label in labels else label)
    return labels


def _per_query_path(folder: Path) -> Path:
    return (folder if folder.is_dir() else folder.parent) / "per_query.parquet"


def _choose(
    paths: Sequence[Path],
    results: Sequence[Result],
    measures: Sequence[str] | None,
    also: Sequence[str],
) -> list[str]:
    """Return the measures to compare; all results have them."""
    known = [_measures_in(path) for path in paths]
    shared = [name for name in known[0] if all(name in names for names in known)]
    if measures is None:
        usual = [name for name in DEFAULT_MEASURES if name in shared]
        measures = [name for name in usual if comparable(results, name)]
    chosen = list(dict.fromkeys([*measures, *also]))
    for name in chosen or [DEFAULT_MEASURES[0]]:
        for path, names in zip(paths, known, strict=True):
            if name not in names:
                raise ConfigError(
                    f"measure {name!r}",
                    f"no values per query of it in {path}",
                    f"one of {', '.join(shared) or 'none: the results share no measure'}",
                    "Name another, or evaluate with this measure",
                )
        if not comparable(results, name):
            raise _different_depths(name, results)
    return chosen


def _different_depths(measure: str, results: Sequence[Result]) -> ConfigError:
    """Return the error that says where the first rankings end that end in different places."""
    first = results[0]
    other = next(result for result in results if _depth(result) != _depth(first))
    ends = (
        f"{one.model.label} after {_depth(one):,} passages" if _depth(one) else
        f"{one.model.label} with the pool"
        for one in (first, other)
    )  # fmt: skip
    return ConfigError(
        f"measure {measure!r}",
        f"rankings that end in different places: {', '.join(ends)}",
        "one depth, as the passages that a run lacks stand behind its end",
        "Cut the runs at one depth, or name other measures",
    )


def _measures_in(path: Path) -> list[str]:
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException) as cause:
        raise _broken(path, str(cause)) from cause
    if missing := set(KEYS) - set(schema.names):
        raise _broken(path, f"no column {min(missing)!r}")
    return [field.name for field in schema if pa.types.is_floating(field.type)]


def _read(path: Path, measures: Sequence[str]) -> pa.Table:
    schema = pa.schema(KEYS | dict.fromkeys(measures, pa.float64()))
    try:
        table = pq.read_table(path, columns=schema.names).cast(schema)
    except (OSError, ValueError, pa.ArrowException) as cause:
        raise _broken(path, str(cause)) from cause
    for name in KEYS:
        if table[name].null_count:
            raise _broken(path, f"a row without {name}")
    return table


def _numbers(path: Path, table: pa.Table, name: str, languages: Sequence[str]) -> NDArray[np.int64]:
    """Return languages as numbers."""
    found = pc.index_in(table[name], value_set=pa.array(languages, pa.string()))
    if found.null_count:
        raise _broken(path, f"a {name} that is not a language of the benchmark")
    numbers: NDArray[np.int64] = found.to_numpy().astype(np.int64)
    return numbers


def _agree(
    path: Path, known_Q: NDArray[np.int64], query: NDArray[np.int64], found: NDArray[np.int64]
) -> None:
    """Note what rows say of their queries; they and all results have to say the same."""
    new = known_Q[query] < 0
    known_Q[query[new]] = found[new]
    if (known_Q[query] != found).any():
        raise _broken(path, "a query with two languages, or of two questions")


def _place(path: Path, table: pa.Table, name: str, at: NDArray[np.int64], size: int) -> Values:
    values = np.full(size, np.nan)
    values[at] = table[name].to_numpy()
    if np.isinf(values).any():
        raise _broken(path, f"an infinite {name}")
    return values


def _broken(path: Path, found: str) -> DataError:
    return DataError(
        str(path),
        found,
        "the values per query that 'evenrank evaluate' writes",
        "Evaluate the model again with this version",
    )
