"""Which languages the best passages are in: lift, pull, same-language preference, swap shift."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from evenrank.probing.base import (
    DRAWS,
    LEVEL,
    Doubles,
    Estimate,
    Ints,
    Observed,
    as_matrix,
    generator,
    margin,
    probe_measure,
)

_ROUNDS, _STEP = 500, 1e-5
"""Iterative proportional fitting ends after so many rounds, or when no logarithm changes more."""
_PERMUTATIONS = 100


@probe_measure("lift", "Lift of the own language", order=20, limits=(0, np.inf), no_bias=1.0)
def lift(observed: Observed) -> Estimate:
    """How many times its share of the corpus the query's own language has among the best passages.

    Formula: ``s_ab / pi_b``, where ``s_ab`` is the mean share of language ``b`` in the top ``k`` of
    queries in ``a`` and ``pi_b`` the share of ``b`` in the corpus; the value is the mean of the
    cells ``a = b``.
    """
    langs, counts = observed.query_counts
    shares = counts / np.maximum(counts.sum(axis=2, keepdims=True), 1e-9)
    lifts = shares / observed.query_chance
    own = lifts[:, np.arange(len(langs)), langs].mean(axis=1)
    everywhere = range(len(observed.languages))
    return Estimate(
        value=float(own[0]),
        margin=margin(own[1:]),
        by_language={
            observed.languages[lang]: float(lifts[0, row, lang])
            for row, lang in enumerate(langs.tolist())
        },
        matrix=as_matrix(lifts[0], langs, everywhere, observed.languages),
    )


@probe_measure(
    "same_language", "Same-language preference", order=40, limits=(-np.inf, np.inf), no_bias=0.0
)
def same_language(observed: Observed) -> Estimate | None:
    """How much more often the own language is found than its pull explains, as a logarithm.

    Formula: ``beta`` of the log-linear fit ``log(s_ab / pi_b) = gamma_a + alpha_b + beta [a = b]``.
    ``exp(beta)`` is a factor.
    """
    langs, counts = observed.query_counts
    if len(langs) < 2:  # then the pull of the own language says the same
        return None
    _, beta = log_linear(counts, observed.query_chance, langs)
    return Estimate(
        value=float(beta[0]), margin=margin(beta[1:]), details={"factor": float(np.exp(beta[0]))}
    )


@probe_measure(
    "pull",
    "Strongest pull of a language",
    order=100,
    limits=(-np.inf, np.inf),
    no_bias=0.0,
    predicts=False,
)
def pull(observed: Observed) -> Estimate | None:
    """How much a language attracts queries of all languages, as a logarithm; the strongest of all.

    Formula: ``alpha_b`` of the fit of ``same_language``, with a sum of 0. The interval is
    simultaneous: it covers the pulls of all languages together.
    """
    langs, counts = observed.query_counts
    if len(langs) < 2:
        return None
    alpha, _ = log_linear(counts, observed.query_chance, langs)
    spread = np.maximum(alpha[1:].std(axis=0), 1e-12)
    largest = np.quantile((np.abs(alpha[1:] - alpha[1:].mean(axis=0)) / spread).max(axis=1), LEVEL)
    strongest = int(np.argmax(np.abs(alpha[0])))
    return Estimate(
        value=float(alpha[0, strongest]),
        margin=float(largest * spread[strongest]),
        by_language=dict(zip(observed.languages, alpha[0].tolist(), strict=True)),
    )


@probe_measure("swap_shift", "Swap shift", order=60, limits=(-1, 1), no_bias=0.0)
def swap_shift(observed: Observed) -> Estimate | None:
    """How far the languages of the best passages change if a query is asked in another language.

    Formula: ``1/2 sum_b |s_ab - s_a'b|``, the mean over pairs of languages ``a``, ``a'`` of the
    same queries, minus its mean where each query's languages are permuted, which is what chance
    does. Queries are those of the canaries, passages those of the corpus.
    """
    if observed.planted is None:
        return None
    random = generator(observed, "swap_shift")
    mix = observed.planted.mix
    items, count, width = mix.shape
    weights = random.multinomial(items, np.full(items, 1 / items), size=DRAWS) / items
    drawn = (weights @ mix.reshape(items, -1)).reshape(-1, count, width)
    by_chance = []
    for _ in range(_PERMUTATIONS):
        order = random.permuted(np.tile(np.arange(count), (items, 1)), axis=1)
        by_chance.append(np.take_along_axis(mix, order[:, :, None], axis=1).mean(axis=0))
    null = _shifts(np.array(by_chance))
    shares = mix.mean(axis=0)
    matrix = 0.5 * np.abs(shares[:, None] - shares[None]).sum(axis=2)
    langs = observed.planted.langs
    return Estimate(
        value=float(_shifts(shares[None])[0] - null.mean()),
        margin=max(margin(_shifts(drawn)), margin(null)),
        matrix=as_matrix(matrix, langs, langs, observed.languages),
    )


def _shifts(shares: NDArray[np.float64]) -> Doubles:
    """Return ``(R,)`` the mean shift between languages from ``(R, B, L)`` shares."""
    pairs = [
        0.5 * np.abs(shares[:, one] - shares[:, other]).sum(axis=1)
        for one, other in combinations(range(shares.shape[1]), 2)
    ]
    return np.asarray(np.mean(pairs, axis=0))


def log_linear(counts: Doubles, chance: Doubles, langs: Ints) -> tuple[Doubles, Doubles]:
    """Return the pull of each language ``(R, L)`` and the same-language preference ``(R,)``.

    The maximum-likelihood fit of ``log E_ab = log pi_ab + gamma_a + alpha_b + beta [a = b]`` by
    iterative proportional fitting (Deming and Stephan 1940). Each query language gets one more hit,
    spread by chance, so that no cell is empty.

    Args:
        counts: ``(R, A, L)`` hits.
        chance: ``(A, L)`` shares of the languages without bias.
        langs: ``(A,)`` query languages.
    """
    wanted = counts + chance
    fitted = np.broadcast_to(chance, counts.shape).copy()
    own = np.zeros(chance.shape, dtype=bool)
    own[np.arange(len(langs)), langs] = True
    alpha, beta = np.zeros((len(counts), counts.shape[2])), np.zeros(len(counts))
    for _ in range(_ROUNDS):
        fitted *= (wanted.sum(axis=2) / fitted.sum(axis=2))[:, :, None]
        step = wanted.sum(axis=1) / fitted.sum(axis=1)
        fitted *= step[:, None]
        alpha += np.log(step)
        factor = wanted[:, own].sum(axis=1) / fitted[:, own].sum(axis=1)
        fitted[:, own] *= factor[:, None]
        beta += np.log(factor)
        if max(np.abs(np.log(step)).max(), np.abs(np.log(factor)).max()) < _STEP:
            break
    return alpha - alpha.mean(axis=1, keepdims=True), beta
