"""``nDCG`` and ``nDCG@k``."""

from __future__ import annotations

import numpy as np

from evenrank.measures.base import Values, measure, sum_over_relevant
from evenrank.ranking.ranks import PoolRanks


@measure("nDCG", family="ranking", better="higher", cutoff="optional")
def ndcg(pool: PoolRanks, cutoff: int | None = None) -> Values:
    """Normalised discounted cumulative gain, with gain 1 and a log2 discount.

    Formula: ``DCG = sum_i 1 / log2(1 + r_i)`` over the relevant passages (those with
    ``r_i <= k``), divided by the DCG of a perfect ranking, whose relevant passages have the ranks
    1, 2, ... ``min(R, k)``. Relevance is binary, so linear and exponential gain are the same.
    Ties: ranks are distinct; of two equal scores the passage first in the collection is above.
    Empty: NaN, not scored, if the pool holds no relevant passage.
    Range: 0 to 1.
    Source: Järvelin and Kekäläinen (2002), ACM TOIS 20(4), doi:10.1145/582415.582418; trec_eval
    ``ndcg`` and ``ndcg_cut``.

    >>> from evenrank.measures.base import example_pool
    >>> pool = example_pool([{"de": [3]}, {"de": [1], "en": [2]}], sizes={"de": 5, "en": 5})
    >>> ndcg(pool, 10), ndcg(pool, 2)  # 1 / log2(4)
    (array([0.5, 1. ]), array([0., 1.]))
    """
    gains_P = 1 / np.log2(1 + pool.ranks)
    most = max(int(pool.relevant.max(initial=0)), 1)
    ideal: Values = np.cumsum(1 / np.log2(np.arange(2, most + 2)))
    counted_Q = pool.relevant
    if cutoff is not None:
        gains_P[pool.ranks > cutoff] = 0
        counted_Q = np.minimum(counted_Q, cutoff)
    ideal_Q: Values = ideal[np.maximum(counted_Q, 1) - 1]
    return sum_over_relevant(pool, gains_P) / ideal_Q
