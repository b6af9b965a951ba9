"""``MaxR_norm``."""

from __future__ import annotations

import numpy as np

from evenrank.measures.base import Values, measure
from evenrank.ranking.ranks import PoolRanks


@measure("MaxR_norm", family="bias", better="higher", of_depth=True)
def max_rank_norm(pool: PoolRanks) -> Values:
    """Normalised largest rank: how far down the last relevant passage is.

    Formula: ``(log2 N - log2 r_R) / (log2 N - log2 R)``, ``r_R`` is the rank of the last of the
    ``R`` relevant passages, ``N`` the size of the multilingual pool. The source multiplies
    it by 100.
    Ties: ranks are distinct; of two equal scores the passage with the earlier position is above.
    Empty: NaN, not scored, if the pool has no relevant passage, or only relevant ones, or if a run
    contains none of them.
    Range: 0 (the last place of the pool) to 1 (only relevant passages above).
    Source: arXiv:2604.05684, Max@R.

    >>> from evenrank.measures.base import example_pool
    >>> ranks = [{"de": [1], "en": [2]}, {"de": [1], "en": [8]}, {"de": [2], "en": [4]}]
    >>> pool = example_pool(ranks, sizes={"de": 4, "en": 4})
    >>> max_rank_norm(pool)  # the last: (3 - 2) / (3 - 1)
    array([1. , 0. , 0.5])
    """
    scored = np.flatnonzero(np.isfinite(pool.best) & (pool.relevant < pool.size))
    # missing passages get rank depth + 1, at most the size of the pool
    last = np.minimum(pool.ranks[pool.indptr[scored + 1] - 1], pool.size)
    values_Q = np.full(len(pool), np.nan)
    values_Q[scored] = np.log2(pool.size / last) / np.log2(pool.size / pool.relevant[scored])
    return values_Q
