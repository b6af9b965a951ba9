"""How languages lie in the space: neighbour purity, linear decodability, score offset."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenrank.probing.base import (
    Doubles,
    Estimate,
    Geometry,
    Ints,
    Observed,
    Z,
    as_matrix,
    generator,
    margin,
    probe_measure,
    resampled,
)


@probe_measure("purity", "Neighbour purity", order=70, limits=(-1, 1), no_bias=0.0)
def purity(observed: Observed) -> Estimate | None:
    """Share of a passage's nearest passages in its own language, beyond chance.

    Formula: ``(p - c) / (1 - c)``, with ``p`` the share of the own language among the ``k``
    nearest passages and ``c = sum pi^2`` what it is by chance.
    """
    if observed.neighbours is None:
        return None
    random = generator(observed, "purity")
    langs, counts = observed.counts(observed.neighbours, random)
    shares = counts / np.maximum(counts.sum(axis=2, keepdims=True), 1e-9)
    chance = observed.chance(langs, leaves_out_itself=True)
    rows = np.arange(len(langs))
    weight = observed.sizes[langs] / observed.sizes[langs].sum()
    expected = float(weight @ chance[rows, langs])
    own = (shares[:, rows, langs] @ weight - expected) / (1 - expected)
    return Estimate(
        value=float(own[0]),
        margin=margin(own[1:]),
        by_language={
            observed.languages[lang]: float(shares[0, row, lang])
            for row, lang in enumerate(langs.tolist())
        },
    )


@probe_measure(
    "decodability", "Linear decodability", order=90, limits=(-1, 1), no_bias=0.0, predicts=False
)
def decodability(observed: Observed) -> Estimate | None:
    """How well a linear classifier reads the language from the embedding of a passage, held out.

    Formula: ``(accuracy - 1/L) / (1 - 1/L)`` of linear discriminant analysis with a shrunk
    covariance, trained on one half of the sampled passages and tested on the other; the mean over
    languages.
    """
    geometry = observed.geometry
    if geometry is None:
        return None
    random = generator(observed, "decodability")
    langs, count = geometry.sample_langs, len(observed.languages)
    train = np.zeros(len(langs), dtype=bool)
    for lang in range(count):
        at = random.permutation(np.flatnonzero(langs == lang))
        train[at[: len(at) // 2]] = True
    guessed = _discriminant(geometry.sample[train], langs[train], geometry.sample[~train], count)
    right = (guessed == langs[~train]).astype(np.float64)
    weights = resampled(random, langs[~train])
    groups = [np.flatnonzero(langs[~train] == lang) for lang in range(count)]
    of_language = [right[at].mean() for at in groups]
    drawn = np.mean([weights[:, at] @ right[at] / len(at) for at in groups], axis=0)
    accuracy = float(np.mean(of_language))
    guessing = Z * np.sqrt((1 - 1 / count) / count / len(right))  # what guessing alone varies by
    return Estimate(
        value=(accuracy - 1 / count) / (1 - 1 / count),
        margin=max(margin(drawn), float(guessing)) / (1 - 1 / count),
        by_language=dict(zip(observed.languages, map(float, of_language), strict=True)),
        details={"accuracy": accuracy},
    )


def _discriminant(
    known: NDArray[np.float32], langs: Ints, rows: NDArray[np.float32], count: int
) -> Ints:
    """Return the language of each row by linear discriminant analysis with equal priors."""
    known_NH, width = known.astype(np.float64), known.shape[1]
    means = np.array([known_NH[langs == lang].mean(axis=0) for lang in range(count)])
    inside = known_NH - means[langs]
    covariance = inside.T @ inside / len(inside)
    level = max(float(np.trace(covariance)) / width, 1e-12)
    kept = len(inside) / (len(inside) + width)
    shrunk = kept * covariance + (1 - kept) * level * np.eye(width)
    directions = np.linalg.solve(shrunk, means.T)
    scores = rows @ directions - 0.5 * (means.T * directions).sum(axis=0)
    return np.asarray(scores.argmax(axis=1))


@probe_measure("score_offset", "Score offset", order=30, limits=(-np.inf, np.inf), no_bias=0.0)
def score_offset(observed: Observed) -> Estimate | None:
    """How much higher a query scores with passages of its own language, in units of spread.

    Formula: mean of ``q . (mean_a - mean_b) / sd_b(q)`` over queries ``q`` in ``a`` and other
    languages ``b``; ``sd_b(q)`` is the standard deviation of the scores of ``q`` in ``b``.
    """
    geometry = observed.geometry
    if geometry is None:
        return None
    asked, own = observed.queries.langs, np.arange(len(observed.queries.langs))
    means, spreads = _levels(observed, geometry)
    offsets = (means[own, asked][:, None] - means) / spreads
    offsets[own, asked] = np.nan
    langs, row = np.unique(asked, return_inverse=True)
    values = np.nanmean(offsets, axis=1)
    weights = resampled(generator(observed, "score_offset"), asked)
    groups = [np.flatnonzero(row == at) for at in range(len(langs))]
    drawn = np.mean([weights[:, at] @ values[at] / len(at) for at in groups], axis=0)
    noise = _noise_of_means(observed, geometry, spreads, np.bincount(row)[row] * len(langs))
    random = generator(observed, "means of passages")
    drawn = drawn + random.normal(scale=noise, size=len(drawn))
    matrix = np.array([offsets[at].mean(axis=0) for at in groups])
    return Estimate(
        value=float(np.mean([values[at].mean() for at in groups])),
        margin=margin(drawn),
        matrix=as_matrix(matrix, langs, range(len(observed.languages)), observed.languages),
    )


def _levels(observed: Observed, geometry: Geometry) -> tuple[Doubles, Doubles]:
    """Return ``(Q, L)`` mean and spread of each query's scores, without the query's own passage."""
    asked, rows = observed.queries.langs, np.arange(len(observed.queries.langs))
    means = geometry.queries @ geometry.means.T
    scores = (geometry.queries @ geometry.sample.T).astype(np.float64)
    if observed.queries.leaves_out_itself:  # query n is sampled passage n
        size = observed.sizes[asked]
        itself = scores[rows, rows]
        means[rows, asked] = (size * means[rows, asked] - itself) / np.maximum(size - 1, 1)
        scores[rows, rows] = np.nan
    spreads = [
        np.nanstd(scores[:, geometry.sample_langs == lang], axis=1)
        for lang in range(len(observed.languages))
    ]
    return means, np.maximum(np.array(spreads).T, 1e-9)


def _noise_of_means(observed: Observed, geometry: Geometry, spreads: Doubles, share: Ints) -> float:
    """Return the standard error that the value has because the corpus is a sample.

    The value is ``sum_c h_c . mean_c`` with fixed vectors ``h_c``; its variance is the sum of those
    of ``h_c . x`` over the passages ``x`` of language ``c``, each divided by their number.
    """
    count = len(observed.languages)
    inverse = 1 / spreads / (share * (count - 1))[:, None]
    asked, variance = observed.queries.langs, 0.0
    for lang in range(count):
        own = asked == lang
        others = inverse[own].sum(axis=1) - inverse[own, lang]
        weight = np.where(own, 0.0, -inverse[:, lang])
        weight[own] = others
        scores = geometry.sample[geometry.sample_langs == lang] @ (weight @ geometry.queries)
        variance += float(scores.var()) / float(observed.sizes[lang])
    return float(np.sqrt(variance))
