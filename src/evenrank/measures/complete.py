"""``Complete@k``."""

from __future__ import annotations

import numpy as np

from evenrank.measures.base import Values, measure
from evenrank.measures.rank_distance import passage_languages
from evenrank.ranking.ranks import PoolRanks


@measure("Complete", family="bias", better="higher", cutoff="required")
def complete(pool: PoolRanks, cutoff: int) -> Values:
    """Completeness: whether every language with an answer has one among the best ``k``.

    Formula: 1 if each language that has a relevant passage has one with ``r <= k`` in the
    multilingual pool, else 0.
    Ties: ranks are distinct; of two equal scores the passage with the earlier position is above.
    Empty: NaN, not scored, if fewer than two languages have a relevant passage.
    Range: 0 or 1; always 0 where ``k`` is below the number of languages.
    Source: arXiv:2604.05684, Comp@k.

    >>> from evenrank.measures.base import example_pool
    >>> pool = example_pool([{"de": [1], "en": [3]}, {"de": [2], "en": [9]}, {"de": [1]}],
    ...                     sizes={"de": 5, "en": 5})
    >>> complete(pool, 5)
    array([ 1.,  0., nan])
    """
    best_QL = pool.best_by_lang
    all_found_Q = ((best_QL <= cutoff) | np.isinf(best_QL)).all(axis=1)
    return np.where(passage_languages(pool) >= 2, all_found_Q, np.nan)
