"""``rank_distance``, and its values for a perfect and for a language-blind random ranking."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenrank.measures.base import Values, measure
from evenrank.ranking.ranks import PoolRanks


def passage_languages(pool: PoolRanks) -> Values:
    """Return ``(Q,)`` the number of languages in which each query has a relevant passage.

    NaN if it is below two: then no languages compete.
    """
    count_Q = (pool.relevant_by_lang > 0).sum(axis=1)
    return np.where(count_Q >= 2, count_Q, np.nan)


def minimum_rank_distance(pool: PoolRanks) -> Values:
    """Return ``(Q,)`` the minimum rank distance: ``n - 1`` for ``n`` languages.

    The relevant passages of ``n`` languages then have the first ``n`` ranks. A run that ends before
    them has the distance to the rank after its end.
    """
    minimum_Q = passage_languages(pool) - 1
    return minimum_Q if pool.depth is None else np.minimum(minimum_Q, pool.depth)


def random_rank_distance(pool: PoolRanks) -> Values:
    """Return ``(Q,)`` the mean rank distance of random orders of the pool.

    With one relevant passage in each of ``n`` languages and ``N`` passages in the pool this is
    ``(N + 1)(n - 1) / (n + 1)``. For a run, it is the mean over random orders that end where the
    run does and contain a relevant passage.
    """
    n_Q = passage_languages(pool)
    if pool.depth is not None:
        spread_Q = _random_spread_before(pool.depth, pool.size, pool.relevant_by_lang)
        return np.where(np.isnan(n_Q), np.nan, spread_Q)
    share_Q = (n_Q - 1) / (n_Q + 1)
    several = np.flatnonzero((pool.relevant > n_Q) & (n_Q >= 2))
    if len(several):
        share_Q[several] = _random_spread(pool.relevant_by_lang[several])
    return (pool.size + 1) * share_Q


def _random_spread(relevant_QL: NDArray[np.int64]) -> Values:
    """Return ``(Q,)`` the mean distance between the best of all and the last language's best.

    ``m_l`` relevant passages in language ``l``, ``M`` in all, are at uniformly random places
    in 0..1. The first of all is at ``1 / (M + 1)`` on average, the last of the languages' firsts at
    ``1 - integral_0^1 prod_l (1 - s^m_l) ds``. The integrand is a polynomial of degree ``M``, so
    Gauss-Legendre quadrature with more than ``M / 2`` nodes is exact.
    """
    # the order of the languages does not matter, so few patterns remain
    patterns, pattern_of = np.unique(np.sort(relevant_QL, axis=1), axis=0, return_inverse=True)
    all_M = patterns.sum(axis=1)
    nodes, weights = np.polynomial.legendre.leggauss(int(all_M.max()) // 2 + 1)
    powers = ((nodes + 1) / 2)[:, None, None] ** patterns  # (nodes, patterns, languages)
    product = np.where(patterns > 0, 1 - powers, 1.0).prod(axis=2)
    spread: Values = 1 - (weights / 2) @ product - 1 / (all_M + 1)
    return spread[pattern_of.reshape(-1)]


def _random_spread_before(depth: int, size: int, relevant_QL: NDArray[np.int64]) -> Values:
    """Return ``(Q,)`` the mean rank distance of random orders that end at a depth.

    With ranks after the end counted as ``d + 1``, the mean of a rank ``r`` is
    ``sum_{x=0}^d P(r > x)``, and the distance is 0 for orders without a relevant passage. ``P`` is
    that of drawing ``x`` of the ``N`` passages: exact for the first rank of all, and for the
    last of the languages' first ranks if each language has one; otherwise as if languages were
    independent.
    """
    patterns, pattern_of = np.unique(np.sort(relevant_QL, axis=1), axis=0, return_inverse=True)
    drawn_X1 = np.arange(depth + 1)[:, None]
    spreads = []
    for counts in patterns:
        places = np.arange(counts.sum())
        none_X = ((size - drawn_X1 - places).clip(0) / (size - places)).prod(axis=1)
        if counts.max() <= 1:
            every_X = ((drawn_X1 - places).clip(0) / (size - places)).prod(axis=1)
        else:
            every_X = (1 - (1 - drawn_X1 / size) ** counts[counts > 0]).prod(axis=1)
        held = 1 - none_X[-1]
        spreads.append((1 - every_X - none_X).sum() / held if held > 0 else np.nan)
    return np.array(spreads)[pattern_of.reshape(-1)]


@measure(
    "rank_distance",
    family="bias",
    better="lower",
    of_depth=True,
    references={"minimum": minimum_rank_distance, "random": random_rank_distance},
)
def rank_distance(pool: PoolRanks) -> Values:
    """Rank distance: how far apart a query's relevant passages in different languages rank.

    Formula: largest minus smallest rank, in the multilingual pool, among the relevant passages
    of a query, one for each language: where a language has several, its best.
    Ties: ranks are distinct; of two equal scores the passage with the earlier position
    ranks above; passages are ordered by language code.
    Empty: NaN, not scored, if fewer than two languages have a relevant passage, or if a run
    contains none of the query's relevant passages.
    Range: ``n - 1`` for ``n`` languages, to ``N - 1`` for ``N`` passages in the pool; a random
    order has ``(N + 1)(n - 1) / (n + 1)`` on average where each language has one relevant
    passage. A run that ends after ``d`` passages has at most ``d``.
    Source: Elmahdy et al. (2024), arXiv:2408.10536, section 3, after Huang et al. (2023),
    arXiv:2305.09025.

    >>> from evenrank.measures.base import example_pool
    >>> pool = example_pool([{"de": [1], "en": [2]}, {"de": [3, 9], "en": [8]}, {"de": [1]}],
    ...                     sizes={"de": 5, "en": 5})
    >>> rank_distance(pool)  # the second: 8 - 3
    array([ 1.,  5., nan])
    """
    best_QL = pool.best_by_lang
    farthest_Q = np.where(np.isfinite(best_QL), best_QL, 0).max(axis=1)
    farthest_Q = np.minimum(farthest_Q, pool.size)  # missing passages, at most the pool's size
    scored_Q = (passage_languages(pool) >= 2) & np.isfinite(pool.best)
    return np.where(scored_Q, farthest_Q - pool.best, np.nan)
