"""``MRC@k``."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from evenrank.errors import ConfigError
from evenrank.measures.base import Values, measure
from evenrank.ranking.ranks import PoolRanks

Indices = NDArray[np.int64]

_COMPARISONS = 1 << 24
"""Comparisons of passages at once; one takes about 10 bytes."""


@measure("MRC", family="bias", better="higher", cutoff="required")
def rank_correlation(pool: PoolRanks, cutoff: int) -> Values:
    """Multilingual rank correlation: do parallel queries get the same ranking?

    Formula: the mean of Spearman's rank correlation between the query's best ``k`` passages of the
    multilingual pool and those of each parallel query, over the passages in either list.
    Passages that are missing from one list share the ranks after it. Relevance does not
    matter.
    Ties: ranks within a list are distinct; passages missing from a list share their mean rank.
    Empty: NaN, not scored, for a query without parallel queries. Pairs with a list that is empty in
    a run do not count.
    Range: -1 to 1; 1 for equal lists, and for two lists without a common passage from -1
    (``k = 1``) to -6/7 (large ``k``). The source multiplies it by 100.
    Source: LaKDA, as MRC@k (2024), aclanthology.org/2024.mrl-1.23, and arXiv:2509.06195; the union
    of the two lists as in MIMO, the rank of missing passages by this project.

    Raises:
        ConfigError: The ranking kept fewer than ``k`` passages for each query.

    >>> from evenrank.measures.base import example_pool
    >>> pool = example_pool([{}, {}, {}], sizes={"de": 9}, parallel=[0, 0, 1],
    ...                     top_passages=[[4, 7, 5], [4, 8, 7], [4, 7, 5]])
    >>> rank_correlation(pool, 2).round(3)  # places 1 2 3 against 1 3 2 of passages 4 7 8
    array([0.5, 0.5, nan])
    """
    top_QK = _best(pool, cutoff)
    sums_Q, counts_Q = np.zeros(len(pool)), np.zeros(len(pool))
    for one, other in _parallel_pairs(pool.parallel, block=max(1, _COMPARISONS // cutoff**2)):
        values = _spearman(top_QK[one], top_QK[other])
        defined = ~np.isnan(values)
        for queries in (one[defined], other[defined]):  # a query comes once in each
            sums_Q[queries] += values[defined]
            counts_Q[queries] += 1
    return np.where(counts_Q > 0, sums_Q / np.maximum(counts_Q, 1), np.nan)


def _best(pool: PoolRanks, cutoff: int) -> Indices:
    """Return ``(Q, k)`` the best passages, and refuse a ranking that kept too few."""
    depth = min(cutoff, pool.size)
    kept = 0 if pool.top_passages is None else pool.top_passages.shape[1]
    if pool.top_passages is None or (kept < depth and pool.depth is None):
        raise ConfigError(
            f"measure 'MRC@{cutoff}'",
            f"a ranking that keeps {kept} passages of each query",
            f"at least {depth}",
            "Rank with a larger top_k, or use a smaller cutoff",
        )
    return pool.top_passages[:, :depth]


def _parallel_pairs(parallel_Q: NDArray[np.int32], block: int) -> Iterator[tuple[Indices, Indices]]:
    """Yield blocks of pairs of parallel queries; each pair occurs once, in one order."""
    order = np.argsort(parallel_Q, kind="stable")
    group = parallel_Q[order]
    for step in range(1, int(np.bincount(parallel_Q).max(initial=0))):
        first = np.flatnonzero(group[step:] == group[:-step])
        for begin in range(0, len(first), block):
            some = first[begin : begin + block]
            yield order[some], order[some + step]


def _spearman(one_NK: Indices, other_NK: Indices) -> Values:
    """Return ``(N,)`` correlations of pairs of lists over their unions.

    Spearman's correlation is Pearson's between ranks. Over a union of ``u`` passages both lists
    have the mean rank ``(u + 1) / 2``, and passages that are missing from a list of ``n`` share the
    mean of the ranks ``n + 1`` to ``u``. So sums over the common passages are sufficient.
    """
    common_NKK = (one_NK[:, :, None] == other_NK[:, None, :]) & (one_NK[:, :, None] >= 0)
    union_N = (one_NK >= 0).sum(axis=1) + (other_NK >= 0).sum(axis=1) - common_NKK.sum(axis=(1, 2))
    one, one_after = _centred_ranks(one_NK, union_N)
    other, other_after = _centred_ranks(other_NK, union_N)
    in_other, in_one = common_NKK.any(axis=2), common_NKK.any(axis=1)
    both = (one * np.matmul(common_NKK, other[:, :, None])[:, :, 0]).sum(axis=1)
    only_one = (one * (~in_other & (one_NK >= 0))).sum(axis=1) * other_after
    only_other = (other * (~in_one & (other_NK >= 0))).sum(axis=1) * one_after
    spread = _spread(one, one_NK, one_after, union_N) * _spread(
        other, other_NK, other_after, union_N
    )
    covariance = both + only_one + only_other
    values: Values = np.where(spread > 0, covariance / np.sqrt(np.maximum(spread, 1e-300)), np.nan)
    values[(union_N == 1) & in_other.any(axis=1)] = 1.0  # the same single passage
    return values


def _centred_ranks(list_NK: Indices, union_N: Indices) -> tuple[Values, Values]:
    """Return ``(N, K)`` ranks less their mean, and ``(N,)`` the rank of passages after the list."""
    length_N = (list_NK >= 0).sum(axis=1)
    mean_N = (union_N + 1) / 2
    ranks_NK = np.arange(1, list_NK.shape[1] + 1) - mean_N[:, None]
    return ranks_NK, (length_N + 1 + union_N) / 2 - mean_N


def _spread(ranks_NK: Values, list_NK: Indices, after_N: Values, union_N: Indices) -> Values:
    """Return ``(N,)`` sums of squared deviations from the mean rank."""
    held_NK = list_NK >= 0
    held = (ranks_NK**2 * held_NK).sum(axis=1)
    spread: Values = held + (union_N - held_NK.sum(axis=1)) * after_N**2
    return spread
