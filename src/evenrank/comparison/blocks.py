"""Values per query of several results, summed by block and cell: the input of all statistics.

A *block* is a query with its translations (parallel queries). Their values are not independent, so
a block is resampled, and changes its sign, as a whole. A *cell* is a figure: one pair of languages,
one query language in the multilingual pool, or a setting, which is a sum of weighted cells.

Shapes: ``Q`` queries, ``P`` pools (each passage language, the multilingual pool, then for each
passage language the multilingual pool with relevant passages in this language only), ``N`` blocks,
``C`` cells that are means over queries, ``M`` settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evenrank.errors import DataError
from evenrank.results.folder import AGAIN, Evaluation
from evenrank.results.schema import GAP, MULTI, SETTINGS, Setting, single_column

Values = NDArray[np.float64]
Numbers = NDArray[np.int64]
Kind = Literal["setting", "query_lang", "pair", "single"]


@dataclass(frozen=True)
class Cell:
    """A figure.

    Attributes:
        kind: ``pair``: one query language and one passage language; ``query_lang``: one query
            language in the multilingual pool; ``single``: the same with relevant passages in one
            passage language only; ``setting``: a macro mean over such cells, or the access gap.
        setting: The setting that it belongs to, or is.
        query_lang: ``None`` for a setting.
        pool: A passage language, or ``multi``; ``None`` for a setting.
    """

    kind: Kind
    setting: Setting
    query_lang: str | None = None
    pool: str | None = None

    def __str__(self) -> str:
        return self.setting if self.kind == "setting" else f"{self.query_lang} to {self.pool}"


@dataclass(frozen=True, eq=False)
class Grid:
    """The queries of a benchmark.

    Attributes:
        languages: Codes; a language's number is its place here.
        query_langs: ``(Q,)`` language of each query.
        blocks: ``(Q,)`` block of each query, from 0.
    """

    languages: tuple[str, ...]
    query_langs: Numbers
    blocks: Numbers


@dataclass(frozen=True, eq=False)
class BlockSums:
    """One measure's values, summed by block and cell.

    Attributes:
        cells: The ``C`` cells with a query, then the ``M`` settings.
        sums: ``(N, C)`` sums of the values.
        counts: ``(N, C)`` number of values in each sum.
        macros: ``(C, M)`` weight of each cell in each setting: a mean, whose weights sum to 1, less
            a mean, whose weights sum to -1, in the access gap.
    """

    cells: tuple[Cell, ...]
    sums: Values
    counts: Values
    macros: Values

    @cached_property
    def parts(self) -> Values:
        """``(N, C + M)`` what each block adds to each figure: ``sum / n``, then settings."""
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
        return np.concatenate([totals, totals @ (self.macros != 0)], axis=-1)


def block_sums(grid: Grid, values_QP: Values) -> BlockSums:
    """Sum the values of a measure by block and cell.

    Args:
        grid: The language and the block of each query.
        values_QP: The values; NaN where a query does not count in a pool.

    >>> grid = Grid(("de", "en"), np.array([0, 1]), np.array([0, 0]))
    >>> sums = block_sums(grid, np.array([[0.5, 0.25, 0.5], [np.nan, 1.0, 0.5]]))
    >>> [f"{cell}: {mean:g}" for cell, mean in zip(sums.cells, sums.means)]
    ['de to de: 0.5', 'de to en: 0.25', 'de to multi: 0.5', 'en to en: 1', 'en to multi: 0.5',
     'mono: 0.75', 'cross: 0.25', 'multi: 0.5']
    """
    pools = values_QP.shape[1]
    blocks, columns = int(grid.blocks.max(initial=-1)) + 1, len(grid.languages) * pools
    cell_QP = grid.query_langs[:, None] * pools + np.arange(pools)
    at_QP = grid.blocks[:, None] * columns + cell_QP
    scored_QP = ~np.isnan(values_QP)
    at, size = at_QP[scored_QP], blocks * columns
    sums = np.bincount(at, weights=values_QP[scored_QP], minlength=size).reshape(blocks, columns)
    counts = np.bincount(at, minlength=size).reshape(blocks, columns).astype(np.float64)
    kept = np.flatnonzero(counts.any(axis=0))
    cells = [_cell(grid.languages, *divmod(column, pools)) for column in kept.tolist()]
    macros = _macros([cell.setting for cell in cells])
    return BlockSums(
        cells=(*cells, *(Cell("setting", name) for name in macros)),
        sums=np.ascontiguousarray(sums[:, kept]),
        counts=np.ascontiguousarray(counts[:, kept]),
        macros=np.array([*macros.values()]).reshape(len(macros), len(cells)).T,
    )


def _cell(languages: Sequence[str], query_lang: int, pool: int) -> Cell:
    name = languages[query_lang]
    if pool == len(languages):
        return Cell("query_lang", MULTI, name, MULTI)
    same = pool % (len(languages) + 1) == query_lang
    if pool < len(languages):
        return Cell("pair", "mono" if same else "cross", name, languages[pool])
    return Cell("single", "own" if same else "other", name, languages[pool - len(languages) - 1])


def _macros(settings_C: Sequence[Setting]) -> dict[Setting, Values]:
    """Return the ``(C,)`` weights of the settings that have a cell, from the settings of cells."""
    found_C = np.array(settings_C, dtype=object)
    members: dict[Setting, NDArray[np.bool_]] = {name: found_C == name for name in SETTINGS}
    members["even"] = members["own"] | members["other"]
    means = {name: member / member.sum() for name, member in members.items() if member.any()}
    if "own" in means and "other" in means:
        means[GAP] = means["own"] - means["other"]
    return means


def read_values(
    evaluations: Sequence[Evaluation], measures: Sequence[str]
) -> tuple[Grid, list[dict[str, Values]]]:
    """Read the values per query of results on one benchmark, with queries joined by id.

    Args:
        evaluations: At least one.
        measures: Measures that all of them have.

    Returns:
        The grid, and for each result measure to ``(Q, P)`` values, NaN where not scored, or where a
        result of an earlier version has none.

    Raises:
        DataError: A table is damaged, or results disagree about a query.
    """
    facts = ["query_id", "query_lang", "parallel", "pool"]
    tables = [one.table("per_query", [*facts, *_columns(one, measures)]) for one in evaluations]
    ids = pc.unique(pa.chunked_array([c for t in tables for c in t["query_id"].chunks]))
    languages = tuple(evaluations[0].result.benchmark.languages)
    pools = (*languages, MULTI)
    width = len(pools) + len(languages)
    query_langs, parallel = np.full(len(ids), -1), np.full(len(ids), -1)
    systems: list[dict[str, Values]] = []
    for one, table in zip(evaluations, tables, strict=True):
        query = _places(table["query_id"], ids)
        for known_Q, found in (
            (query_langs, _places(table["query_lang"], languages)),
            (parallel, table["parallel"].to_numpy()),
        ):
            new = known_Q[query] < 0
            known_Q[query[new]] = found[new]
            if (known_Q[query] != found).any():
                raise _broken(one, "a query with two languages, or in two blocks")
        at = query * width + _places(table["pool"], pools)
        if len(at) and np.bincount(at).max() > 1:
            raise _broken(one, "a query twice in one pool")
        values = {name: np.full(len(ids) * width, np.nan) for name in measures}
        single = _places(table["pool"], pools) < len(languages)
        for name, flat in values.items():
            flat[at] = table[name].to_numpy()
            if single_column(name) in table.column_names:
                flat[at[single] + len(pools)] = table[single_column(name)].to_numpy()[single]
        systems.append({name: flat.reshape(len(ids), -1) for name, flat in values.items()})
    _, blocks = np.unique(parallel, return_inverse=True)
    return Grid(languages, query_langs, blocks.astype(np.int64)), systems


def _columns(evaluation: Evaluation, measures: Sequence[str]) -> list[str]:
    """Return the columns with values of the measures."""
    known = evaluation.columns("per_query")
    return [*measures, *(one for name in measures if (one := single_column(name)) in known)]


def _places(column: pa.ChunkedArray, known: pa.Array | Sequence[str]) -> Numbers:
    """Return the place of each value among the known ones, all of which it is one of."""
    values = known if isinstance(known, pa.Array) else pa.array(known, pa.string())
    places: Numbers = pc.index_in(column, value_set=values).to_numpy().astype(np.int64)
    return places


def _broken(evaluation: Evaluation, found: str) -> DataError:
    place = f"{evaluation.folder or evaluation.result.model.label}: values per query"
    return DataError(place, found, "the table that 'evenrank evaluate' writes", AGAIN)
