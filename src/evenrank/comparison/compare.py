"""Comparing results, from their values per query to tested differences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import same_content
from evenrank.comparison.blocks import BlockSums, Cell, Grid, Kind, block_sums, read_values
from evenrank.comparison.comparison import ALPHA, Comparison, Difference
from evenrank.comparison.gates import Gate, GateResult, direction, parse_gate
from evenrank.comparison.statistics import (
    bootstrap_quantiles,
    exact_p_values,
    holm,
    require_exact,
    sign_flip_p_values,
    standardised_difference,
)
from evenrank.errors import ConfigError, DataError
from evenrank.measures.base import find_measure
from evenrank.results.folder import Evaluation, read_evaluations
from evenrank.results.labels import distinct_labels
from evenrank.results.schema import Result, Setting
from evenrank.text import split_names

Values = NDArray[np.float64]

DEFAULT_MEASURES = ("AP", "rank_distance")
"""Quality and language bias, as in the first table of arXiv 2408.10536."""
PERMUTATIONS = RESAMPLES = 10_000
INTERVAL = (ALPHA / 2, 1 - ALPHA / 2)
LEVELS = (ALPHA / 2, ALPHA, 1 - ALPHA, 1 - ALPHA / 2)
ORDER: tuple[Kind, ...] = ("setting", "query_lang", "pair", "single")
SELECTION = ("select_by", "dev_benchmark", "dev", "dev_fraction")
"""Training settings that decide which checkpoint becomes the model."""


@dataclass(frozen=True, eq=False)
class _Paired:
    """One system and the baseline by one measure, on the queries that both score."""

    system: str
    measure: str
    changes: BlockSums
    before: Values
    after: Values
    excluded: NDArray[np.int64]


def compare(
    results: Sequence[str | Path | Evaluation],
    *,
    measures: str | Sequence[str] | None = None,
    gates: str | Sequence[str] = (),
    permutations: int = PERMUTATIONS,
    resamples: int = RESAMPLES,
    seed: int = 0,
    exact: bool = False,
) -> Comparison:
    """Compare results with a baseline: differences, intervals, paired tests and effect sizes.

    Queries are joined by id. A query that only one of two results scores in a pool is left out
    there, and counted. Parallel queries are one block in the tests and in the intervals; see
    ``docs/comparison.md``.

    Args:
        results: Result folders or evaluations on one benchmark, the baseline first, at least two.
        measures: Measures with a value per query: a list, or a text with commas; ``None`` for
            ``AP`` and ``rank_distance``, if all results have them and can be compared by them.
        gates: Minimum gains such as ``"R@10 other +0.05"``; their measures are compared too.
        permutations: Draws of the signs, 1 or more.
        resamples: Resamples of the bootstrap, 1 or more.
        seed: Seed of both, 0 to 2^64 - 1.
        exact: Try all signs; only for up to 20 blocks that differ.

    Raises:
        ConfigError: A setting is wrong, the results are on different benchmarks, a measure is not
            in all of them, or it depends on where a run ends and they end at different depths.
        DataError: A folder is not a result folder, or two have no query in common.
    """
    _check(permutations, resamples, seed)
    limits = [parse_gate(text) for text in ([gates] if isinstance(gates, str) else gates)]
    evaluations = read_evaluations(results, "compare")
    if len(evaluations) < 2:
        raise ConfigError("compare", "one result", "two or more", "Name the baseline first")
    found = [one.result for one in evaluations]
    names = _chosen(evaluations, measures, [gate.measure for gate in limits])
    labels = distinct_labels(evaluations)
    pairs = list(_paired(evaluations, labels, names))
    for gate in limits:
        _require_figure(gate, pairs)
    for pair in pairs if exact else ():
        require_exact(pair.changes.parts)
    drawn, usual = None if exact else permutations, DEFAULT_MEASURES if measures is None else ()
    rows = [row for pair in pairs for row in _differences(pair, drawn, resamples, seed)]
    return Comparison(
        benchmark=found[0].benchmark.name,
        fingerprint=found[0].benchmark.fingerprint,
        baseline=labels[0],
        systems=tuple(labels[1:]),
        measures=tuple(names),
        left_out=tuple(name for name in usual if not comparable(found, name)),
        notes=(*_selection_notes(labels, found), *_length_notes(labels, found)),
        permutations=drawn,
        resamples=resamples,
        seed=seed,
        rows=tuple(rows),
        gate_results=tuple(_gate_results(limits, rows)),
    )


def setting_intervals(
    evaluation: Evaluation, measures: Sequence[str], *, resamples: int, seed: int = 0
) -> dict[tuple[str, Setting], tuple[float, float]]:
    """Return the 95 % bootstrap interval of each setting of one result.

    It says how far the figure could be off for other queries of the same kind. Two systems are
    compared by the interval of their difference (:func:`compare`), not by whether their intervals
    overlap: a hard query is hard for both.

    Args:
        evaluation: The result.
        measures: Measures with a value per query.
        resamples: Resamples of the bootstrap, 1 or more.
        seed: 0 to 2^64 - 1.

    Returns:
        (measure, setting) to the lower and upper end.

    Raises:
        ConfigError: The result has no values of a measure.
        DataError: The values per query are damaged.
    """
    names = _chosen([evaluation], measures, ())
    grid, (values,) = read_values([evaluation], names)
    intervals: dict[tuple[str, Setting], tuple[float, float]] = {}
    for name in names:
        sums = block_sums(grid, values[name])
        low, high = bootstrap_quantiles(
            sums, INTERVAL, resamples=resamples, seed=seed, only_macros=True
        )
        for at, cell in enumerate(sums.cells[sums.sums.shape[1] :]):
            if cell.kind == "setting":
                intervals[name, cell.setting] = (float(low[at]), float(high[at]))
    return intervals


def comparable(results: Sequence[Result], measure: str) -> bool:
    """Return whether results can be compared by a measure, wherever their rankings end.

    A passage that is not in a run gets the rank after its end. The rank distance of a run therefore
    depends on its depth, and is compared between runs of one depth only.
    """
    known = find_measure(measure)
    one_depth = len({result.depth for result in results}) == 1
    return one_depth or known is None or not known.of_depth


def _check(permutations: int, resamples: int, seed: int) -> None:
    for name, value in (("permutations", permutations), ("resamples", resamples)):
        if value < 1:
            raise ConfigError(name, str(value), "1 or more", "Leave it out for 10,000")
    if not 0 <= seed < 2**64:
        raise ConfigError("seed", str(seed), "0 to 2^64 - 1", "Choose another")


def _chosen(
    evaluations: Sequence[Evaluation], measures: str | Sequence[str] | None, also: Sequence[str]
) -> list[str]:
    """Return the measures to compare, all of which all results have."""
    results = [one.result for one in evaluations]
    _require_one_benchmark(evaluations)
    shared = [
        name for name in evaluations[0].measures if all(name in one.measures for one in evaluations)
    ]
    if measures is None:
        usual = [name for name in DEFAULT_MEASURES if name in shared]
        measures = [name for name in usual if comparable(results, name)]
    chosen = list(dict.fromkeys([*split_names(measures), *also]))
    for name in chosen or DEFAULT_MEASURES[:1]:
        for one in evaluations:
            if name not in one.measures:
                raise ConfigError(
                    f"measure {name!r}",
                    f"no values per query in {one.folder or one.result.model.label}",
                    f"one of {', '.join(shared) or 'none: the results share no measure'}",
                    "Name another, or evaluate with this measure",
                )
        if not comparable(results, name):
            raise _different_depths(name, results)
    return chosen


def _require_one_benchmark(evaluations: Sequence[Evaluation]) -> None:
    first = evaluations[0].result.benchmark
    for one in evaluations:
        other = one.result.benchmark
        if not same_content(other.fingerprint, first.fingerprint):
            raise ConfigError(
                str(one.folder or one.result.model.label),
                f"a result on {other.name} [{other.fingerprint}]",
                f"one on {first.name} [{first.fingerprint}], as the first",
                "Evaluate both models on the same benchmark",
            )
        if other.languages != first.languages:
            raise DataError(
                str(one.folder or one.result.model.label),
                "other languages of the same benchmark",
                f"{', '.join(first.languages)}, as the first",
                "Evaluate again with this version",
            )


def _different_depths(measure: str, results: Sequence[Result]) -> ConfigError:
    """Return the error that names the first two depths that differ."""
    first = results[0]
    other = next(result for result in results if result.depth != first.depth)
    ends = [
        f"{one.model.label} after {one.depth:,} passages" if one.depth else
        f"{one.model.label} with the pool"
        for one in (first, other)
    ]  # fmt: skip
    return ConfigError(
        f"measure {measure!r}",
        f"rankings that end in different places: {', '.join(ends)}",
        "one depth, because a passage that is not in a run gets the rank after its end",
        "Cut the runs at one depth, or name other measures",
    )


def _paired(
    evaluations: Sequence[Evaluation], labels: Sequence[str], measures: Sequence[str]
) -> Iterator[_Paired]:
    """Pair every system with the baseline, by every measure."""
    grid, values = read_values(evaluations, measures)
    for one, label, system in zip(evaluations[1:], labels[1:], values[1:], strict=True):
        for name in measures:
            before_QP, after_QP = values[0][name], system[name]
            both_QP = ~(np.isnan(before_QP) | np.isnan(after_QP))
            if not both_QP.any():
                raise DataError(
                    str(one.folder or label),
                    f"no query with a value of {name} in both it and {labels[0]}",
                    "results that score the same queries",
                    "Evaluate both again, or leave the measure out",
                )
            changes = block_sums(grid, after_QP - before_QP)
            yield _Paired(
                label,
                name,
                changes,
                block_sums(grid, np.where(both_QP, before_QP, np.nan)).means,
                block_sums(grid, np.where(both_QP, after_QP, np.nan)).means,
                _excluded(grid, changes, before_QP, after_QP),
            )


def _require_figure(gate: Gate, pairs: Sequence[_Paired]) -> None:
    figure = Cell("setting", gate.setting)
    for pair in pairs:
        if pair.measure == gate.measure and figure not in pair.changes.cells:
            raise ConfigError(
                f"--gate '{gate}'",
                f"no {gate.measure} {gate.setting} in the results",
                "a measure and a setting that they have",
                "Choose another gate",
            )


def _differences(
    pair: _Paired, permutations: int | None, resamples: int, seed: int
) -> list[Difference]:
    """Return the tested differences of one system by one measure, kind by kind."""
    changes = pair.changes
    bounds = bootstrap_quantiles(changes, LEVELS, resamples=resamples, seed=seed)
    p_values = (
        exact_p_values(changes.parts)
        if permutations is None
        else sign_flip_p_values(changes.parts, permutations=permutations, seed=seed)
    )
    columns = {
        "baseline_value": pair.before,
        "value": pair.after,
        "difference": changes.means,
        **dict(zip(("low", "at_least", "at_most", "high"), bounds, strict=True)),
        "p": p_values,
        "p_holm": _holm_by_kind(changes, p_values),
        "effect": standardised_difference(changes),
        "queries": changes.with_macros(changes.counts.sum(axis=0)).astype(np.int64),
        "excluded": pair.excluded,
        "blocks": changes.present.sum(axis=0),
    }
    places = sorted(
        range(len(changes.cells)), key=lambda at: ORDER.index(changes.cells[at].kind)
    )  # settings first; the order within a kind stays
    return [
        Difference(
            system=pair.system,
            measure=pair.measure,
            **vars(changes.cells[at]),
            **{name: _plain(values[at]) for name, values in columns.items()},
        )
        for at in places
    ]


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


def _gate_results(gates: Sequence[Gate], rows: Sequence[Difference]) -> Iterator[GateResult]:
    """Apply every gate to every system; a gain is positive where the system is better."""
    for gate in gates:
        for row in rows:
            if (row.kind, row.measure, row.setting) == ("setting", gate.measure, gate.setting):
                bounds = (row.difference, row.at_least, row.at_most)
                if direction(row.measure, row.setting) < 0:
                    bounds = (-row.difference, -row.at_most, -row.at_least)
                yield GateResult(gate, row.system, *bounds)


def _selection_notes(labels: Sequence[str], results: Sequence[Result]) -> Iterator[str]:
    """Say which models were selected by different rules during training, if their facts say so."""
    rules: dict[str, list[str]] = {}
    for label, result in zip(labels, results, strict=True):
        config = (result.model.training or {}).get("config")
        if isinstance(config, dict) and "select_by" in config:
            facts = [f"{name} {config[name]}" for name in SELECTION if config.get(name) is not None]
            rules.setdefault(", ".join(facts), []).append(label)
    if len(rules) > 1:
        found = "; ".join(f"{', '.join(names)} by {rule}" for rule, names in rules.items())
        yield f"the models were selected differently during training: {found}"


def _length_notes(labels: Sequence[str], results: Sequence[Result]) -> Iterator[str]:
    """Name the lengths at which models cut texts, if they differ.

    A model that was trained with short texts keeps their limit.
    """
    lengths: dict[int, list[str]] = {}
    for label, result in zip(labels, results, strict=True):
        length = (result.model.encoder or {}).get("max_length")
        if isinstance(length, int):
            lengths.setdefault(length, []).append(label)
    if len(lengths) > 1:
        found = "; ".join(f"{', '.join(names)} {length}" for length, names in lengths.items())
        yield f"the models cut texts at different numbers of tokens: {found}"


def _plain(value: np.generic) -> Any:  # noqa: ANN401 - a float, an int, or None
    """Return a number of Python, ``None`` for NaN."""
    number = value.item()
    return None if isinstance(number, float) and math.isnan(number) else number
