"""Centring: each language's mean is moved to a common point."""

from __future__ import annotations

from typing import Literal

import numpy as np

from evenrank.debias.base import FitData, Settings, method
from evenrank.debias.moments import Moments
from evenrank.debias.vectors import Maps, Sides, VectorCorrection, sided


class CenterSettings(Settings):
    """Settings of ``center``.

    Attributes:
        to: The common point: ``mean`` of all languages, or ``zero``.
        sides: Which texts are changed.
        unit: Vectors get length 1 again.
        shrink: Means of languages with few texts move towards the mean of all languages.
    """

    to: Literal["mean", "zero"] = "mean"
    sides: Sides = "both"
    unit: bool = True
    shrink: bool = True


@method("center", CenterSettings, VectorCorrection)
def fit_center(data: FitData, settings: CenterSettings) -> VectorCorrection:
    """Subtract each language's mean, of queries and of passages: ``x - (mean_l - mean)``."""

    def maps(side: Moments) -> Maps:
        means = side.shrunk_means() if settings.shrink else side.means
        target = means.mean(axis=0) if settings.to == "mean" else np.zeros(side.width)
        return Maps.of(side.languages, offset=means - target)

    chosen = sided(settings.sides, data, maps)
    return VectorCorrection(data.fit, chosen, settings.unit)
