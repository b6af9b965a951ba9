"""Projection: the directions in which language means differ are removed (LSAR, 2401.05792)."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from evenrank.debias.base import FitData, Settings, method
from evenrank.debias.vectors import Maps, Sides, VectorCorrection, shared


class ProjectSettings(Settings):
    """Settings of ``project``.

    Attributes:
        rank: Directions to remove; at most one less than there are languages, which is the default.
            More would remove directions that have nothing to do with language.
        sides: Which texts are changed.
    """

    rank: int | None = Field(default=None, ge=1)
    sides: Sides = "both"


@method("project", ProjectSettings, VectorCorrection)
def fit_project(data: FitData, settings: ProjectSettings) -> VectorCorrection:
    """Remove the span of the language means: ``x - U U^T x``, needs no language tag.

    The means are those of passages: their differences favour languages in a ranking.
    """
    means = data.passages.means
    rank = min(settings.rank or len(means), len(means) - 1, means.shape[1])
    _, _, directions = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    maps = Maps.of((), left=directions[None, :rank].transpose(0, 2, 1))
    return VectorCorrection(data.fit, shared(settings.sides, maps))
