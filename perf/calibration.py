"""How often the tests, intervals and gates of `evenrank compare` err, where the truth is known.

    python perf/calibration.py

Two simulated systems rank for the same queries in several languages, some translations missing. A
value is the reciprocal of a rank. What a block adds to the ranks of all its queries is a share of
the variance: the correlation of translations. In the first kind of experiment the systems are
equal, so every mark of significance is a false alarm. In the second kind one of them is better by
a known amount, which an interval should contain, and which a gate that allows exactly this loss
should let pass. Each experiment is done with blocks of parallel queries, as `compare` does, and
with every query by itself, as other tools do. Figures are percentages of experiments; chance moves
them by about 1.4 (two standard errors of 1,000 experiments where 5 % is expected).
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.stats import norm

from evenrank.comparison.blocks import BlockSums, Grid, block_sums
from evenrank.comparison.statistics import bootstrap_quantiles, holm, sign_flip_p_values

SPREAD = 1.5
"""Standard deviation of the logarithm of a rank."""
SHIFT = 0.15
"""How much lower the better system's logarithm of a rank is on average, in such deviations."""
LEVELS = (0.025, 0.05, 0.95, 0.975)
RATES = (
    "false alarm, mono",
    "false alarm, cross",
    "false alarm, any pair (Holm)",
    "interval contains the truth, mono",
    "interval contains the truth, cross",
    "interval contains the truth, all pairs",
    "gate at its limit fails, mono",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=200)
    parser.add_argument("--languages", type=int, default=5)
    parser.add_argument("--missing", type=float, default=0.2, help="share of translations")
    parser.add_argument("--experiments", type=int, default=200)
    parser.add_argument("--repetitions", type=int, default=999)
    parser.add_argument("--correlations", type=float, nargs="+", default=[0.0, 0.3, 0.7])
    options = parser.parse_args()
    print(f"{options.blocks:,} blocks, {options.languages} languages, "
          f"{options.missing:.0%} of translations missing; {options.experiments:,} experiments "
          f"of {options.repetitions:,} permutations and resamples")  # fmt: skip
    columns = [f"{name} {rho:g}" for rho in options.correlations for name in ("blocks", "queries")]
    start = time.perf_counter()
    rates = [rate for rho in options.correlations for rate in error_rates(rho, options)]
    print(f"{'correlation of translations':36}" + "".join(f"{name:>13}" for name in columns))
    for row, name in enumerate(RATES):
        print(f"{name:36}" + "".join(f"{100 * rate[row]:13.1f}" for rate in rates))
    print(f"{time.perf_counter() - start:.0f} s")


def error_rates(rho: float, options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """Return the rates with blocks of parallel queries, and with every query by itself."""
    rng = np.random.default_rng(0)
    found = np.zeros((2, options.experiments, len(RATES)))
    for at in range(options.experiments):
        equal, grid = differences(rng, rho, 0.0, options)
        better, _ = differences(rng, rho, SHIFT, options, grid)
        alone = Grid(grid.languages, grid.query_langs, np.arange(len(grid.blocks)))
        for way, of in enumerate((grid, alone)):
            alarms = false_alarms(block_sums(of, equal), options.repetitions, seed=at)
            errors = misses(block_sums(of, better), options.repetitions, seed=at)
            found[way, at] = [*alarms, *errors]
    return found[0].mean(axis=0), found[1].mean(axis=0)


def differences(
    rng: np.random.Generator,
    rho: float,
    shift: float,
    options: argparse.Namespace,
    grid: Grid | None = None,
) -> tuple[np.ndarray, Grid]:
    """Return ``(Q, P)`` differences between the values of two systems, and what they stand in."""
    if grid is None:
        there = rng.random((options.blocks, options.languages)) >= options.missing
        blocks, langs = there.nonzero()
        _, blocks = np.unique(blocks, return_inverse=True)
        grid = Grid(tuple(f"l{lang}" for lang in range(options.languages)), langs, blocks)
    shape = (2, len(grid.blocks), len(grid.pools))
    shared = rng.normal(size=(2, int(grid.blocks.max()) + 1, 1))[:, grid.blocks]
    latent = np.sqrt(rho) * shared + np.sqrt(1 - rho) * rng.normal(size=shape)
    latent[1] -= shift
    values = 1 / np.ceil(np.exp(SPREAD * latent).clip(1))
    return values[1] - values[0], grid


def mean_value(shift: float) -> float:
    """Return the expected value of a system, summed over ranks."""
    ranks = np.arange(1, 1_000_000)
    below = norm.cdf(np.log(ranks) / SPREAD + shift)
    return float((np.diff(below, prepend=0) / ranks).sum())


TRUTH = mean_value(SHIFT) - mean_value(0.0)


def false_alarms(sums: BlockSums, repetitions: int, *, seed: int) -> list[bool]:
    p_values = sign_flip_p_values(sums.parts, permutations=repetitions, seed=seed)
    pairs = [at for at, cell in enumerate(sums.cells) if cell.kind == "pair"]
    alarms = [p_values[setting_at(sums, name)] <= 0.05 for name in ("mono", "cross")]
    return [*alarms, bool((holm(p_values[pairs]) <= 0.05).any())]


def misses(sums: BlockSums, repetitions: int, *, seed: int) -> list[float]:
    low, _, most, high = bootstrap_quantiles(sums, LEVELS, resamples=repetitions, seed=seed)
    contains = (low <= TRUTH) & (high >= TRUTH)
    pairs = [at for at, cell in enumerate(sums.cells) if cell.kind == "pair"]
    mono, cross = (setting_at(sums, name) for name in ("mono", "cross"))
    return [contains[mono], contains[cross], contains[pairs].mean(), most[mono] < TRUTH]


def setting_at(sums: BlockSums, name: str) -> int:
    return next(at for at, cell in enumerate(sums.cells) if str(cell) == name)


if __name__ == "__main__":
    main()
