"""Corrected search in an index that keeps its vectors.

Shapes: ``Q`` queries, ``D`` passages, ``H`` width, ``L`` languages of the passages, ``K`` kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenrank.debias.rows import Doubles, Floats, OptionalLangs, codes_of


@dataclass(frozen=True, eq=False)
class Stored:
    """Numbers that an index keeps with each passage.

    Attributes:
        scale: ``(D,)``.
        minus: ``(D,)``.
    """

    scale: Doubles
    minus: Doubles


@dataclass(frozen=True, eq=False)
class QueryForm:
    """Queries for an index that keeps its vectors.

    ``score(q, d) = scale_d (slope_ql vector_ql . d - offset_ql) - minus_d`` for a passage ``d`` of
    language ``l``. Most corrections need no ``scale`` and no ``minus``.

    Attributes:
        languages: Languages of the passages; empty if they make no difference.
        vectors: ``(Q, 1, H)``, or ``(Q, L, H)`` where each language needs a vector of its own.
        slopes: ``(Q, 1)`` or ``(Q, L)``, above 0.
        offsets: ``(Q, 1)`` or ``(Q, L)``.
    """

    languages: tuple[str, ...]
    vectors: Floats
    slopes: Doubles
    offsets: Doubles

    def scores(
        self, passages: NDArray[Any], langs: OptionalLangs, stored: Stored | None = None
    ) -> Doubles:
        """Return ``(Q, D)`` corrected scores of unchanged passages."""
        codes = codes_of(langs, len(passages), self.languages, "passage")
        if self.vectors.shape[1] == 1:
            scores = self.vectors[:, 0] @ np.asarray(passages).T
        else:
            scores = np.empty((len(self.vectors), len(passages)), dtype=np.float32)
            for code in np.unique(codes):
                at = np.flatnonzero(codes == code)
                scores[:, at] = self.vectors[:, code] @ np.asarray(passages[at]).T
        return self.adjusted(scores, codes, stored)

    def adjusted(
        self, raw: NDArray[Any], codes: NDArray[np.int64], stored: Stored | None = None
    ) -> Doubles:
        """Return ``(Q, D)`` corrected scores from products of ``vectors`` and passages.

        Args:
            raw: ``(Q, D)`` products.
            codes: ``(D,)`` position of each passage's language in ``languages``.
            stored: What the index keeps with each passage.
        """
        # one column for all languages, or one for each
        slopes, offsets = (
            part if part.shape[1] == 1 else part[:, codes] for part in (self.slopes, self.offsets)
        )
        scores = raw * slopes
        scores -= offsets
        if stored is not None:
            scores = scores * stored.scale - stored.minus
        return np.asarray(scores, dtype=np.float64)


def order(corrected: Doubles, raw: NDArray[Any]) -> NDArray[np.int64]:
    """Return ``(Q, D)`` positions of passages from best to worst.

    Corrected score descending, then raw score descending, then position. A calibration grows with
    the raw score within a language, but may round two raw scores to one; with this order it keeps
    every ranking within a language.
    """
    positions = np.broadcast_to(np.arange(raw.shape[1]), raw.shape)
    return np.lexsort((positions, -raw, -corrected), axis=1)


def best_by_language(
    queries: NDArray[Any],
    passages: NDArray[Any],
    langs: OptionalLangs,
    languages: Sequence[str],
    k: int,
) -> Doubles:
    """Return ``(Q, L, K)`` the best raw scores of each language, in descending order.

    Languages with fewer than ``k`` passages get NaN at the end.
    """
    codes = codes_of(langs, len(passages), languages, "passage")
    return best_scores(queries @ np.asarray(passages).T, codes, len(languages), k)


def best_scores(raw: NDArray[Any], codes: NDArray[np.int64], languages: int, k: int) -> Doubles:
    """Return the same as :func:`best_by_language` from ``(Q, D)`` scores."""
    best = np.full((len(raw), languages, k), np.nan)
    for code in np.unique(codes):
        scores = raw[:, codes == code]
        kept = min(k, scores.shape[1])
        scores.partition(scores.shape[1] - kept, axis=1)
        best[:, code, :kept] = np.sort(scores[:, -kept:], axis=1)[:, ::-1]
    return best
