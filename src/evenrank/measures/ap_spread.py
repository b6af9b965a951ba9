"""``AP_spread``."""

from __future__ import annotations

import numpy as np

from evenrank.measures.base import measure, retrieved_only
from evenrank.ranking.ranks import PoolRanks


@measure("AP_spread", family="bias", level="group", better="lower")
def ap_spread(pool: PoolRanks) -> float:
    """Spread of AP: how much better the best-served passage language is than the worst.

    Formula: for each passage language ``l``, the mean over queries of the average precision in
    the pool of all languages with only the passages in ``l`` as relevant; the largest of these
    means minus the smallest.
    Ties: ranks are distinct; of two equal scores the passage first in the collection is above,
    and the collection is ordered by language.
    Empty: a language counts over the queries that have a relevant passage in it; NaN if there are
    fewer than two such languages.
    Range: 0 to 1; 0 does not mean that single queries treat languages alike, only that no language
    is behind on the whole.
    Source: this project.

    >>> from evenrank.measures.base import example_pool
    >>> pool = example_pool([{"de": [1], "en": [2]}, {"de": [2], "en": [4]}],
    ...                     sizes={"de": 5, "en": 5})
    >>> ap_spread(pool)  # de (1 + 1/2) / 2, en (1/2 + 1/4) / 2
    0.375
    """
    languages = len(pool.pool_sizes)
    cell_P = pool.query_of * languages + pool.passage_langs
    order = np.argsort(cell_P, kind="stable")  # ranks stay ascending within query and language
    counts = pool.relevant_by_lang.ravel()
    nth_P = np.arange(1, len(order) + 1) - np.repeat(np.cumsum(counts) - counts, counts)
    gains_P = retrieved_only(pool, 1 / pool.ranks)[order] * nth_P
    sums_QL = np.bincount(cell_P[order], weights=gains_P, minlength=len(counts))
    ap_QL = (sums_QL / np.maximum(counts, 1)).reshape(pool.relevant_by_lang.shape)
    queries_L = (pool.relevant_by_lang > 0).sum(axis=0)
    if (queries_L > 0).sum() < 2:
        return float("nan")
    means = ap_QL.sum(axis=0)[queries_L > 0] / queries_L[queries_L > 0]
    return float(means.max() - means.min())
