"""What becomes of canaries: parallel texts of known relevance among the passages of the corpus."""

from __future__ import annotations

import numpy as np

from evenrank.probing.base import (
    DRAWS,
    Doubles,
    Estimate,
    Observed,
    as_matrix,
    generator,
    margin,
    probe_measure,
)

FOUND = 10
"""Places in which an answer counts as found."""


@probe_measure("access_gap", "Access gap", order=10, limits=(-1, 1), no_bias=0.0)
def access_gap(observed: Observed) -> Estimate | None:
    """How much more often an answer is found that exists only in the query's own language.

    Formula: share of queries whose answer is in the top 10 if it exists only in the language of
    the query (own), minus that if it exists only in one other language (other). The rank of an
    answer in one language is its rank in the pool without its translations.
    """
    planted = observed.planted
    if planted is None:
        return None
    found = (planted.above < FOUND).astype(np.float64)
    own, other = _own_and_other(found)
    return Estimate(
        value=float((own - other).mean()),
        margin=_margin(observed, "access_gap", own - other),
        matrix=as_matrix(found.mean(axis=0), planted.langs, planted.langs, observed.languages),
        details={"own": float(own.mean()), "other": float(other.mean())},
    )


@probe_measure(
    "rank_distance", "Rank distance, normalised", order=50, limits=(0, np.inf), no_bias=None
)
def rank_distance(observed: Observed) -> Estimate | None:
    """How far apart the answers in different languages are ranked: 0 next to each other, 1 random.

    Formula: ``(d - d_min) / (d_random - d_min)`` with ``d`` the largest minus the smallest rank of
    a canary's ``n`` answers in the pool of ``N`` passages, ``d_min = n - 1`` and ``d_random = (N +
    1)(n - 1) / (n + 1)``. Chance moves the answers apart too, so no value is the one without bias.
    """
    planted = observed.planted
    if planted is None:
        return None
    order = np.argsort(-planted.scores, axis=2, kind="stable")
    ranks = np.take_along_axis(planted.above, order, axis=2) + 1 + np.arange(order.shape[2])
    count = len(planted.langs)
    space = (planted.pool + 1) * (count - 1) / (count + 1) - (count - 1)
    distances = (ranks[:, :, -1] - ranks[:, :, 0] - (count - 1)) / max(space, 1e-9)
    by_language = distances.mean(axis=0).tolist()
    return Estimate(
        value=float(distances.mean()),
        margin=_margin(observed, "rank_distance", distances.mean(axis=1)),
        by_language={
            observed.languages[lang]: value
            for lang, value in zip(planted.langs.tolist(), by_language, strict=True)
        },
    )


@probe_measure(
    "preference",
    "Language preference rate × languages",
    order=80,
    limits=(0, np.inf),
    no_bias=1.0,
    predicts=False,
)
def preference(observed: Observed) -> Estimate | None:
    """How many times as often as by chance the best of the answers is in the query's language.

    Formula: ``n`` times the language preference rate: the share of queries whose answer in their
    own language scores highest among its ``n`` translations. Equal scores share the place.
    """
    planted = observed.planted
    if planted is None:
        return None
    best = planted.scores == planted.scores.max(axis=2, keepdims=True)
    rates = len(planted.langs) * best / best.sum(axis=2, keepdims=True)
    own = np.diagonal(rates, axis1=1, axis2=2).mean(axis=1)
    return Estimate(
        value=float(own.mean()),
        margin=_margin(observed, "preference", own),
        matrix=as_matrix(rates.mean(axis=0), planted.langs, planted.langs, observed.languages),
        details={"rate": float(own.mean()) / len(planted.langs)},
    )


def _own_and_other(values: Doubles) -> tuple[Doubles, Doubles]:
    """Return ``(I,)`` the means of the cells ``a = b`` and ``a != b`` of ``(I, B, B)`` values."""
    count = values.shape[1]
    own = np.trace(values, axis1=1, axis2=2)
    return own / count, (values.sum(axis=(1, 2)) - own) / (count * (count - 1))


def _margin(observed: Observed, name: str, values: Doubles) -> float:
    """Return the margin of the mean of values of canaries, which are the blocks of a bootstrap."""
    random = generator(observed, name)
    items = len(values)
    weights = random.multinomial(items, np.full(items, 1 / items), size=DRAWS)
    return margin(weights @ values / items)
