"""LEACE: least-squares erasure of the language (Belrose et al. 2023, arXiv 2306.03819)."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from evenrank.debias.base import FitData, Needs, Settings, method
from evenrank.debias.vectors import Maps, Sides, VectorCorrection, shared

_SMALL = 0.01
"""Relative size of singular values that count as zero, as in EleutherAI/concept-erasure."""


class LeaceSettings(Settings):
    """Settings of ``leace``.

    Attributes:
        sides: Which texts are changed.
    """

    sides: Sides = "both"

    @property
    def needs(self) -> Needs:
        """Covariances."""
        return {"covariances": True, "sample": 0}


@method("leace", LeaceSettings, VectorCorrection)
def fit_leace(data: FitData, settings: LeaceSettings) -> VectorCorrection:
    """Change vectors as little as no linear classifier of languages allows; needs no tag.

    ``x - W^+ U U^T W (x - mean)`` with ``W = Sigma^(-1/2)`` (pseudo-inverse) of all texts and ``U``
    the left singular vectors of ``W`` times the covariance of vectors and languages. All are
    of passages: their differences favour languages in a ranking.
    """
    side = data.passages
    shares = side.counts / side.counts.sum()
    mean = shares @ side.means
    apart = side.means - mean
    assert side.covariances is not None
    inside = np.tensordot(side.counts - 1.0, side.covariances, axes=1)
    total = inside + (side.counts[:, None] * apart).T @ apart
    values, vectors = eigh(total / (side.counts.sum() - 1))
    used = values > values[-1] * len(values) * np.finfo(np.float64).eps
    roots = np.sqrt(np.where(used, values, 0))
    whiten = vectors * np.where(used, 1 / np.where(used, roots, 1), 0) @ vectors.T
    colour = vectors * roots @ vectors.T
    left, sizes, _ = np.linalg.svd(whiten @ (shares[:, None] * apart).T, full_matrices=False)
    left = left[:, (sizes > _SMALL * sizes[0])[: len(left)]]
    removed = colour @ left
    seen = whiten @ left
    offset = -removed @ (seen.T @ mean)
    maps = Maps.of((), offset[None], removed[None], seen[None])
    return VectorCorrection(data.fit, shared(settings.sides, maps))
