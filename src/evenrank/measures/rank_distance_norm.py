"""``rank_distance_norm``."""

from __future__ import annotations

import numpy as np

from evenrank.measures.base import Values, measure
from evenrank.measures.rank_distance import (
    minimum_rank_distance,
    random_rank_distance,
    rank_distance,
)
from evenrank.ranking.ranks import PoolRanks


@measure("rank_distance_norm", family="bias", better="lower", of_depth=True)
def rank_distance_norm(pool: PoolRanks) -> Values:
    """Normalised rank distance: 0 at the minimum, 1 at the mean of random orders.

    Formula: ``(d - d_min) / (d_random - d_min)``, where ``d`` is ``rank_distance``,
    ``d_min = n - 1`` and ``d_random = (N + 1)(n - 1) / (n + 1)`` for ``n`` languages and ``N``
    passages in the pool. Where a language has several relevant passages, ``d_random`` is the exact
    expectation for their best-ranked ones. For a run, both references end where the run does, so
    that 1 is still the mean of random orders (if a language has several relevant passages, as if
    the languages were drawn independently).
    Ties: as ``rank_distance``.
    Empty: NaN, not scored, if fewer than two languages have a relevant passage, if every order
    of the pool has the same rank distance, or if a run is too short to tell the two apart.
    Range: from 0; above 1 where the distance is worse than random.
    Source: this project; the raw measure is from arXiv:2408.10536.

    >>> from evenrank.measures.base import example_pool
    >>> pool = example_pool([{"de": [1], "en": [2]}, {"de": [1], "en": [6]}],
    ...                     sizes={"de": 7, "en": 7})
    >>> rank_distance_norm(pool)  # the minimum is 1, random orders have 15/3 = 5 on average
    array([0., 1.])
    """
    minimum_Q = minimum_rank_distance(pool)
    room_Q = random_rank_distance(pool) - minimum_Q
    room_Q[room_Q <= 1e-9] = np.nan
    return (rank_distance(pool) - minimum_Q) / room_Q
