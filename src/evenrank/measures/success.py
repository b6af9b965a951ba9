"""``Success@k``."""

from __future__ import annotations

from evenrank.measures.base import Values, measure, scored_only
from evenrank.ranking.ranks import PoolRanks


@measure("Success", family="ranking", better="higher", cutoff="required")
def success(pool: PoolRanks, cutoff: int) -> Values:
    """Success: whether a relevant passage is among the best ``k``.

    Formula: ``Success@k = 1`` if ``r_1 <= k``, else 0. The same as ``Hit@k``.
    Ties: ranks are distinct; of two equal scores the passage with the earlier position is above.
    Empty: NaN, not scored, if the pool has no relevant passage.
    Range: 0 or 1.
    Source: trec_eval ``success``.

    >>> from evenrank.measures.base import example_pool
    >>> pool = example_pool([{"de": [4], "en": [6]}, {"de": [9]}], sizes={"de": 5, "en": 5})
    >>> success(pool, 5)
    array([1., 0.])
    """
    return scored_only(pool, (pool.best <= cutoff).astype(float))
