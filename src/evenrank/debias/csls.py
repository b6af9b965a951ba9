"""CSLS: cross-domain similarity local scaling (Conneau et al. 2018, facebookresearch/MUSE).

Shapes: ``D`` passages, ``S`` sampled queries, ``H`` width.
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
from evenrank.debias.rows import BLOCK, Doubles, Floats, Kind, OptionalLangs

SAMPLE = 4_096


class CslsSettings(Settings):
    """Settings of ``csls``.

    Attributes:
        k: Nearest queries whose mean score is a passage's density.
    """

    k: int = Field(default=10, ge=1)

    @property
    def needs(self) -> Needs:
        """A sample of the queries."""
        return {"covariances": False, "sample": SAMPLE}


@dataclass(frozen=True, eq=False)
class Csls(Correction):
    """``s + strength (s - r_d)``: ``r_d`` is the mean score of ``d`` and its ``k`` nearest queries.

    The published ``2 s - r_d - r_q`` ranks passages equally: ``r_q`` is one number for each query.

    Attributes:
        sample: ``(S, H)`` queries of the fit.
    """

    sample: Floats

    @property
    def removes_levels(self) -> bool:
        """False: hubs lose, languages do not."""
        return False

    @property
    def changes_vectors(self) -> bool:
        """False: it changes scores."""
        return False

    @property
    def needs_language(self) -> bool:
        """False: it looks at neighbours only."""
        return False

    def apply(self, embeddings: NDArray[Any], langs: OptionalLangs, kind: Kind) -> Floats:
        """Refuse: it changes scores."""
        raise scores_only(self.fit.method)

    def for_index(
        self, queries: NDArray[Any], langs: OptionalLangs, best: Doubles | None = None
    ) -> QueryForm:
        """Return the queries with one slope."""
        rows_QH = checked_rows(queries, self.fit.width, "query")
        slopes = np.full((len(rows_QH), 1), 1 + self.strength)
        return QueryForm((), rows_QH[:, None], slopes, np.zeros_like(slopes))

    def stored(self, passages: NDArray[Any], langs: OptionalLangs) -> Stored | None:
        """Return ``r_d`` of each passage."""
        if not self.strength:
            return None
        rows_DH = checked_rows(passages, self.fit.width, "passage")
        k = min(self.fit.settings["k"], len(self.sample))
        minus = np.empty(len(rows_DH))
        for start in range(0, len(rows_DH), BLOCK // 4):
            part = slice(start, start + BLOCK // 4)
            scores = rows_DH[part] @ self.sample.T
            minus[part] = np.partition(scores, -k, axis=1)[:, -k:].mean(axis=1, dtype=np.float64)
        return Stored(np.ones(len(minus)), self.strength * minus)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the sample."""
        return {"sample": self.sample}

    @classmethod
    def from_arrays(cls, fit: Fit, arrays: Mapping[str, NDArray[Any]], strength: float) -> Self:
        """Return the correction of saved arrays."""
        return cls(fit, require_array(arrays["sample"], None, fit.width), strength=strength)


@method("csls", CslsSettings, Csls)
def fit_csls(data: FitData, settings: CslsSettings) -> Csls:
    """Lower the scores of passages that are near to many queries; no remedy for language bias."""
    return Csls(data.fit, data.queries.sample)
