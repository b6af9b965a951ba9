"""``share@k``."""

from __future__ import annotations

import numpy as np

from evenrank.errors import ConfigError
from evenrank.measures.base import Values, measure
from evenrank.ranking.ranks import PoolRanks


@measure("share", family="bias", level="share", better="none", cutoff="required")
def language_share(pool: PoolRanks, cutoff: int) -> Values:
    """Language share: the part of the best ``k`` passages that is in each language.

    Formula: passages of language ``l`` among the best ``k`` of the multilingual pool, divided
    by ``k``, or by the size of the pool, or of the run, if that is smaller. Compare it
    with the language's share of all passages.
    Ties: score descending, then the order of passages, which is by language.
    Empty: never; queries without a relevant passage count as well. A query that a run
    misses has NaN.
    Range: 0 to 1; a query's shares sum to 1.
    Source: the usual count, as in arXiv:2604.20199.

    Raises:
        ConfigError: The ranking kept fewer than ``k`` passages for each query.

    >>> from evenrank.measures.base import example_pool
    >>> pool = example_pool([{"de": [1]}, {"de": [3]}], sizes={"de": 5, "en": 5},
    ...                     top_langs=[["de", "en", "de", "de"], ["en", "en", "de", "en"]])
    >>> language_share(pool, 4)
    array([[0.75, 0.25], [0.25, 0.75]])
    """
    depth, kept = min(cutoff, pool.size), 0 if pool.top_langs is None else pool.top_langs.shape[1]
    if pool.top_langs is None or (kept < depth and pool.depth is None):
        raise ConfigError(
            f"measure 'share@{cutoff}'",
            f"a ranking that keeps {kept} passages of each query",
            f"at least {depth}",
            "Rank with a larger top_k, or use a smaller cutoff",
        )
    languages = len(pool.pool_sizes)
    queries, places = np.nonzero(pool.top_langs[:, :depth] >= 0)
    cells = queries * languages + pool.top_langs[queries, places]
    counts = np.bincount(cells, minlength=len(pool) * languages).reshape(len(pool), languages)
    held_Q1 = counts.sum(axis=1, keepdims=True)
    return np.where(held_Q1 > 0, counts / np.maximum(held_Q1, 1), np.nan)
