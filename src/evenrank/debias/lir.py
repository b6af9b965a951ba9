"""Language information removal: each language loses its own leading directions (LIR, Yang 2021)."""

from __future__ import annotations

import numpy as np
from pydantic import Field
from scipy.sparse.linalg import eigsh

from evenrank.debias.base import FitData, Needs, Settings, method
from evenrank.debias.moments import Moments
from evenrank.debias.vectors import Maps, Sides, VectorCorrection, sided


class LirSettings(Settings):
    """Settings of ``lir``.

    Attributes:
        rank: Directions that each language loses.
        sides: Which texts are changed.
    """

    rank: int = Field(default=1, ge=1)
    sides: Sides = "both"

    @property
    def needs(self) -> Needs:
        """Covariances."""
        return {"covariances": True, "sample": 0}


@method("lir", LirSettings, VectorCorrection)
def fit_lir(data: FitData, settings: LirSettings) -> VectorCorrection:
    """Remove each language's leading directions: ``x - C_l C_l^T x``, uncentred as published."""

    def maps(side: Moments) -> Maps:
        width = side.width
        rank = min(settings.rank, width - 1)
        leading = [
            eigsh(square + np.outer(mean, mean), rank, v0=np.ones(width))[1]
            for square, mean in zip(side.shrunk_covariances, side.means, strict=True)
        ]
        return Maps.of(side.languages, left=np.stack(leading))

    return VectorCorrection(data.fit, sided(settings.sides, data, maps))
