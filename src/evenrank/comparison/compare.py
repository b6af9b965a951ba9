"""Comparing result folders, from their values per query to tested differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenrank.comparison.blocks import BlockSums, Grid, Kind, block_sums
from evenrank.comparison.bootstrap import bootstrap_quantiles
from evenrank.comparison.comparison import Comparison
from evenrank.comparison.difference import ALPHA, Difference
from evenrank.comparison.effect import standardised_difference
from evenrank.comparison.gates import judge, parse_gate
from evenrank.comparison.permutation import exact_p_values, holm, sign_flip_p_values
from evenrank.comparison.reading import DEFAULT_MEASURES, System, comparable, read_systems
from evenrank.errors import ConfigError, DataError

Values = NDArray[np.float64]

PERMUTATIONS = RESAMPLES = 10_000
LEVELS = (ALPHA / 2, ALPHA, 1 - ALPHA, 1 - ALPHA / 2)
ORDER: tuple[Kind, ...] = ("setting", "query_lang", "pair")


@dataclass(frozen=True)
class _Settings:
    permutations: int | None
    resamples: int
    seed: int


def compare(
    folders: Sequence[Path],
    *,
    measures: Sequence[str] | None = None,
    permutations: int = PERMUTATIONS,
    resamples: int = RESAMPLES,
    seed: int = 0,
    exact: bool = False,
    gates: Sequence[str] = (),
) -> Comparison:
    """Compare results with a baseline: differences, intervals, paired tests and effect sizes.

    Queries are joined by id. Where only one of two results scores a query in a pool, it is left out
    of the cells it would count in, and counted. Questions with their translations are one
    block in the tests and in the intervals; see ``docs/comparison.md``.

    Args:
        folders: Result folders on one benchmark, the baseline first, at least two.
        measures: Measures with a value per query, such as ``AP`` and ``rank_distance``; these two,
            as far as all results have them and can be compared by them, if ``None``.
        permutations: Draws of the signs, 1 or more.
        resamples: Resamples of the bootstrap, 1 or more.
        seed: Seed of both, 0 to 2^64 - 1.
        exact: Try all signs; only for up to 20 questions that differ.
        gates: Largest losses allowed, such as ``"AP mono -0.01"``; their measures are compared too.

    Raises:
        ConfigError: A setting is wrong, the results are on different benchmarks, a measure is not
            in all of them, or it depends on where a run ends and they end in different places.
        DataError: A folder is not a result folder, or two have no query in common.
    """
    _check(folders, permutations, resamples, seed)
    limits = [parse_gate(text) for text in gates]
    grid, systems = read_systems(folders, measures, [limit.measure for limit in limits])
    names, results = tuple(systems[0].values), [system.result for system in systems]
    usual = DEFAULT_MEASURES if measures is None else ()
    settings = _Settings(None if exact else permutations, resamples, seed)
    rows = tuple(
        row
        for system in systems[1:]
        for name in names
        for row in _differences(grid, systems[0], system, name, settings)
    )
    return Comparison(
        benchmark=systems[0].result.benchmark.name,
        fingerprint=systems[0].result.benchmark.fingerprint,
        baseline=systems[0].label,
        systems=tuple(system.label for system in systems[1:]),
        measures=names,
        left_out=tuple(name for name in usual if not comparable(results, name)),
        permutations=settings.permutations,
        resamples=resamples,
        seed=seed,
        rows=rows,
        gate_results=tuple(judge(limits, rows)),
    )


def _check(folders: Sequence[Path], permutations: int, resamples: int, seed: int) -> None:
    if len(folders) < 2:
        raise ConfigError(
            "compare", f"{len(folders)} result folders", "two or more", "Name the baseline first"
        )
    for name, value in (("permutations", permutations), ("resamples", resamples)):
        if value < 1:
            raise ConfigError(name, str(value), "1 or more", "Leave it out for 10,000")
    if not 0 <= seed < 2**64:
        raise ConfigError("seed", str(seed), "0 to 2^64 - 1", "Choose another")


def _differences(
    grid: Grid, baseline: System, system: System, measure: str, settings: _Settings
) -> list[Difference]:
    """Return the tested differences of one measure, kind by kind."""
    before_QP, after_QP = baseline.values[measure], system.values[measure]
    both_QP = ~(np.isnan(before_QP) | np.isnan(after_QP))
    if not both_QP.any():
        raise DataError(
            str(system.folder),
            f"no query with a value of {measure} that {baseline.folder} scores as well",
            "results that score the same queries",
            "Evaluate both again, or leave the measure out",
        )
    changes = block_sums(grid, after_QP - before_QP)
    before = block_sums(grid, np.where(both_QP, before_QP, np.nan)).means
    after = block_sums(grid, np.where(both_QP, after_QP, np.nan)).means
    bounds = bootstrap_quantiles(changes, LEVELS, resamples=settings.resamples, seed=settings.seed)
    p_values = _p_values(changes, settings)
    columns = {
        "baseline_value": before,
        "value": after,
        "difference": changes.means,
        **dict(zip(("low", "least", "most", "high"), bounds, strict=True)),
        "p": p_values,
        "p_holm": _holm_by_kind(changes, p_values),
        "effect": standardised_difference(changes),
        "queries": changes.with_macros(changes.counts.sum(axis=0)).astype(np.int64),
        "excluded": _excluded(grid, changes, before_QP, after_QP),
        "blocks": changes.present.sum(axis=0),
    }
    order = sorted(range(len(changes.cells)), key=lambda at: ORDER.index(changes.cells[at].kind))
    return [
        Difference(
            system=system.label,
            measure=measure,
            **vars(changes.cells[at]),
            **{name: _plain(column[at]) for name, column in columns.items()},
        )
        for at in order
    ]


def _p_values(changes: BlockSums, settings: _Settings) -> Values:
    if settings.permutations is None:
        return exact_p_values(changes.parts)
    return sign_flip_p_values(changes.parts, permutations=settings.permutations, seed=settings.seed)


def _holm_by_kind(changes: BlockSums, p_values: Values) -> Values:
    kinds = np.array([cell.kind for cell in changes.cells])
    adjusted = np.empty(len(kinds))
    for kind in ORDER:
        adjusted[kinds == kind] = holm(p_values[kinds == kind])
    return adjusted


def _excluded(
    grid: Grid, changes: BlockSums, before_QP: Values, after_QP: Values
) -> NDArray[np.int64]:
    """Return how many queries of each figure only one of the results scores."""
    one_QP = np.isnan(before_QP) != np.isnan(after_QP)
    left_out = block_sums(grid, np.where(one_QP, 1.0, np.nan))
    totals = left_out.with_macros(left_out.counts.sum(axis=0))
    count_of = dict(zip(left_out.cells, totals.tolist(), strict=True))
    return np.array([count_of.get(cell, 0) for cell in changes.cells], dtype=np.int64)


def _plain(value: np.generic) -> Any:  # noqa: ANN401 - a float, an int, or None
    """Return a number of Python, ``None`` for NaN."""
    number = value.item()
    return None if isinstance(number, float) and math.isnan(number) else number
