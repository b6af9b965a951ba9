"""Add a measure: how much rank an answer loses that is not in the query's language.

The measure is available by its name once this module is imported:

>>> from evenrank.measures.base import example_pool, parse_measure
>>> pool = example_pool(
...     [{"de": [1], "en": [4]}, {"de": [2]}],
...     sizes={"de": 5, "en": 5},
...     query_langs=["de", "de"],
... )
>>> parse_measure("RR_gap")(pool)
array([0.75,  nan])
"""

from __future__ import annotations

import numpy as np

from evenrank.measures.base import Values, measure
from evenrank.ranking.ranks import PoolRanks


@measure("RR_gap", family="bias", better="none")
def rr_gap(pool: PoolRanks) -> Values:
    """Reciprocal rank gap: the own-language answer against the best one in another language.

    Formula: ``RR_gap = 1 / r_own - 1 / r_other``, with ``r_own`` the best rank of a relevant
    passage in the query's language, ``r_other`` the best rank of a relevant passage in another one.
    Empty: NaN if one of the two does not exist.
    Range: -1 to 1; 0 is no preference.
    Source: this example.
    """
    best_QL = pool.best_by_lang.copy()
    queries = np.arange(len(pool))
    own_Q = best_QL[queries, pool.query_langs].copy()
    best_QL[queries, pool.query_langs] = np.inf
    other_Q = best_QL.min(axis=1)
    known = np.isfinite(own_Q) & np.isfinite(other_Q)
    return np.where(known, 1 / own_Q - 1 / other_Q, np.nan)
