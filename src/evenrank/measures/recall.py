"""``R@k``."""

from __future__ import annotations

import numpy as np

from evenrank.measures.base import Values, measure, sum_over_relevant
from evenrank.ranking.ranks import PoolRanks


@measure("R", family="ranking", better="higher", cutoff="required")
def recall(pool: PoolRanks, cutoff: int) -> Values:
    """Recall: share of the relevant passages that are among the best ``k``.

    Formula: ``R@k = |{i: r_i <= k}| / R``.
    Ties: ranks are distinct; of two equal scores the passage with the earlier position is above.
    Empty: NaN, not scored, if the pool has no relevant passage.
    Range: 0 to 1; at most ``k / R``.
    Source: trec_eval ``recall``.

    >>> from evenrank.measures.base import example_pool
    >>> pool = example_pool([{"de": [1], "en": [7]}, {"de": [9]}], sizes={"de": 5, "en": 5})
    >>> recall(pool, 5)
    array([0.5, 0. ])
    """
    return sum_over_relevant(pool, pool.ranks <= cutoff) / np.maximum(pool.relevant, 1)
