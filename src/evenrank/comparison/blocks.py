"""Values of one measure, added up by block and cell: what the tests and the intervals work on.

A *block* is a question with all its translations. Their values are not independent, so a block is
resampled, and changes its sign, as a whole. A *cell* is a figure: one language pair, one query
language in the pool of all languages, or the macro mean of a setting.

Shapes: ``Q`` queries, ``P`` pools (each passage language, then all), ``N`` blocks, ``L``
languages, ``C`` cells that are means over queries, ``M`` macro means over such cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evenrank.results.schema import MULTI, SETTINGS, Setting

Values = NDArray[np.float64]
Kind = Literal["setting", "query_lang", "pair"]


@dataclass(frozen=True)
class Cell:
    """A figure.

    Attributes:
        kind: ``pair``: one query and one passage language; ``query_lang``: one query language in
            the multilingual pool; ``setting``: the macro mean over such cells.
        setting: Where it belongs, or what it is.
        query_lang: ``None`` for a setting.
        pool: A passage language, or ``multi``; ``None`` for a setting.
    """

    kind: Kind
    setting: Setting
    query_lang: str | None = None
    pool: str | None = None

    def __str__(self) -> str:
        if self.kind == "setting":
            return self.setting
        return f"{self.query_lang} to {self.pool}"


@dataclass(frozen=True, eq=False)
class Grid:
    """The queries of a benchmark, as result folders know them.

    Attributes:
        languages: Codes, which number the languages.
        query_langs: ``(Q,)`` language of each query.
        blocks: ``(Q,)`` block of each query, from 0.
    """

    languages: tuple[str, ...]
    query_langs: NDArray[np.int64]
    blocks: NDArray[np.int64]

    @property
    def pools(self) -> int:
        """Number of pools: each passage language, then all together."""
        return len(self.languages) + 1


@dataclass(frozen=True, eq=False)
class BlockSums:
    """One measure's values, added up by block and cell.

    Attributes:
        cells: The ``C`` cells with a query, then the ``M`` settings.
        sums: ``(N, C)`` sums of the values.
        counts: ``(N, C)`` how many values each sum holds.
        macros: ``(C, M)`` share of each cell in each setting's mean; a column sums to 1.
    """

    cells: tuple[Cell, ...]
    sums: Values
    counts: Values
    macros: Values

    @cached_property
    def parts(self) -> Values:
        """``(N, C + M)`` what each block adds to each figure: ``sum / n`` and its macro means."""
        parts_NC = self.sums / self.counts.sum(axis=0)
        return np.hstack([parts_NC, parts_NC @ self.macros])

    @cached_property
    def means(self) -> Values:
        """``(C + M,)`` the figures."""
        means: Values = self.parts.sum(axis=0)
        return means

    @cached_property
    def present(self) -> NDArray[np.bool_]:
        """``(N, C + M)`` whether a block has a value in the cell."""
        present: NDArray[np.bool_] = self.with_macros(self.counts) > 0
        return present

    def with_macros(self, totals: Values) -> Values:
        """Append to ``(..., C)`` numbers of cells, such as counts, the totals of each setting."""
        return np.concatenate([totals, totals @ (self.macros > 0)], axis=-1)


def block_sums(grid: Grid, values_QP: Values) -> BlockSums:
    """Add the values of a measure up.

    Args:
        grid: Which query is of which language and block.
        values_QP: The values; NaN where a query does not count in a pool.

    >>> grid = Grid(("de", "en"), np.array([0, 1]), np.array([0, 0]))
    >>> sums = block_sums(grid, np.array([[0.5, 0.25, 0.5], [np.nan, 1.0, 0.5]]))
    >>> [f"{cell}: {mean:g}" for cell, mean in zip(sums.cells, sums.means)]
    ['de to de: 0.5', 'de to en: 0.25', 'de to multi: 0.5', 'en to en: 1', 'en to multi: 0.5',
     'mono: 0.75', 'cross: 0.25', 'multi: 0.5']
    """
    blocks = int(grid.blocks.max(initial=-1)) + 1
    columns = len(grid.languages) * grid.pools
    cell_QP = grid.query_langs[:, None] * grid.pools + np.arange(grid.pools)
    at_QP = grid.blocks[:, None] * columns + cell_QP
    scored_QP = ~np.isnan(values_QP)
    at, size = at_QP[scored_QP], blocks * columns
    sums = np.bincount(at, weights=values_QP[scored_QP], minlength=size).reshape(blocks, columns)
    counts = np.bincount(at, minlength=size).reshape(blocks, columns).astype(np.float64)
    kept = np.flatnonzero(counts.any(axis=0))
    cells = [_cell(grid, column) for column in kept.tolist()]
    settings = [name for name in SETTINGS if any(cell.setting == name for cell in cells)]
    member_CM = np.array(
        [[cell.setting == name for name in settings] for cell in cells], dtype=np.float64
    ).reshape(len(cells), len(settings))
    return BlockSums(
        cells=(*cells, *(Cell("setting", name) for name in settings)),
        sums=np.ascontiguousarray(sums[:, kept]),
        counts=np.ascontiguousarray(counts[:, kept]),
        macros=member_CM / member_CM.sum(axis=0),
    )


def _cell(grid: Grid, column: int) -> Cell:
    query_lang, pool = divmod(column, grid.pools)
    asked = grid.languages[query_lang]
    if pool == len(grid.languages):
        return Cell("query_lang", MULTI, asked, MULTI)
    return Cell("pair", "mono" if pool == query_lang else "cross", asked, grid.languages[pool])
