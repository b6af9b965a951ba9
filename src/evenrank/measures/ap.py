"""``AP`` and ``AP@k``."""

from __future__ import annotations

import numpy as np

from evenrank.measures.base import Values, measure, sum_over_relevant
from evenrank.ranking.ranks import PoolRanks


@measure("AP", family="ranking", better="higher", cutoff="optional")
def average_precision(pool: PoolRanks, cutoff: int | None = None) -> Values:
    """Average precision: mean of the precision at each relevant passage.

    Formula: ``AP = (1/R) sum_i i / r_i`` over the ``R`` relevant passages of the pool, ``r_i``
    is the rank of the ``i``-th best. Without a cutoff the whole ranking is scored.
    With one, passages below rank ``k`` add nothing and ``R`` does not change (trec_eval's
    ``map_cut``).
    Ties: ranks are distinct; of two equal scores the passage with the earlier position is above.
    Empty: NaN, not scored, if the pool has no relevant passage.
    Range: 0 to 1.
    Source: Buckley and Voorhees (2000), SIGIR, doi:10.1145/345508.345543; trec_eval ``map``.

    >>> from evenrank.measures.base import example_pool
    >>> pool = example_pool([{"de": [1], "en": [3]}, {"de": [2]}, {}], sizes={"de": 5, "en": 5})
    >>> average_precision(pool).round(3)  # (1/1 + 2/3) / 2 and 1/2
    array([0.833, 0.5  ,   nan])
    """
    gains_P = pool.nth / pool.ranks
    if cutoff is not None:
        gains_P[pool.ranks > cutoff] = 0
    return sum_over_relevant(pool, gains_P) / np.maximum(pool.relevant, 1)
