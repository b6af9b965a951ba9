"""``nDCG`` and ``nDCG@k``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenrank.measures.base import Values, measure, sum_over_relevant
from evenrank.ranking.ranks import PoolRanks


@measure("nDCG", family="ranking", better="higher", cutoff="optional")
def ndcg(pool: PoolRanks, cutoff: int | None = None) -> Values:
    """Normalised discounted cumulative gain, with the grade as gain and a log2 discount.

    Formula: ``DCG = sum_i g_i / log2(1 + r_i)`` over the relevant passages (those with
    ``r_i <= k``), ``g_i`` being the grade of the ``i``-th and 1 where judgments have no grades;
    divided by the DCG of a perfect ranking, whose relevant passages have the ranks 1, 2, ... ``R``
    from the highest grade to the lowest. The gain is linear, as in trec_eval.
    Ties: ranks are distinct; of two equal scores the passage with the earlier position is above.
    Empty: NaN, not scored, if the pool has no relevant passage.
    Range: 0 to 1.
    Source: Järvelin and Kekäläinen (2002), ACM TOIS 20(4), doi:10.1145/582415.582418; trec_eval
    ``ndcg`` and ``ndcg_cut``.

    >>> from evenrank.measures.base import example_pool
    >>> pool = example_pool([{"de": [3]}, {"de": [1], "en": [2]}], sizes={"de": 5, "en": 5})
    >>> ndcg(pool, 10), ndcg(pool, 2)  # 1 / log2(4)
    (array([0.5, 1. ]), array([0., 1.]))
    """
    grades_P = np.ones(len(pool.ranks)) if pool.grades is None else pool.grades
    best_first = np.lexsort((-grades_P, pool.query_of))
    ideal_P = _discounted(grades_P[best_first], pool.nth, cutoff)
    ideal_Q = np.bincount(pool.query_of, weights=ideal_P, minlength=len(pool))
    gained_Q = sum_over_relevant(pool, _discounted(grades_P, pool.ranks, cutoff))
    return gained_Q / np.where(pool.relevant > 0, ideal_Q, 1)


def _discounted(
    grades_P: NDArray[Any], ranks_P: NDArray[np.int64], cutoff: int | None
) -> NDArray[Any]:
    """Return what passages of these grades add at these ranks: nothing below the cutoff."""
    gains_P: NDArray[Any] = grades_P / np.log2(1 + ranks_P)
    return gains_P if cutoff is None else np.where(ranks_P <= cutoff, gains_P, 0)
