"""SHIFT: passages of all languages move to one (yjoonjang/SHIFT, arXiv 2606.18801)."""

from __future__ import annotations

from evenrank.debias.base import FitData, Settings, method
from evenrank.debias.moments import Moments
from evenrank.debias.rows import unknown_language
from evenrank.debias.vectors import Maps, Sides, VectorCorrection, sided
from evenrank.languages import normalise


class ShiftSettings(Settings):
    """Settings of ``shift``.

    Attributes:
        source: The language that the others are moved to: usually that of the queries.
        sides: Which texts are changed: the paper changes passages, its blog version both.
        shrink: Means of languages with few texts move towards the mean of all languages.
    """

    source: str = "en"
    sides: Sides = "passages"
    shrink: bool = True


@method("shift", ShiftSettings, VectorCorrection)
def fit_shift(data: FitData, settings: ShiftSettings) -> VectorCorrection:
    """Move passages towards one language: ``d - (mean_l - mean_source)``, length 1 again."""
    source = normalise(settings.source, "correction 'shift', source")

    def maps(side: Moments) -> Maps:
        if source not in side.languages:
            raise unknown_language(source, side.languages, "passage")
        means = side.shrunk_means() if settings.shrink else side.means
        return Maps.of(side.languages, offset=means - means[side.languages.index(source)])

    return VectorCorrection(data.fit, sided(settings.sides, data, maps))
