"""``TLR@k``."""

from __future__ import annotations

import numpy as np

from evenrank.measures.base import Values, measure
from evenrank.ranking.ranks import PoolRanks


@measure("TLR", family="bias", better="higher", cutoff="required")
def target_language_recall(pool: PoolRanks, cutoff: int) -> Values:
    """Target-language recall: recall of the passages that are not in the query's language.

    Formula: of the relevant passages in other languages than the query's, the share with
    ``r <= k`` in the multilingual pool.
    Ties: ranks are distinct; of two equal scores the passage with the earlier position is above.
    Empty: NaN, not scored, if no other language has a relevant passage.
    Range: 0 to 1.
    Source: SHIFT, arXiv:2606.18801.

    >>> from evenrank.measures.base import example_pool
    >>> pool = example_pool([{"de": [1], "en": [3, 8]}, {"de": [1]}],
    ...                     sizes={"de": 5, "en": 5}, query_langs=["de", "de"])
    >>> target_language_recall(pool, 5)
    array([0.5, nan])
    """
    foreign_P = pool.passage_langs != pool.query_langs[pool.query_of]
    all_Q = np.bincount(pool.query_of, weights=foreign_P, minlength=len(pool))
    near_P = foreign_P & (pool.ranks <= cutoff)
    near_Q = np.bincount(pool.query_of, weights=near_P, minlength=len(pool))
    return np.where(all_Q > 0, near_Q / np.maximum(all_Q, 1), np.nan)
