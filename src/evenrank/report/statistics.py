"""Tests and intervals, computed once for all sections that show them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from evenrank.comparison.compare import comparable, compare, setting_intervals
from evenrank.comparison.comparison import Comparison, Difference
from evenrank.report.entry import Entry
from evenrank.report.terms import RANK_DISTANCE, RANK_DISTANCE_NORM, SPECS, main_measure
from evenrank.results.schema import Setting
from evenrank.tables import MARK, show

RESAMPLES = 1_000
"""Enough for the digits shown; ``evenrank compare`` draws more."""

HEADLINE_MEASURES = ("R@1", "R@10", RANK_DISTANCE, RANK_DISTANCE_NORM)

SMALL_PRINT = (
    "Small print: 95 % bootstrap interval. The intervals of two models may overlap although their "
    "difference is not chance."
)


def comparison_of(entries: Sequence[Entry]) -> Comparison | None:
    """Compare the other results with the first: main measure and rank distance.

    ``None`` if there is nothing to compare.
    """
    measure = main_measure(entries)
    if len(entries) < 2 or measure is None:
        return None
    results = [entry.result for entry in entries]
    distance = all(RANK_DISTANCE in result.bias for result in results)
    distance = distance and comparable(results, RANK_DISTANCE)
    return _compare(tuple(entries), (measure, RANK_DISTANCE) if distance else (measure,))


def interval_text(low: float, high: float, spec: str) -> str:
    """Return an interval as it is printed.

    >>> interval_text(-0.0312, 0.004, "+.3f"), interval_text(10.26, 13.5, ",.1f")
    ('[−.031, +.004]', '[10.3, 13.5]')
    """
    return f"[{show(low, spec)}, {show(high, spec)}]"


def change_text(row: Difference) -> str:
    """Return the interval of a difference, and a mark if it is unlikely to be chance."""
    text = interval_text(row.low, row.high, f"+{SPECS.get(row.measure, '.4f')}")
    return f"{text} {MARK}" if row.significant else text


# entries are compared by identity, so one report never uses the results of another


@lru_cache(maxsize=4)
def _compare(entries: tuple[Entry, ...], measures: tuple[str, ...]) -> Comparison:
    evaluations = [entry.evaluation for entry in entries]
    return compare(evaluations, measures=measures, resamples=RESAMPLES)


@lru_cache(maxsize=16)
def intervals_of(entry: Entry, measure: str | None) -> dict[tuple[str, Setting], str]:
    """Return the interval of each macro mean of a measure and the usual ones, as it is printed."""
    known = {**entry.result.pairs, **entry.result.bias}
    wanted = dict.fromkeys([measure, *HEADLINE_MEASURES])
    present = [name for name in wanted if name is not None and name in known]
    found = setting_intervals(entry.evaluation, present, resamples=RESAMPLES)
    return {
        (name, setting): interval_text(low, high, ",.1f" if name == RANK_DISTANCE else ".3f")
        for (name, setting), (low, high) in found.items()
    }
