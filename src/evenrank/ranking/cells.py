"""Ranks by passage language, and the ranks of an answer that exists in one language only.

Shapes: ``C`` cells, ``L`` languages. A *cell* is a query with its relevant passages in one
language.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evenrank.ranking.ranks import PoolRanks


@dataclass(frozen=True, eq=False)
class LanguageCells:
    """The ranks of each query, separated by the language of the relevant passage.

    Attributes:
        pool: One "query" for each cell, ordered by query, then language; without the top of the
            ranking.
        queries: ``(C,)`` int64, the query of each cell.
        langs: ``(C,)`` int64, its passage language.
    """

    pool: PoolRanks
    queries: NDArray[np.int64]
    langs: NDArray[np.int64]

    def means(self, values_C: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``(L, L)`` means by query language and passage language, NaN without a cell."""
        languages = len(self.pool.pool_sizes)
        pairs_C, size = self.pool.query_langs * np.int64(languages) + self.langs, languages**2
        counts = np.bincount(pairs_C, minlength=size)
        sums = np.bincount(pairs_C, weights=values_C, minlength=size)
        means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        return means.reshape(languages, languages)


def language_cells(pool: PoolRanks) -> LanguageCells:
    """Separate the ranks of each query by passage language; the ranks stay as they are.

    >>> from evenrank.measures.base import example_pool
    >>> pool = example_pool([{"de": [1, 4], "en": [3]}, {"en": [2]}], sizes={"de": 5, "en": 5})
    >>> cells = language_cells(pool)
    >>> cells.pool.ranks.tolist(), cells.pool.indptr.tolist(), cells.langs.tolist()
    ([1, 4, 3, 2], [0, 2, 3, 4], [0, 1, 1])
    """
    counts_QL = pool.relevant_by_lang
    queries, langs = np.nonzero(counts_QL)
    cell_P = pool.query_of * len(pool.pool_sizes) + pool.passage_langs
    order = np.argsort(cell_P, kind="stable")  # ranks stay ascending within a cell
    separated = PoolRanks(
        ranks=pool.ranks[order],
        indptr=np.concatenate([[0], np.cumsum(counts_QL[queries, langs])]),
        passage_langs=pool.passage_langs[order],
        query_langs=pool.query_langs[queries],
        parallel=pool.parallel[queries],
        pool_sizes=pool.pool_sizes,
        depth=pool.depth,
        grades=None if pool.grades is None else pool.grades[order],
    )
    return LanguageCells(separated, queries, langs)


def single_cells(pool: PoolRanks) -> LanguageCells:
    """Return the ranks that passages have if the answer of a query exists in one language only.

    In each cell, the relevant passages of all other languages are removed from the pool, so a rank
    falls by the number of these passages above it. Queries with relevant passages in fewer than two
    languages have no cell. A passage that a run misses keeps the rank after its end.

    Args:
        pool: The multilingual pool; ``pool_sizes`` stay those of the whole pool.

    >>> from evenrank.measures.base import example_pool
    >>> pool = example_pool([{"de": [1, 4], "en": [3]}, {"en": [2]}], sizes={"de": 5, "en": 5})
    >>> cells = single_cells(pool)
    >>> cells.pool.ranks.tolist(), cells.langs.tolist()  # German 1 and 3, English 2
    ([1, 3, 2], [0, 1])
    """
    several = np.flatnonzero((pool.relevant_by_lang > 0).sum(axis=1) >= 2)
    chosen = pool.select(several)
    cells = language_cells(replace(chosen, ranks=chosen.ranks - chosen.nth))
    ranks = cells.pool.ranks + cells.pool.nth
    if pool.depth is not None:
        missing = language_cells(chosen).pool.ranks > pool.depth
        ranks[missing] = pool.depth + 1
    return LanguageCells(replace(cells.pool, ranks=ranks), several[cells.queries], cells.langs)
