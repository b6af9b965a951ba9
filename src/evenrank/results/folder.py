"""Result folders: the one place that writes them, and the one that reads and checks them.

A result folder may come from anywhere. Only its fixed file names are read; every language has to be
a language code that the benchmark lists, and every column of a table has to have its type.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from evenrank.errors import ConfigError, DataError
from evenrank.files import (
    lock_folder,
    refuse_existing,
    refuse_overlap,
    require_writable,
    whole_folder,
    write_json,
)
from evenrank.results.schema import FORMAT, MULTI, PER_QUERY, RANKS, SINGLE_PREFIX, TOP, Result

if TYPE_CHECKING:
    import pandas as pd

TableName = Literal["per_query", "top", "ranks"]
COLUMNS: dict[TableName, dict[str, pa.DataType]] = {
    "per_query": PER_QUERY,
    "top": TOP,
    "ranks": RANKS,
}
Matrices = Mapping[str, dict[str, dict[str, float | None]]]
"""Measure, query language, passage language, to a figure."""
AGAIN = "Evaluate again with this version"
MARKER = "result"
"""Marks a folder as a result, which another result may replace."""


@dataclass(frozen=True)
class QueryRanks:
    """How a query's relevant passages rank in the multilingual pool.

    Attributes:
        ranks: Language to the rank of its best relevant passage; ``None`` if it is not in the run.
        rank_distance: Worst minus best of these ranks; ``None`` with fewer than two languages. If a
            run misses a passage, the minimum that it can be.
    """

    ranks: dict[str, int | None]
    rank_distance: int | None

    @cached_property
    def known(self) -> dict[str, int]:
        """The ranks that are known, the best first."""
        found = {lang: rank for lang, rank in self.ranks.items() if rank is not None}
        return dict(sorted(found.items(), key=lambda item: item[1]))

    @property
    def missing(self) -> bool:
        """Whether a run misses a passage."""
        return len(self.known) < len(self.ranks)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One model, or one run, on one benchmark.

    Attributes:
        result: The content of ``result.json``.
        folder: The result folder; ``None`` if none was written.
        in_memory: Tables of an evaluation that was just computed; others are read when needed.
    """

    result: Result
    folder: Path | None = None
    in_memory: Mapping[str, pa.Table] = field(default_factory=dict, repr=False)

    @property
    def settings(self) -> pd.DataFrame:
        """Macro means: a row per ranking measure, a column per setting."""
        import pandas as pd

        return pd.DataFrame(self.result.settings, dtype=float)

    @property
    def bias(self) -> pd.Series:
        """Macro means of the bias measures."""
        import pandas as pd

        return pd.Series(self.result.bias, dtype=float)

    @property
    def pool(self) -> pd.DataFrame:
        """The multilingual pool: a row per query language, a column per measure."""
        import pandas as pd

        return pd.DataFrame(self.result.pool, dtype=float).rename_axis(index="query_lang")

    def pairs(self, measure: str) -> pd.DataFrame:
        """Return one measure by query language (rows) and passage language (columns).

        Raises:
            ConfigError: The result does not have the measure.
        """
        return self._matrix("pairs", self.result.pairs, measure)

    def single(self, measure: str) -> pd.DataFrame:
        """Return the same for answers that exist in the passage language only.

        All are NaN if no query has relevant passages in two languages.

        Raises:
            ConfigError: The result does not have the measure in this setting.
        """
        return self._matrix("single", self.result.single, measure)

    def _matrix(self, what: str, figures: Matrices, name: str) -> pd.DataFrame:
        import pandas as pd

        if name not in figures:
            known = f"one of {', '.join(figures)}" if figures else "figures in this setting"
            remedy = "Evaluate with this measure" if figures else AGAIN
            raise ConfigError(what, f"measure {name!r}", known, remedy)
        frame = pd.DataFrame.from_dict(figures[name], orient="index", dtype=float)
        return frame.rename_axis(index="query_lang", columns="passage_lang")

    @property
    def per_query(self) -> pd.DataFrame:
        """One row per query and pool, NaN where a query was not scored."""
        frame: pd.DataFrame = self.table("per_query").to_pandas()
        return frame

    @cached_property
    def measures(self) -> list[str]:
        """The measures with a value per query."""
        names = self.columns("per_query")
        return [one for one in names if one not in PER_QUERY and not one.startswith(SINGLE_PREFIX)]

    def table(self, name: TableName, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a table of the result folder, or some of its columns; see ``results.schema``.

        Raises:
            DataError: The file is missing or damaged, or a column does not have its type.
        """
        if name in self.in_memory:
            table = self.in_memory[name]
            return table if columns is None else table.select(columns)
        path, expected = self._path(name), COLUMNS[name]
        names = self.columns(name) if columns is None else columns
        schema = pa.schema({column: expected.get(column, pa.float64()) for column in names})
        try:
            table = pq.read_table(path, columns=schema.names).cast(schema)
        except (OSError, ValueError, pa.ArrowException) as cause:
            raise _broken(path, str(cause)) from cause
        for column in schema.names:
            self._check(path, column, table[column])
        return table

    def query_ranks(self, query_ids: Iterable[str]) -> dict[str, QueryRanks]:
        """Return the ranks of the best relevant passage in each language, by query.

        Queries without a relevant passage, and ids of no query, are not in what is returned.
        """
        table = self.table("ranks", ["query_id", "lang", "rank"])
        ids = pa.array(sorted(query_ids), pa.string())
        table = table.filter(pc.is_in(table["query_id"], ids))
        ranks: dict[str, dict[str, int | None]] = defaultdict(dict)
        for row in table.sort_by([("rank", "descending")]).to_pylist():  # nulls last
            found = ranks[row["query_id"]]
            if row["rank"] is not None or row["lang"] not in found:
                found[row["lang"]] = row["rank"]
        return {
            query: QueryRanks(dict(sorted(found.items())), self._distance(found))
            for query, found in ranks.items()
        }

    def _distance(self, ranks: Mapping[str, int | None]) -> int | None:
        known = [rank for rank in ranks.values() if rank is not None]
        if len(ranks) < 2 or not known:
            return None
        missing = len(known) < len(ranks)  # these have rank depth + 1 at best
        if missing and self.result.depth is None:
            return None
        return max(known if not missing else [(self.result.depth or 0) + 1]) - min(known)

    def _path(self, name: TableName) -> Path:
        if self.folder is None:
            raise ConfigError("evaluation", f"no table {name!r}", "a result folder", AGAIN)
        return self.folder / f"{name}.parquet"

    def columns(self, name: TableName) -> list[str]:
        """Return the columns of a table.

        Raises:
            DataError: The file is missing or damaged, or misses a column.
        """
        if name in self.in_memory:
            return list(self.in_memory[name].column_names)
        path = self._path(name)
        try:
            names: list[str] = pq.read_schema(path).names
        except (OSError, pa.ArrowException) as cause:
            raise _broken(path, str(cause)) from cause
        if missing := COLUMNS[name].keys() - set(names):
            raise _broken(path, f"no column {min(missing)!r}")
        return names

    def _check(self, path: Path, name: str, column: pa.ChunkedArray) -> None:
        """Refuse values that a column may not have."""
        if name in PER_QUERY and column.null_count:
            raise _broken(path, f"a row without {name}")
        if name in ("query_lang", "pool", "lang"):
            languages = [*self.result.benchmark.languages, *([MULTI] if name == "pool" else [])]
            if pc.index_in(pc.unique(column), pa.array(languages, pa.string())).null_count:
                raise _broken(path, f"a {name} that is not a language of the benchmark")
        elif column.type == pa.float64() and pc.any(pc.is_inf(column)).as_py():
            raise _broken(path, f"an infinite {name}")


def write_result(
    folder: Path, result: Result, per_query: pa.Table, top: pa.Table, ranks: pa.Table
) -> None:
    """Write a result into a folder that exists (see ``evenrank.files.whole_folder``)."""
    for name, table in {"per_query": per_query, "top": top, "ranks": ranks}.items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    write_json(folder / "result.json", result.model_dump(mode="json"))


def read_evaluation(folder: str | Path) -> Evaluation:
    """Read a result folder, named by itself or by its ``result.json``.

    Tables are read when they are needed; here it is checked that they are there.

    Raises:
        DataError: A file is missing, or not one that evenrank wrote.
    """
    evaluation = Evaluation(read_result(folder), _folder(folder))
    for name in COLUMNS:
        evaluation.columns(name)
    return evaluation


def read_evaluations(results: Sequence[str | Path | Evaluation], place: str) -> list[Evaluation]:
    """Read several results, in their order; an evaluation in memory stays as it is.

    Args:
        results: Result folders, or evaluations.
        place: The command or function that needs them, for messages.

    Raises:
        ConfigError: No result is given, or the same one twice.
        DataError: See :func:`read_evaluation`.
    """
    if isinstance(results, str | Path) or not results:
        found = f"the text {results!r}" if results else "no result"
        raise ConfigError(place, found, "a list of result folders", "Name at least one")
    evaluations: list[Evaluation] = []
    seen = set()
    for one in results:
        evaluation = one if isinstance(one, Evaluation) else read_evaluation(one)
        identity = evaluation.folder.resolve() if evaluation.folder else id(evaluation)
        if identity in seen:
            raise ConfigError(
                str(evaluation.folder or place),
                "the same result twice",
                "each result once",
                "Name it once",
            )
        seen.add(identity)
        evaluations.append(evaluation)
    return evaluations


@contextmanager
def reserved(output: str | Path | None, *inputs: str | Path, overwrite: bool) -> Iterator[None]:
    """Reserve a result folder while the work for it runs: refuse first what would fail last.

    Args:
        output: The folder; ``None`` if nothing is written.
        inputs: Files and folders that the work reads.
        overwrite: Replace a result folder that exists.

    Raises:
        ConfigError: ``output`` exists, overlaps an input, or another run writes to it.
        FileError: It cannot be written.
    """
    if output is None:
        yield
        return
    refuse_existing(output, overwrite=overwrite, marker=MARKER)
    refuse_overlap(output, *inputs)
    require_writable(output)
    with lock_folder(output):
        yield


def write_evaluation(
    evaluation: Evaluation,
    output: str | Path | None,
    *,
    overwrite: bool = False,
    more: Callable[[Path], None] | None = None,
) -> Evaluation:
    """Write a result folder, if there is to be one, and return the evaluation with it.

    Args:
        evaluation: An evaluation with all of its tables in memory.
        output: The folder; ``None`` to write nothing.
        overwrite: Replace a result folder that exists.
        more: Writes further files into the folder.
    """
    if output is None:
        return evaluation
    with whole_folder(output, overwrite=overwrite, marker=MARKER) as folder:
        write_result(folder, evaluation.result, **evaluation.in_memory)
        if more is not None:
            more(folder)
    return replace(evaluation, folder=Path(output))


def read_result(folder: str | Path) -> Result:
    """Read the ``result.json`` of a result folder, named by the folder or by the file.

    Raises:
        DataError: There is none, or it is not one that evenrank wrote.
    """
    path = _folder(folder) / "result.json"
    try:
        return Result.model_validate_json(path.read_bytes())
    except ValidationError as cause:
        errors = cause.errors()
        first = next((one for one in errors if one["loc"] == ("format",)), errors[0])
        where = ".".join(str(part) for part in first["loc"])
        found = f"{where}: {first['msg']}" if where else first["msg"]
        if where == "format":
            found = f"a result of format {first['input']!r:.40}"
        raise DataError(str(path), found, f"a result of format {FORMAT}", AGAIN) from cause
    except OSError as cause:
        missing = isinstance(cause, FileNotFoundError | NotADirectoryError)
        raise DataError(
            str(path.parent),
            "no result.json" if missing else str(cause),
            "a folder written by 'evenrank evaluate'",
            "Evaluate a model first, or correct the path",
        ) from cause


def _folder(place: str | Path) -> Path:
    path = Path(place)
    return path.parent if path.name == "result.json" else path


def _broken(path: Path, found: str) -> DataError:
    return DataError(str(path), found, "a table that 'evenrank evaluate' writes", AGAIN)
