"""Intervals of one result's own figures, for tables that show it alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evenrank.comparison.blocks import block_sums
from evenrank.comparison.bootstrap import bootstrap_quantiles
from evenrank.comparison.difference import ALPHA
from evenrank.comparison.reading import read_systems
from evenrank.results.schema import Setting


def setting_intervals(
    folder: Path, measures: Sequence[str], *, resamples: int, seed: int = 0
) -> dict[tuple[str, Setting], tuple[float, float]]:
    """Return the 95 % bootstrap interval of each macro mean of a result.

    It says how far the figure could be off for other questions of the same kind. Two systems are
    compared by the interval of their difference (``compare``), not by whether theirs overlap:
    what makes a question hard makes it hard for both.

    Args:
        folder: A result folder.
        measures: Measures with a value per query.
        resamples: Resamples of the bootstrap, 1 or more.
        seed: 0 to 2^64 - 1.

    Returns:
        (measure, setting) to the lower and upper end.

    Raises:
        ConfigError: The result has no values of a measure.
        DataError: The folder is not a result folder.
    """
    grid, (system,) = read_systems([folder], measures)
    intervals: dict[tuple[str, Setting], tuple[float, float]] = {}
    for name, values in system.values.items():
        sums = block_sums(grid, values)
        levels = (ALPHA / 2, 1 - ALPHA / 2)
        low, high = bootstrap_quantiles(sums, levels, resamples=resamples, seed=seed)
        for at, cell in enumerate(sums.cells):
            if cell.kind == "setting":
                intervals[name, cell.setting] = (float(low[at]), float(high[at]))
    return intervals
