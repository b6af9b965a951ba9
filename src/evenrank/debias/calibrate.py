"""Calibration: scores of passages of different languages are made comparable, query by query.

Shapes: ``Q`` queries, ``L`` languages of the passages, ``H`` width, ``K`` best passages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

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
from evenrank.debias.index import QueryForm
from evenrank.debias.rows import (
    Doubles,
    Floats,
    Kind,
    OptionalLangs,
    no_languages,
    places_of,
)
from evenrank.errors import ConfigError

_SMALLEST = 1e-8
"""Variance of scores below which a language counts as having no more than this."""


class CalibrateSettings(Settings):
    """Settings of ``calibrate``.

    Attributes:
        by: ``mean`` of the query's scores in the language, ``z`` (mean and standard deviation), or
            the mean of its ``top`` scores in the language.
        k: Scores that ``top`` uses.
        own_bonus: Added to the scores of passages in the language of the query, 0 to 1: the
            search keeps a preference for it of this size.
        shrink: Statistics of languages with few texts move towards the mean of all languages.
    """

    by: Literal["mean", "z", "top"] = "top"
    k: int = Field(default=10, ge=1)
    own_bonus: float = Field(default=0, ge=0, le=1)
    shrink: bool = True

    @property
    def needs(self) -> Needs:
        """Covariances for ``z``."""
        return {"covariances": self.by == "z", "sample": 0}


@dataclass(frozen=True, eq=False)
class Calibration(Correction):
    """A correction of scores: ``s + strength (slope_ql s - offset_ql - s)`` with a slope above 0.

    The offset of the query's own language is lower by ``own_bonus``.

    Attributes:
        means: ``(L, H)`` of the passages.
        covariances: ``(L, H, H)`` for ``z``.
    """

    means: Floats
    covariances: Floats | None = None

    @property
    def changes_vectors(self) -> bool:
        """False: it changes scores."""
        return False

    @property
    def needs_language(self) -> bool:
        """True: every language has its own level of scores."""
        return True

    @property
    def best_needed(self) -> int:
        """``k`` by ``top``."""
        return int(self.fit.settings["k"]) if self.fit.settings["by"] == "top" else 0

    def apply(self, embeddings: NDArray[Any], langs: OptionalLangs, kind: Kind) -> Floats:
        """Refuse: it changes scores."""
        raise scores_only(self.fit.method)

    def with_own_bonus(self, own_bonus: float) -> Self:
        """Return the same calibration with another bonus for the query's own language."""
        return replace(self, fit=self.fit.with_settings(own_bonus=own_bonus))

    def for_index(
        self, queries: NDArray[Any], langs: OptionalLangs, best: Doubles | None = None
    ) -> QueryForm:
        """Return the queries with a slope and an offset for each language of the passages."""
        rows_QH = checked_rows(queries, self.fit.width, "query")
        slopes, offsets = self.dialled(self.whole(rows_QH, best), langs)
        return QueryForm(self.fit.languages("passage"), rows_QH[:, None], slopes, offsets)

    def dialled(
        self, whole: tuple[Doubles, Doubles], langs: OptionalLangs
    ) -> tuple[Doubles, Doubles]:
        """Return slopes and offsets at this strength and with this bonus, from :meth:`whole`."""
        slopes, offsets = whole
        if bonus := self.fit.settings["own_bonus"]:
            offsets, languages = offsets.copy(), self.fit.languages("passage")
            for lang, at in places_of(langs, len(offsets), "query"):
                if not lang:
                    raise no_languages("query")
                if lang in languages:  # no passage is in any other
                    offsets[at, languages.index(lang)] -= bonus
        return 1 + self.strength * (slopes - 1), self.strength * offsets

    def whole(self, queries_QH: Floats, best: Doubles | None) -> tuple[Doubles, Doubles]:
        """Return slopes ``(Q, 1)`` or ``(Q, L)`` and offsets ``(Q, L)`` at strength 1, no bonus."""
        if self.fit.settings["by"] == "top":
            return np.ones((len(queries_QH), 1)), self._top(best)
        wide_QH = queries_QH.astype(np.float64)
        means = wide_QH @ self.means.T.astype(np.float64)
        if self.covariances is None:
            return np.ones((len(means), 1)), means
        inside_LQH = np.matmul(queries_QH, self.covariances)
        variances = np.einsum("lqh,qh->ql", inside_LQH, wide_QH)
        spreads = np.sqrt(np.maximum(variances, _SMALLEST))
        # The mean spread keeps scores on the scale of cosines; it is one number for each query.
        slopes = np.exp(np.log(spreads).mean(axis=1, keepdims=True)) / spreads
        return slopes, slopes * means

    def _top(self, best: Doubles | None) -> Doubles:
        k, languages = self.fit.settings["k"], self.fit.languages("passage")
        if best is None or best.ndim != 3 or best.shape[1] != len(languages):
            raise ConfigError(
                "calibration by the top of each language",
                "no scores" if best is None else f"scores of shape {best.shape}",
                f"the best {k} scores of each query in each of {len(languages)} languages",
                "Pass best=best_by_language(...), or calibrate by mean or z",
            )
        top = best[:, :, :k]
        found = np.isfinite(top)
        # A language without passages has no score to correct.
        total = np.where(found, top, 0).sum(axis=2)
        return np.asarray(total / np.maximum(found.sum(axis=2), 1))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the statistics."""
        arrays: dict[str, NDArray[Any]] = {"means": self.means}
        return arrays if self.covariances is None else arrays | {"covariances": self.covariances}

    @classmethod
    def from_arrays(cls, fit: Fit, arrays: Mapping[str, NDArray[Any]], strength: float) -> Self:
        """Return the calibration of saved arrays."""
        count, width = len(fit.languages("passage")), fit.width
        means = require_array(arrays["means"], count, width)
        if fit.settings["by"] != "z":
            return cls(fit, means, strength=strength)
        covariances = require_array(arrays["covariances"], count, width, width)
        return cls(fit, means, covariances, strength=strength)


@method("calibrate", CalibrateSettings, Calibration)
def fit_calibrate(data: FitData, settings: CalibrateSettings) -> Calibration:
    """Subtract what the query scores in the passage's language anyway; needs no new vectors."""
    side = data.passages
    means = side.shrunk_means() if settings.shrink else side.means
    covariances = None
    if settings.by == "z":
        covariances = side.shrunk_covariances if settings.shrink else side.covariances
    return Calibration(
        data.fit,
        means.astype(np.float32),
        None if covariances is None else covariances.astype(np.float32),
    )
