"""Figures of systems over queries and seeds: means, intervals, paired tests.

A figure is a sum over blocks of parallel queries: what each block adds to a setting's macro mean
(:attr:`~evenrank.comparison.blocks.BlockSums.parts`). All results are on one benchmark, so the
parts of two results belong together block by block, and those of two systems seed by seed.

Shapes: ``S`` seeds, ``N`` blocks, ``K`` figures, ``T`` resamples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_1samp

from evenrank.comparison.blocks import block_sums, read_values
from evenrank.comparison.comparison import ALPHA
from evenrank.comparison.statistics import holm, sign_flip_p_values
from evenrank.errors import DataError
from evenrank.evaluation.evaluator import Figure
from evenrank.results.folder import AGAIN, Evaluation

Values = NDArray[np.float64]
PERMUTATIONS = 10_000
RESAMPLES = 1_000


@dataclass(frozen=True)
class Estimate:
    """A figure of one system.

    Attributes:
        mean: Over seeds.
        deviation: Standard deviation over seeds; ``None`` for one seed.
        low: Lower end of the 95 % bootstrap interval over queries and seeds.
        high: Its upper end.
        seeds: Number of seeds.
    """

    mean: float
    deviation: float | None
    low: float
    high: float
    seeds: int


@dataclass(frozen=True)
class PairedTest:
    """A system's figure against that of the baseline, paired by query and seed.

    Attributes:
        difference: System minus baseline, mean over seeds.
        low: Lower end of its 95 % bootstrap interval over queries and seeds.
        high: Its upper end.
        p_queries: Sign-flip test over blocks of parallel queries, of the mean over seeds.
        p_seeds: Paired t-test over seeds; ``None`` with fewer than two seeds.
        p: The larger of both: neither the queries nor the seeds may be the reason.
        p_holm: The same after Holm's correction over all systems.
        gain: 1 if the system's figure is better, -1 if it is worse, 0 if they are equal.
    """

    difference: float
    low: float
    high: float
    p_queries: float
    p_seeds: float | None
    p: float
    p_holm: float
    gain: int

    @property
    def significant(self) -> bool:
        """Whether chance is an unlikely reason, considering all systems."""
        return self.p_holm <= ALPHA

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"significant": self.significant}


@dataclass(frozen=True, eq=False)
class Parts:
    """What each block adds to the figures of a system.

    Attributes:
        seeds: The ``S`` seeds; ``(None,)`` for a start that does not depend on a seed.
        values: ``(S, N, K)``; NaN for a figure that the results do not have.
    """

    seeds: tuple[int | None, ...]
    values: Values

    def of(self, seeds: Sequence[int | None]) -> Values:
        """Return the values for some seeds; those of a start without a seed are repeated."""
        if self.seeds == (None,):
            return np.repeat(self.values, len(seeds), axis=0)
        return self.values[[self.seeds.index(seed) for seed in seeds]]


def read_parts(results: Mapping[int | None, Evaluation], figures: Sequence[Figure]) -> Parts:
    """Read the parts of one system's results, by seed.

    Raises:
        DataError: A result is damaged, or the results have different queries.
    """
    found = [_parts_NK(one, figures) for one in results.values()]
    if len({part.shape for part in found}) > 1:
        place = str(next(iter(results.values())).folder)
        raise DataError(place, "other queries than the other seeds", "the same queries", AGAIN)
    return Parts(tuple(results), np.stack(found))


def _parts_NK(evaluation: Evaluation, figures: Sequence[Figure]) -> Values:
    """Return what each block adds to each figure of a result."""
    measures = list(dict.fromkeys(figure.measure for figure in figures))
    known = [name for name in measures if name in evaluation.measures]
    grid, (values,) = read_values([evaluation], known)
    blocks = int(grid.blocks.max(initial=-1)) + 1
    columns: dict[tuple[str, str], Values] = {}
    for name in known:
        sums = block_sums(grid, values[name])
        for at, cell in enumerate(sums.cells):
            if cell.kind == "setting":
                columns[name, cell.setting] = sums.parts[:, at]
    nothing = np.full(blocks, np.nan)
    keys = [(one.measure, "multi" if one.setting == "bias" else one.setting) for one in figures]
    return np.stack([columns.get(key, nothing) for key in keys], axis=1)


def estimates(parts: Parts, *, resamples: int = RESAMPLES) -> list[Estimate]:
    """Return the figures of a system with their intervals."""
    figures_SK = parts.values.sum(axis=1)
    low, high = _interval(parts.values, resamples)
    count = len(parts.seeds)
    return [
        Estimate(
            float(figures_SK[:, at].mean()),
            float(figures_SK[:, at].std(ddof=1)) if count > 1 else None,
            float(low[at]),
            float(high[at]),
            count,
        )
        for at in range(figures_SK.shape[1])
    ]


def paired_tests(
    pairs: Mapping[str, tuple[Parts, Parts]],
    figures: Sequence[Figure],
    *,
    permutations: int = PERMUTATIONS,
    resamples: int = RESAMPLES,
) -> dict[str, list[PairedTest | None]]:
    """PairedTest each system against its baseline, by each figure, paired by block and seed.

    The test over queries flips the signs of whole blocks of parallel queries, after the mean over
    the seeds. The test over seeds is a paired t-test of the figures. ``p`` is the larger of both
    (an intersection-union test: Berger 1982, doi:10.1080/00401706.1982.10487790), so a system
    that is better for one lucky seed, or for a few queries, is not called better. Holm's family
    are all systems, for each figure by itself.

    Args:
        pairs: System to the parts of its baseline and its own.
        figures: The figures.
        permutations: Draws of the signs.
        resamples: Resamples of the bootstrap.

    Returns:
        For each system one test for each figure, ``None`` where a figure is missing or no seed is
        common.
    """
    found: dict[str, list[dict[str, Any] | None]] = {}
    for name, (baseline, system) in pairs.items():
        seeds = _common(baseline, system)
        if not seeds or baseline.values.shape[1:] != system.values.shape[1:]:
            found[name] = [None] * len(figures)
            continue
        changes_SNK = system.of(seeds) - baseline.of(seeds)
        found[name] = _tested(changes_SNK, figures, permutations, resamples)
    for at in range(len(figures)):
        family = [rows[at] for rows in found.values()]
        present = [row for row in family if row is not None]
        adjusted = holm(np.array([row["p"] for row in present]))
        for row, p_holm in zip(present, adjusted.tolist(), strict=True):
            row["p_holm"] = p_holm
    return {
        name: [PairedTest(**row) if row is not None else None for row in rows]
        for name, rows in found.items()
    }


def _common(baseline: Parts, system: Parts) -> list[int | None]:
    if baseline.seeds == (None,) or system.seeds == (None,):
        return list(max(baseline.seeds, system.seeds, key=lambda seeds: seeds != (None,)))
    return [seed for seed in baseline.seeds if seed in system.seeds]


def _tested(
    changes_SNK: Values, figures: Sequence[Figure], permutations: int, resamples: int
) -> list[dict[str, Any] | None]:
    figures_SK = changes_SNK.sum(axis=1)
    p_queries = sign_flip_p_values(changes_SNK.mean(axis=0), permutations=permutations, seed=0)
    low, high = _interval(changes_SNK, resamples)
    rows: list[dict[str, Any] | None] = []
    for at, figure in enumerate(figures):
        difference = float(figures_SK[:, at].mean())
        if math.isnan(difference):
            rows.append(None)
            continue
        p_seeds = _p_seeds(figures_SK[:, at])
        better = 1 if figure.greater_is_better else -1
        rows.append(
            {
                "difference": difference,
                "low": float(low[at]),
                "high": float(high[at]),
                "p_queries": float(p_queries[at]),
                "p_seeds": p_seeds,
                "p": max(float(p_queries[at]), p_seeds or 0.0),
                "gain": better * int(np.sign(difference)),
            }
        )
    return rows


def _p_seeds(differences_S: Values) -> float | None:
    if len(differences_S) < 2:
        return None
    if np.ptp(differences_S) <= 1e-12 * np.abs(differences_S).max(initial=0):
        return 1.0 if not differences_S.any() else 0.0  # all seeds agree to the last digit
    return float(ttest_1samp(differences_S, 0).pvalue)


def _interval(values_SNK: Values, resamples: int) -> tuple[Values, Values]:
    """Return the 95 % percentile interval of ``values.mean(0).sum(0)``.

    Seeds and blocks are drawn with replacement, independently (Owen 2007,
    doi:10.1214/07-AOAS122); with one seed, blocks alone. Few seeds understate their part.
    """
    seeds, blocks, _ = values_SNK.shape
    weights_TN, weights_TS = _draws(blocks, resamples), _draws(seeds, resamples) / seeds
    sums_STK = np.stack([weights_TN @ one for one in values_SNK])
    drawn_TK = np.einsum("ts,stk->tk", weights_TS, sums_STK)
    low, high = np.quantile(drawn_TK, [ALPHA / 2, 1 - ALPHA / 2], axis=0)
    return low, high


@lru_cache(maxsize=4)  # all systems are resampled in the same way
def _draws(count: int, resamples: int) -> Values:
    """Return ``(T, count)`` how often each of ``count`` is drawn."""
    rng = np.random.Generator(np.random.Philox(key=np.array([count, 7], np.uint64)))
    drawn = rng.integers(0, count, size=(resamples, count))
    drawn += np.arange(resamples)[:, None] * count
    weights = np.bincount(drawn.ravel(), minlength=resamples * count)
    return weights.reshape(resamples, count).astype(np.float64)
