"""``W``."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from evenrank.measures.base import measure
from evenrank.ranking.ranks import PoolRanks


@measure("W", family="bias", level="group", better="lower")
def kendall_w(pool: PoolRanks) -> float:
    """Kendall's W: do the queries agree on the order of the languages?

    Each query is a judge that orders the languages by the ranks of their best relevant passages.

    Formula: with all ``n`` languages present in each of the ``m`` queries,
    ``W = 12 S / (m^2 (n^3 - n))``, ``S`` being the sum of squared deviations of the languages' rank
    sums from their mean; ``m (n - 1) W`` is Friedman's chi-square. Where queries miss languages,
    it is the statistic of Skillings and Mack: each query orders the languages that
    it has, and ``W = T / sum_q (n_q - 1)``. Both are the share of the variance of the ranks
    within queries that a fixed preference for languages explains.
    Ties: ranks are distinct; of two equal scores the passage with the earlier position
    ranks above; passages are ordered by language code. Only languages whose passages a run misses
    tie: they share their mean place, and the variance is corrected for ties, as in Friedman's test.
    Empty: queries with fewer than two languages, or with all of them tied, do not count; NaN with
    fewer than two queries.
    Range: 0 (no common preference) to 1 (always the same order); ``1/m`` on average for a
    language-blind random ranking of all languages.
    Source: Kendall and Babington Smith (1939), doi:10.1214/aoms/1177732186; Skillings and Mack
    (1981), Technometrics 23, 171-177.

    >>> from evenrank.measures.base import example_pool
    >>> sizes = {"de": 5, "en": 5, "tr": 5}
    >>> same = [{"de": [1], "en": [2], "tr": [9]}, {"de": [3], "en": [4], "tr": [5]}]
    >>> round(kendall_w(example_pool(same, sizes)), 6)
    1.0
    >>> against = [{"de": [1], "en": [2], "tr": [9]}, {"de": [5], "en": [4], "tr": [3]}]
    >>> round(kendall_w(example_pool(against, sizes)), 6)
    0.0
    """
    present_QL = np.isfinite(pool.best_by_lang)
    judges = (present_QL.sum(axis=1) >= 2) & np.isfinite(pool.best)
    present_QL, best_QL = present_QL[judges], pool.best_by_lang[judges]
    if len(best_QL) < 2:
        return float("nan")
    n_Q1 = present_QL.sum(axis=1, keepdims=True)
    places_QL = rankdata(best_QL, axis=1)  # from 1, shared by those that tie; inf comes last
    scaled_QL = present_QL * np.sqrt(12 / (n_Q1 + 1)) * (places_QL - (n_Q1 + 1) / 2)
    sums_L = scaled_QL.sum(axis=0)
    spread_Q1 = (scaled_QL**2).sum(axis=1, keepdims=True) / (n_Q1 * (n_Q1 - 1))  # 1 without ties
    together_LL = (present_QL * spread_Q1).T @ present_QL
    covariance_LL = np.diag((present_QL * spread_Q1).T @ n_Q1[:, 0]) - together_LL
    statistic = sums_L @ np.linalg.pinv(covariance_LL, rcond=1e-9, hermitian=True) @ sums_L
    return float(np.clip(statistic / (n_Q1 - 1).sum(), 0.0, 1.0))
