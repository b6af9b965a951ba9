"""Heat maps as tables with shaded cells, and languages grouped by script if there are many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from babel import Locale
from numpy.typing import NDArray

from evenrank.languages import script_of
from evenrank.report.content import Download
from evenrank.tables import MARK, Cell, Column, Row, Table

Matrix = NDArray[np.float64]

MANY = 30
"""More languages than this are grouped by script."""

AXES = "query \\ passages"
SAME = "same language"


@dataclass(frozen=True, eq=False)
class Grid:
    """Values by query language (rows) and passage language (columns), or by groups of them.

    Attributes:
        rows: ``R`` names.
        columns: ``C`` names.
        values: ``R`` x ``C`` numbers, NaN where there is no value.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    values: Matrix

    @classmethod
    def of(
        cls,
        rows: Sequence[str],
        columns: Sequence[str],
        figures: Mapping[str, Mapping[str, float | None]],
    ) -> Grid:
        """Return the figures of some rows and columns."""
        values = [[figures.get(row, {}).get(column) for column in columns] for row in rows]
        return cls(rows, columns, np.array(values, dtype=np.float64))

    @property
    def large(self) -> bool:
        """Whether there are too many languages for a heat map that can be read."""
        return max(len(self.rows), len(self.columns)) > MANY

    def table(
        self,
        caption: str,
        shades: Matrix,
        *,
        spec: str = ".2f",
        marked: NDArray[np.bool_] | None = None,
    ) -> Table:
        """Return a heat map: a table with shaded cells.

        Args:
            caption: What it shows.
            shades: ``R`` x ``C`` strengths of colour, -1..1.
            spec: How the numbers are printed.
            marked: ``R`` x ``C``, which cells carry a mark.
        """
        marked = np.zeros(self.values.shape, dtype=bool) if marked is None else marked
        cells = [
            tuple(
                Cell(
                    None if value != value else value,
                    aside=MARK if mark else "",
                    shade=None if shade != shade else round(shade, 3),
                )
                for value, shade, mark in zip(*row, strict=True)
            )
            for row in zip(self.values.tolist(), shades.tolist(), marked.tolist(), strict=True)
        ]
        return Table(
            caption=caption,
            head=AXES,
            columns=tuple(Column(title=name, spec=spec) for name in self.columns),
            rows=tuple(
                Row(title=name, cells=row) for name, row in zip(self.rows, cells, strict=True)
            ),
        )

    def download(self, caption: str, file: str) -> Download:
        """Return all numbers as a file of a page."""
        rows = tuple(
            Row(title=name, cells=tuple(None if value != value else value for value in row))
            for name, row in zip(self.rows, self.values.tolist(), strict=True)
        )
        columns = tuple(Column(title=name) for name in self.columns)
        return Download(file, Table(caption=caption, head=AXES, columns=columns, rows=rows))

    def by_script(self, *, rows: bool = True) -> Grid:
        """Return means over the languages of each script.

        The first column is the mean where query and passage are in the same language; the other
        columns leave these pairs out.

        Args:
            rows: Group the query languages too; else each one has its own row.
        """
        same = np.array(self.rows)[:, None] == np.array(self.columns)[None, :]
        columns = scripts(self.columns)
        groups = scripts(self.rows) if rows else {lang: [n] for n, lang in enumerate(self.rows)}
        others = np.where(same, np.nan, self.values)
        blocks = [np.where(same, self.values, np.nan), *(others[:, n] for n in columns.values())]
        means = [[_mean(block[places]) for block in blocks] for places in groups.values()]
        return Grid([*groups], [SAME, *columns], np.array(means))


@cache
def script_title(lang: str) -> str:
    """Return the English name of a language's script.

    >>> script_title("ru"), script_title("zh-TW")
    ('Cyrillic', 'Traditional Han')
    """
    script = script_of(lang)
    name = str(Locale("en").scripts.get(script, script))
    return f"{name} Han" if script in ("Hans", "Hant") else name  # CLDR says "Simplified"


def scripts(langs: Sequence[str]) -> dict[str, list[int]]:
    """Return the places of the languages of each script, the largest scripts first.

    >>> scripts(["ru", "de", "en"])
    {'Latin (2)': [1, 2], 'Cyrillic (1)': [0]}
    """
    found: dict[str, list[int]] = {}
    for place, lang in enumerate(langs):
        found.setdefault(script_title(lang), []).append(place)
    in_order = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    return {f"{script} ({len(places)})": places for script, places in in_order}


def _mean(values: Matrix) -> float:
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else float("nan")
