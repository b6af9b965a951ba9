"""How long the tests and intervals of `evenrank compare` take, against scipy one cell at a time.

    python perf/compare.py [RESULT RESULT]

Random differences of the size of XQuAD-R: 1,190 blocks in 11 languages, 121 pairs of languages
and 11 pools, the same pairs with an answer in one language only, and seven settings. scipy's
permutation test and bootstrap get one cell each, in the same run, and the time for all cells is
that times their number. With two result folders, the whole command is timed on them as well, from
reading to corrected p-values.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from evenrank.comparison.blocks import BlockSums, Grid, block_sums
from evenrank.comparison.compare import compare
from evenrank.comparison.statistics import bootstrap_quantiles, sign_flip_p_values

TIMES = 3
"""Repetitions, of which the fastest counts."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="*", type=Path)
    parser.add_argument("--blocks", type=int, default=1_190)
    parser.add_argument("--languages", type=int, default=11)
    parser.add_argument("--repetitions", type=int, default=10_000)
    options = parser.parse_args()
    count = options.repetitions
    sums = differences(options.blocks, options.languages)
    cells = len(sums.cells)
    print(f"{options.blocks:,} blocks, {cells} cells, {count:,} permutations and resamples")
    ours = {
        "permutation test": lambda: sign_flip_p_values(sums.parts, permutations=count, seed=0),
        "bootstrap": lambda: bootstrap_quantiles(sums, [0.025, 0.975], resamples=count, seed=0),
    }
    theirs = {
        "permutation test": lambda values: stats.permutation_test(
            (values,), mean, permutation_type="samples", n_resamples=count, batch=1000
        ),
        "bootstrap": lambda values: stats.bootstrap(
            (values,), np.mean, n_resamples=count, method="percentile", batch=1000
        ),
    }
    one = sums.sums[:, 0]
    for name, function in ours.items():
        seconds, single = fastest(function), fastest(lambda name=name: theirs[name](one))
        print(
            f"{name:18} all cells {seconds:6.2f} s   scipy, one cell {single:6.2f} s, "
            f"all {single * cells:7.1f} s   ratio {single * cells / seconds:6.0f}"
        )
    if options.results:
        seconds = fastest(lambda: compare(options.results, measures=["AP"]))
        print(f"{'whole command':18} all cells {seconds:6.2f} s")


def differences(count: int, languages: int) -> BlockSums:
    """Every block in every language; differences are small, many are zero."""
    rng = np.random.default_rng(0)
    langs = np.repeat(np.arange(languages), count)
    blocks = np.tile(np.arange(count), languages)
    values = rng.normal(0.005, 0.1, size=(len(langs), 2 * languages + 1))
    values[rng.uniform(size=values.shape) < 0.3] = 0
    codes = tuple(f"l{number}" for number in range(languages))
    return block_sums(Grid(codes, langs, blocks), values)


def mean(values: np.ndarray, axis: int) -> np.ndarray:
    return values.mean(axis=axis)


def fastest(function: Callable[[], Any]) -> float:
    seconds = []
    for _ in range(TIMES):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


if __name__ == "__main__":
    main()
