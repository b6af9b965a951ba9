"""The figures of a ranking that a correction is chosen by, with intervals over blocks.

A block is a query with its translations. Shapes: ``Q`` queries, ``L`` languages; the columns of
values are the passage languages, the multilingual pool, and the multilingual pool with relevant
passages in one language only, as in ``comparison/blocks.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark
from evenrank.comparison.blocks import BlockSums, Grid, block_sums
from evenrank.comparison.compare import LEVELS
from evenrank.comparison.statistics import bootstrap_quantiles
from evenrank.errors import DataError
from evenrank.measures.base import parse_measure
from evenrank.ranking.cells import single_cells
from evenrank.ranking.ranks import Ranking, language_pools, multilingual_pool
from evenrank.results.schema import Setting

Values = NDArray[np.float64]
Name = tuple[str, Setting]

AP, FOUND, DISTANCE = "AP", "R@10", "rank_distance"
NAMES: tuple[Name, ...] = (
    (AP, "mono"),
    (AP, "cross"),
    (AP, "multi"),
    (DISTANCE, "multi"),
    (FOUND, "own"),
    (FOUND, "other"),
    (FOUND, "even"),
    (FOUND, "gap"),
)
"""The figures: measure and setting."""


@dataclass(frozen=True)
class Interval:
    """A number with its 95 % bootstrap interval.

    Attributes:
        value: The number.
        low: Lower end.
        high: Upper end.
        at_least: One-sided 95 % bound.
        at_most: One-sided 95 % bound.
    """

    value: float
    low: float
    high: float
    at_least: float
    at_most: float


@dataclass(frozen=True)
class Figure:
    """A figure of a correction.

    Attributes:
        of: The figure.
        change: Its difference from the figure without a correction.
    """

    of: Interval
    change: Interval


Figures = dict[Name, Figure]


@dataclass(frozen=True, eq=False)
class Part:
    """Queries on which corrections are measured.

    Attributes:
        name: What they are.
        queries: ``(Q,)`` whether each query of the benchmark is one of them.
        grid: Their languages and blocks.
    """

    name: str
    queries: NDArray[np.bool_]
    grid: Grid

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return int(self.grid.blocks.max()) + 1


def part_of(benchmark: Benchmark, name: str, queries: NDArray[np.bool_] | None = None) -> Part:
    """Return some queries of a benchmark, or all of them."""
    chosen = np.ones(len(benchmark.queries), dtype=bool) if queries is None else queries
    _, blocks = np.unique(benchmark.parallel[chosen], return_inverse=True)
    langs = benchmark.queries.langs[chosen].astype(np.int64)
    return Part(name, chosen, Grid(benchmark.languages, langs, blocks.astype(np.int64)))


def halves(benchmark: Benchmark, seed: int) -> tuple[Part, Part]:
    """Split a benchmark's blocks at random into halves: one to choose on, one to report on.

    Raises:
        DataError: There are fewer than four blocks.
    """
    blocks, number_of = np.unique(benchmark.parallel, return_inverse=True)
    if len(blocks) < 4:
        raise DataError(
            benchmark.name,
            f"{len(blocks)} queries with their translations",
            "4 or more, so that half of them can be kept for the report",
            "Use more queries, or choose on another corpus",
        )
    random = np.random.Generator(np.random.Philox(key=np.array([seed, 3], np.uint64)))
    first = np.zeros(len(blocks), dtype=bool)
    first[random.permutation(len(blocks))[: len(blocks) // 2]] = True
    one, other = f"half of {benchmark.name}", f"the other half of {benchmark.name}"
    chosen = first[number_of]
    return part_of(benchmark, one, chosen), part_of(benchmark, other, ~chosen)


def query_values(benchmark: Benchmark, ranking: Ranking) -> dict[str, Values]:
    """Return ``(Q, 2L + 1)`` values of each measure, NaN where a query has none."""
    count = len(benchmark.languages)
    values = {
        name: np.full((len(benchmark.queries), 2 * count + 1), np.nan)
        for name in (AP, FOUND, DISTANCE)
    }
    precision, found, distance = (parse_measure(name) for name in (AP, FOUND, DISTANCE))
    for lang, pool in language_pools(benchmark, ranking):
        values[AP][:, lang] = precision(pool)
    pool = multilingual_pool(benchmark, ranking)
    values[AP][:, count] = precision(pool)
    values[DISTANCE][:, count] = distance(pool)
    cells = single_cells(pool)
    values[FOUND][cells.queries, count + 1 + cells.langs] = found(cells.pool)
    return values


def require_single(benchmark: Benchmark) -> None:
    """Refuse a benchmark whose queries do not have answers in several languages.

    Raises:
        DataError: No query has one in its own language and one in another.
    """
    relevance, count = benchmark.relevance, len(benchmark.queries)
    langs = benchmark.passages.langs[relevance.passages]
    own = langs == benchmark.queries.langs[relevance.query_of]
    in_own, in_others = (
        np.bincount(relevance.query_of[some], minlength=count) > 0 for some in (own, ~own)
    )
    if not (in_own & in_others).any():
        raise DataError(
            benchmark.name,
            "no query with relevant passages in its own language and in others",
            "parallel answers, to compare own and other",
            "Use a parallel corpus, such as --benchmark corpus:PATH",
        )


def figures(
    part: Part,
    values: Mapping[str, Values],
    without: Mapping[str, Values],
    *,
    names: Sequence[Name] = NAMES,
    resamples: int,
    seed: int,
) -> Figures:
    """Return the figures of a correction on some queries.

    Args:
        part: The queries.
        values: Values of all queries of the benchmark with the correction.
        without: The same without a correction.
        names: The figures.
        resamples: Resamples of the bootstrap.
        seed: Its seed.
    """
    found: Figures = {}
    for measure in values:
        after, before = (one[measure][part.queries] for one in (values, without))
        of = _intervals(block_sums(part.grid, after), resamples, seed)
        change = _intervals(block_sums(part.grid, after - before), resamples, seed)
        for name in names:
            if name[0] == measure:
                found[name] = Figure(of[name[1]], change[name[1]])
    return found


def _intervals(sums: BlockSums, resamples: int, seed: int) -> dict[Setting, Interval]:
    cells = sums.sums.shape[1]
    low, at_least, at_most, high = bootstrap_quantiles(
        sums, LEVELS, resamples=resamples, seed=seed, only_macros=True
    )
    columns = (sums.means[cells:], low, high, at_least, at_most)
    return {
        cell.setting: Interval(*(float(column[at]) for column in columns))
        for at, cell in enumerate(sums.cells[cells:])
    }
