"""An evaluation in memory: the result, its tables, and views of them as pandas frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from evenrank.errors import ConfigError, DataError
from evenrank.results.schema import Result, read_result

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One model on one benchmark.

    Attributes:
        result: What ``result.json`` holds.
        tables: The Arrow tables ``per_query``, ``top`` and ``ranks``; see ``result.py``.
        folder: Where they were written; ``None`` if they were not.
    """

    result: Result
    tables: dict[str, pa.Table]
    folder: Path | None = None

    @property
    def settings(self) -> pd.DataFrame:
        """Macro means: a row per ranking measure; columns ``mono``, ``cross``, ``multi``."""
        import pandas as pd

        return pd.DataFrame(self.result.settings, dtype=float)

    @property
    def bias(self) -> pd.Series:
        """Macro means of the bias measures."""
        import pandas as pd

        return pd.Series(self.result.bias, dtype=float)

    @property
    def pool(self) -> pd.DataFrame:
        """The pool of all languages: a row per query language, a column per measure."""
        import pandas as pd

        return pd.DataFrame(self.result.pool, dtype=float).rename_axis(index="query_lang")

    def pairs(self, measure: str) -> pd.DataFrame:
        """Return one measure by query language (rows) and passage language (columns).

        Raises:
            ConfigError: The measure was not taken.
        """
        import pandas as pd

        if measure not in self.result.pairs:
            raise ConfigError(
                "pairs",
                f"measure {measure!r}",
                f"one of {', '.join(self.result.pairs)}",
                "Evaluate with this measure",
            )
        frame = pd.DataFrame.from_dict(self.result.pairs[measure], orient="index", dtype=float)
        return frame.rename_axis(index="query_lang", columns="passage_lang")

    @property
    def per_query(self) -> pd.DataFrame:
        """One row per query and pool, NaN where a query was not scored."""
        frame: pd.DataFrame = self.tables["per_query"].to_pandas()
        return frame


def read_evaluation(folder: Path) -> Evaluation:
    """Read a result folder with its tables.

    Raises:
        DataError: A file is missing or is not one of ours.
    """
    result = read_result(folder)
    tables = {}
    for name in ("per_query", "top", "ranks"):
        path = folder / f"{name}.parquet"
        try:
            tables[name] = pq.read_table(path)
        except (OSError, pa.ArrowInvalid) as cause:
            raise DataError(
                str(path), str(cause), "a Parquet file", "Evaluate the model again"
            ) from cause
    return Evaluation(result, tables, folder)
