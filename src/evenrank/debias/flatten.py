"""Flattening: language, the common direction and hubs are removed, from passages alone.

Shapes: ``D`` passages, ``S`` sampled passages, ``H`` width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from evenrank.debias.base import (
    Correction,
    Fit,
    FitData,
    Needs,
    Settings,
    checked_rows,
    method,
    require_array,
    scores_only,
)
from evenrank.debias.index import QueryForm, Stored
from evenrank.debias.rows import BLOCK, Floats, Kind, OptionalLangs
from evenrank.debias.vectors import Maps, VectorCorrection, shared

SAMPLE = 4_096
_ITSELF = 0.9999
"""A neighbour with this similarity is the passage itself."""


class FlattenSettings(Settings):
    """Settings of ``flatten``.

    Attributes:
        common: How much of the mean of all passages is removed.
        hubs: How much of a passage's similarity to its neighbours is subtracted from its scores.
        k: Neighbours among the sampled passages.
    """

    common: float = Field(default=0.8, ge=0, le=1)
    hubs: float = Field(default=0.4, ge=0, le=1)
    k: int = Field(default=30, ge=1)

    @property
    def needs(self) -> Needs:
        """A sample of the passages."""
        return {"covariances": False, "sample": SAMPLE}


@dataclass(frozen=True, eq=False)
class Flattening(Correction):
    """``q' . d' - strength hubs r_d``, with ``r_d`` the similarity of ``d'`` to its neighbours.

    Attributes:
        maps: One map for all texts: ``x' = x - U U^T x - common m`` with length 1 again, ``U`` the
            directions in which languages differ, ``m`` the mean of all passages without them.
        sample: ``(S, H)`` passages of the fit.
    """

    maps: Maps
    sample: Floats

    @property
    def changes_vectors(self) -> bool:
        """False: it changes scores, too."""
        return False

    @property
    def needs_language(self) -> bool:
        """False: one map for all."""
        return False

    @property
    def vectors(self) -> VectorCorrection:
        """What is done to vectors."""
        maps = shared("both", self.maps)
        return VectorCorrection(self.fit, maps, strength=self.strength)

    def apply(self, embeddings: NDArray[Any], langs: OptionalLangs, kind: Kind) -> Floats:
        """Refuse: it changes scores."""
        raise scores_only(self.fit.method)

    def for_index(
        self, queries: NDArray[Any], langs: OptionalLangs, best: NDArray[np.float64] | None = None
    ) -> QueryForm:
        """Return corrected queries."""
        return self.vectors.for_index(queries, langs)

    def stored(self, passages: NDArray[Any], langs: OptionalLangs) -> Stored | None:
        """Return ``1 / |d'|`` and ``r_d`` of each passage."""
        if not self.strength:
            return None
        rows_DH = checked_rows(passages, self.fit.width, "passage")
        vectors = self.vectors
        scaled = vectors.stored(rows_DH, None)
        sample_SH = vectors.apply(self.sample, None, "passage")
        k = min(self.fit.settings["k"], max(1, len(sample_SH) - 1))
        minus = np.empty(len(rows_DH))
        for start in range(0, len(rows_DH), BLOCK // 4):
            part = slice(start, start + BLOCK // 4)
            near = vectors.apply(rows_DH[part], None, "passage") @ sample_SH.T
            near[near > _ITSELF] = -1
            minus[part] = np.partition(near, -k, axis=1)[:, -k:].mean(axis=1, dtype=np.float64)
        scale = np.ones(len(minus)) if scaled is None else scaled.scale
        return Stored(scale, self.strength * self.fit.settings["hubs"] * minus)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the map and the sample."""
        return self.vectors.arrays() | {"sample": self.sample}

    @classmethod
    def from_arrays(cls, fit: Fit, arrays: Mapping[str, NDArray[Any]], strength: float) -> Self:
        """Return the correction of saved arrays."""
        maps = VectorCorrection.from_arrays(fit, arrays, strength).maps["passage"]
        return cls(fit, maps, require_array(arrays["sample"], None, fit.width), strength=strength)


@method("flatten", FlattenSettings, Flattening)
def fit_flatten(data: FitData, settings: FlattenSettings) -> Flattening:
    """Remove languages and the common direction, and lower hubs; needs passages only."""
    means = data.passages.means
    mean = means.mean(axis=0)
    rank = min(len(means) - 1, means.shape[1] - 1)
    _, _, directions = np.linalg.svd(means - mean, full_matrices=False)
    left = directions[:rank].T
    common = settings.common * (mean - left @ (left.T @ mean))
    return Flattening(data.fit, Maps.of((), common[None], left[None]), data.passages.sample)
