"""``P@k``."""

from __future__ import annotations

from evenrank.measures.base import Values, measure, sum_over_relevant
from evenrank.ranking.ranks import PoolRanks


@measure("P", family="ranking", better="higher", cutoff="required")
def precision(pool: PoolRanks, cutoff: int) -> Values:
    """Precision: share of the best ``k`` passages that are relevant.

    Formula: ``P@k = |{i: r_i <= k}| / k``; the divisor is ``k`` also where the pool is smaller.
    Ties: ranks are distinct; of two equal scores the passage with the earlier position is above.
    Empty: NaN, not scored, if the pool has no relevant passage.
    Range: 0 to 1; at most ``R / k``.
    Source: trec_eval ``P``.

    >>> from evenrank.measures.base import example_pool
    >>> pool = example_pool([{"de": [1], "en": [4]}, {"de": [9]}], sizes={"de": 5, "en": 5})
    >>> precision(pool, 5)
    array([0.4, 0. ])
    """
    return sum_over_relevant(pool, pool.ranks <= cutoff) / cutoff
