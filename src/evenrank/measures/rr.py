"""``RR`` and ``RR@k``."""

from __future__ import annotations

import numpy as np

from evenrank.measures.base import Values, measure, scored_only
from evenrank.ranking.ranks import PoolRanks


@measure("RR", family="ranking", better="higher", cutoff="optional")
def reciprocal_rank(pool: PoolRanks, cutoff: int | None = None) -> Values:
    """Reciprocal rank: one over the rank of the best relevant passage.

    Formula: ``RR = 1 / r_1``; with a cutoff, 0 if ``r_1 > k``. Its mean over queries is MRR.
    Ties: ranks are distinct; of two equal scores the passage with the earlier position is above.
    Empty: NaN, not scored, if the pool has no relevant passage.
    Range: 0 to 1; above 0 for a ranking of the whole pool without a cutoff.
    Source: Voorhees (1999), TREC-8; trec_eval ``recip_rank``.

    >>> from evenrank.measures.base import example_pool
    >>> pool = example_pool([{"de": [4], "en": [2]}, {"de": [8]}], sizes={"de": 5, "en": 5})
    >>> reciprocal_rank(pool), reciprocal_rank(pool, 5)
    (array([0.5  , 0.125]), array([0.5, 0. ]))
    """
    found_Q = pool.best <= (np.inf if cutoff is None else cutoff)
    return scored_only(pool, found_Q / pool.best)
