"""Choosing between corrections on canaries: parallel texts that nothing was fitted on.

A correction is as good as it makes the translations of one passage rank next to each other, for
queries in every language. Shapes: ``I`` items, ``L`` languages, ``H`` width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenrank.debias.base import Correction
from evenrank.debias.index import best_by_language
from evenrank.debias.rows import Floats
from evenrank.debias.vectors import Maps, VectorCorrection
from evenrank.errors import DataError


@dataclass(frozen=True, eq=False)
class Canaries:
    """Items that exist in every language.

    Attributes:
        languages: The ``L`` languages.
        queries: ``(L, I, H)`` unit vectors.
        passages: ``(L, I, H)`` unit vectors.
    """

    languages: tuple[str, ...]
    queries: Floats
    passages: Floats

    def __post_init__(self) -> None:
        if len(self.languages) < 2 or self.passages.shape[1] < 2:
            raise DataError(
                "canaries",
                f"{self.passages.shape[1]} items in {len(self.languages)} languages",
                "two or more items that exist in two or more languages",
                "Add parallel texts",
            )

    def rank_distance(self, correction: Correction) -> float:
        """Return the mean distance of the best and the worst rank of an item's translations.

        It is divided by its largest value ``L I - 1``, so 0 < distance <= 1; the passages of all
        languages are one pool. Equal scores count as ranks above.
        """
        languages, items, width = self.passages.shape
        tags = np.repeat(np.array(self.languages), items)
        queries, passages = (rows.reshape(-1, width) for rows in (self.queries, self.passages))
        best = None
        if correction.best_needed:
            known = correction.fit.languages("passage")
            best = best_by_language(queries, passages, tags, known, correction.best_needed)
        form = correction.for_index(queries, tags, best)
        scores = form.scores(passages, tags, correction.stored(passages, tags))
        ranks = np.stack(
            [
                (scores >= scores[np.arange(len(queries)), item, None]).sum(axis=1)
                for item in self._translations()
            ]
        )
        return float(np.ptp(ranks, axis=0).mean() / (languages * items - 1))

    def _translations(self) -> NDArray[np.int64]:
        """Return ``(L, L I)`` the passage in each language of each query's item."""
        languages, items, _ = self.passages.shape
        own = np.tile(np.arange(items), languages)
        return np.asarray(np.arange(languages)[:, None] * items + own)


def choose(corrections: Sequence[Correction], canaries: Canaries) -> Correction:
    """Return the correction with the smallest rank distance; of equal ones, the first."""
    return min(corrections, key=canaries.rank_distance)


def lower_ranks(correction: Correction) -> list[Correction]:
    """Return ``project`` corrections that remove only the first directions: 1, 2, ... of them."""
    assert isinstance(correction, VectorCorrection)
    maps = next(iter(correction.maps.values()))
    lower: list[Correction] = []
    for rank in range(1, maps.left.shape[2] + 1):
        left, right = maps.left[:, :, :rank], maps.right[:, :, :rank]
        cut = Maps(maps.languages, maps.offset, left, right)
        fit = correction.fit.with_settings(rank=rank)
        lower.append(VectorCorrection(fit, dict.fromkeys(correction.maps, cut), correction.unit))
    return lower
