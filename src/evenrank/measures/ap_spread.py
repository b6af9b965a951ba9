"""``AP_spread``."""

from __future__ import annotations

import numpy as np

from evenrank.measures.ap import average_precision
from evenrank.measures.base import measure
from evenrank.ranking.cells import language_cells
from evenrank.ranking.ranks import PoolRanks


@measure("AP_spread", family="bias", level="group", better="lower")
def ap_spread(pool: PoolRanks) -> float:
    """Spread of AP: how much better the best-served passage language is than the worst.

    Formula: for each passage language ``l``, the mean over queries of the average precision in
    the multilingual pool with only the passages in ``l`` as relevant; the largest of these
    means minus the smallest.
    Ties: ranks are distinct; of two equal scores the passage with the earlier position
    ranks above; passages are ordered by language code.
    Empty: a language counts over the queries that have a relevant passage in it; NaN if there are
    fewer than two such languages.
    Range: 0 to 1; 0 means that no language is worse on average, not that single queries treat
    languages equally.
    Source: this project.

    >>> from evenrank.measures.base import example_pool
    >>> pool = example_pool([{"de": [1], "en": [2]}, {"de": [2], "en": [4]}],
    ...                     sizes={"de": 5, "en": 5})
    >>> ap_spread(pool)  # de (1 + 1/2) / 2, en (1/2 + 1/4) / 2
    0.375
    """
    cells = language_cells(pool)
    ap_C = average_precision(cells.pool)
    languages = len(pool.pool_sizes)
    queries_L = np.bincount(cells.langs, minlength=languages)
    sums_L = np.bincount(cells.langs, weights=ap_C, minlength=languages)
    if (queries_L > 0).sum() < 2:
        return float("nan")
    means = sums_L[queries_L > 0] / queries_L[queries_L > 0]
    return float(means.max() - means.min())
