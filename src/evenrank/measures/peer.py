"""``PEER@k``."""

from __future__ import annotations

import numpy as np

from evenrank.errors import ConfigError
from evenrank.measures.base import Values, measure
from evenrank.measures.rank_distance import passage_languages
from evenrank.ranking.ranks import PoolRanks


@measure("PEER", family="bias", better="higher", cutoff="required")
def peer(pool: PoolRanks, cutoff: int) -> Values:
    """Probability of equal expected rank: could chance alone spread the languages like this?

    Formula: the p-value of the Kruskal-Wallis test (chi-square approximation, corrected for ties)
    on the ranks of a query's relevant passages in the multilingual pool, grouped by language.
    Passages below rank ``k`` tie after all others. Grades do not count: there is one
    relevance level, of weight 1, where the source averages over several.
    Ties: passages below rank ``k`` share their mean rank; other ranks are distinct.
    Empty: NaN, not scored, if fewer than two languages have a relevant passage (peer_measure gives
    1), or if no language has two: the p-value is then the same for every
    ranking.
    Range: above 0, to 1; 1 if no relevant passage is among the best ``k``.
    Source: Yang et al. (2024), arXiv:2405.00978. The package peer_measure 0.0.1 differs:
    the rank that it gives to passages below ``k`` depends on how many are relevant.

    Raises:
        ConfigError: No query has two relevant passages in a language.

    >>> from evenrank.measures.base import example_pool
    >>> pool = example_pool([{"de": [1, 2], "en": [3, 4]}, {"de": [1, 4], "en": [2, 3]}],
    ...                     sizes={"de": 5, "en": 5})
    >>> peer(pool, 10).round(3)
    array([0.121, 1.   ])
    """
    from scipy.special import chdtrc

    several = (pool.relevant > passage_languages(pool)) & (passage_languages(pool) >= 2)
    if not several.any():
        raise ConfigError(
            f"measure 'PEER@{cutoff}'",
            "a benchmark with one relevant passage in each language",
            "two or more in some language: with one, PEER is the same for every ranking",
            "Use W or rank_distance",
        )
    chosen = pool.select(np.flatnonzero(several))
    count_Q, count_QL = chosen.relevant, chosen.relevant_by_lang
    below_P = chosen.ranks > cutoff
    below_Q = np.bincount(chosen.query_of, weights=below_P, minlength=len(chosen))
    tied_Q = count_Q - (below_Q - 1) / 2  # mean of the last places
    place_P = np.where(below_P, tied_Q[chosen.query_of], chosen.nth)
    cell_P = chosen.query_of * count_QL.shape[1] + chosen.passage_langs
    sums_QL = np.bincount(cell_P, weights=place_P, minlength=count_QL.size).reshape(count_QL.shape)
    squares_Q = (sums_QL**2 / np.maximum(count_QL, 1)).sum(axis=1)
    h_Q = 12 / (count_Q * (count_Q + 1)) * squares_Q - 3 * (count_Q + 1)
    untied_Q = 1 - (below_Q**3 - below_Q) / (count_Q**3 - count_Q)
    untied_Q[below_Q == count_Q] = 1  # all tie, and the statistic is 0 already
    values_Q = np.full(len(pool), np.nan)
    values_Q[several] = chdtrc((count_QL > 0).sum(axis=1) - 1, h_Q.clip(0) / untied_Q)
    return values_Q
