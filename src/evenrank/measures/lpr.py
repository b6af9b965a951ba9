"""``LPR``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenrank.measures.base import Values, measure
from evenrank.ranking.ranks import PoolRanks


def _competing(pool: PoolRanks) -> NDArray[np.bool_]:
    """Return ``(Q,)`` whether a query has relevant passages in its own language and in another."""
    own_Q = pool.relevant_by_lang[np.arange(len(pool)), pool.query_langs]
    return (own_Q > 0) & (pool.relevant > own_Q)


def random_lpr(pool: PoolRanks) -> Values:
    """Return ``(Q,)`` the preference of a language-blind ranking: own share of the relevant."""
    own_Q = pool.relevant_by_lang[np.arange(len(pool)), pool.query_langs]
    return np.where(_competing(pool), own_Q / np.maximum(pool.relevant, 1), np.nan)


@measure("LPR", family="bias", better="none", references={"random": random_lpr})
def language_preference_rate(pool: PoolRanks) -> Values:
    """Language preference rate: whether the best answer is in the query's own language.

    Formula: 1 if the best-ranked relevant passage of the multilingual pool is in the language
    of the query, else 0; the mean over queries is the rate. Neither end is better in itself: some
    users want their own language first, others the all languages treated equally.
    Ties: ranks are distinct; of two equal scores the passage with the earlier position
    ranks above; passages are ordered by language code.
    Empty: NaN, not scored, unless the query has a relevant passage both in its own language and in
    another; nor if a run contains none of its relevant passages.
    Range: 0 or 1; a language-blind ranking has ``1/n`` on average for ``n`` languages with one
    relevant passage each.
    Source: after the language preference rate of MLAIRE (2026), arXiv:2605.07249.

    >>> from evenrank.measures.base import example_pool
    >>> pool = example_pool([{"de": [3], "en": [8]}, {"de": [3], "en": [2]}, {"en": [1]}],
    ...                     sizes={"de": 5, "en": 5}, query_langs=["de", "de", "de"])
    >>> language_preference_rate(pool)
    array([ 1.,  0., nan])
    """
    preferred_Q = pool.best_by_lang.argmin(axis=1)
    scored_Q = _competing(pool) & np.isfinite(pool.best)
    return np.where(scored_Q, preferred_Q == pool.query_langs, np.nan)
