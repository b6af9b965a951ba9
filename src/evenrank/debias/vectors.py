"""Corrections of vectors: one affine map for each language and kind of text.

``x' = x - strength (offset_l + left_l right_l^T x)``, then length 1 again unless that is turned
off. A map that is the same for all languages and kinds needs no language tag.

Shapes: ``N`` rows, ``H`` width, ``G`` maps (1 or the number of languages), ``R`` rank.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, cast

import numpy as np
from numpy.typing import NDArray

from evenrank.debias.base import (
    Correction,
    Fit,
    FitData,
    checked_rows,
    require_array,
)
from evenrank.debias.index import QueryForm, Stored
from evenrank.debias.moments import Moments
from evenrank.debias.rows import (
    LONGEST,
    Doubles,
    Floats,
    Kind,
    OptionalLangs,
    no_languages,
    not_finite,
    places_of,
    unknown_language,
)
from evenrank.errors import DataError

Sides = Literal["both", "passages", "queries"]
KINDS: tuple[Kind, Kind] = ("query", "passage")
_NOTHING = 1e-6
"""A shorter vector, of length 1 before, is all rounding errors."""
_PLURAL = {"query": "queries", "passage": "passages"}


@dataclass(frozen=True, eq=False)
class Maps:
    """The maps of one kind of text.

    Attributes:
        languages: Languages of the maps; empty if there is one map for all languages.
        offset: ``(G, H)``.
        left: ``(G, H, R)``; ``R`` may be 0.
        right: ``(G, H, R)``.
    """

    languages: tuple[str, ...]
    offset: Floats
    left: Floats
    right: Floats

    @classmethod
    def of(
        cls,
        languages: tuple[str, ...],
        offset: Doubles | None = None,
        left: Doubles | None = None,
        right: Doubles | None = None,
    ) -> Self:
        """Return maps from those parts that are not zero; ``right`` is ``left`` by default."""
        given = cast(Doubles, offset if left is None else left)
        shape = given.shape[:2]
        offset = np.zeros(shape) if offset is None else offset
        left = np.zeros((*shape, 0)) if left is None else left
        parts = (offset, left, left if right is None else right)
        return cls(languages, *(part.astype(np.float32) for part in parts))

    def number(self, lang: str, kind: Kind) -> int:
        """Return the number of a language's map.

        Raises:
            DataError: There is none.
        """
        if not self.languages:
            return 0
        if not lang:
            raise no_languages(kind)
        if lang not in self.languages:
            raise unknown_language(lang, self.languages, kind)
        return self.languages.index(lang)

    def removed(self, rows_NH: Floats, number: int) -> Floats:
        """Return what strength 1 takes away from rows of one language."""
        inside = (rows_NH @ self.right[number]) @ self.left[number].T
        return np.asarray(inside + self.offset[number])


@dataclass(frozen=True, eq=False)
class VectorCorrection(Correction):
    """A correction of vectors.

    Attributes:
        maps: Of each kind of text that is changed.
        unit: Corrected vectors get length 1, so that scores are cosines.
    """

    maps: Mapping[Kind, Maps]
    unit: bool = field(default=True)

    @property
    def needs_language(self) -> bool:
        """Whether the map depends on the language or on the kind of text."""
        shared = self.maps.get("query") is self.maps.get("passage") is not None
        return not (shared and not self.maps["query"].languages)

    def apply(self, embeddings: NDArray[Any], langs: OptionalLangs, kind: Kind) -> Floats:
        """Return corrected embeddings; see :class:`Correction`."""
        rows_NH = checked_rows(embeddings, self.fit.width, kind)
        changed, _ = self._changed(rows_NH, langs, kind)
        return changed

    def _changed(self, rows_NH: Floats, langs: OptionalLangs, kind: Kind) -> tuple[Floats, Floats]:
        """Return corrected rows, and the number that each was multiplied with at the end."""
        scale = np.ones(len(rows_NH), dtype=np.float32)
        maps = self.maps.get(kind)
        changed = rows_NH.copy()
        for lang, at in places_of(langs, len(rows_NH), kind):
            if maps is None:
                continue
            number = maps.number(lang, kind)
            if self.strength:
                changed[at] -= np.float32(self.strength) * maps.removed(rows_NH[at], number)
        if maps is None or not self.strength:
            return changed, scale
        lengths = np.sqrt(np.einsum("nh,nh->n", changed, changed))
        if not (lengths <= LONGEST).all():
            raise not_finite(changed, kind)
        if self.unit:
            if (lengths < _NOTHING).any():
                raise DataError(
                    f"embedding of {kind} {int(lengths.argmin())}",
                    "nothing left after the correction",
                    "a vector with a direction",
                    "Lower the strength",
                )
            scale = np.asarray(1 / lengths, dtype=np.float32)
            changed *= scale[:, None]
        return changed, scale

    def for_index(
        self, queries: NDArray[Any], langs: OptionalLangs, best: Doubles | None = None
    ) -> QueryForm:
        """Return queries for an index that keeps its vectors; see :class:`Correction`.

        ``q'`` is the corrected query and ``A_l d + c_l`` the corrected passage before its length
        is made 1, so ``q' . d' = scale_d ((A_l^T q') . d + q' . c_l)``.
        """
        changed = self.apply(queries, langs, "query")
        maps = self.maps.get("passage")
        if maps is None or not self.strength:
            one = np.ones((len(changed), 1))
            return QueryForm((), changed[:, None], one, 0 * one)
        wide = changed.astype(np.float64)
        vectors = wide[:, None]
        if maps.left.shape[2]:
            inside = np.einsum("qh,ghr->qgr", wide, maps.left)
            vectors = vectors - self.strength * np.einsum("qgr,ghr->qgh", inside, maps.right)
        offsets = self.strength * (wide @ maps.offset.T.astype(np.float64))
        slopes = np.ones((len(changed), 1))
        return QueryForm(maps.languages, vectors.astype(np.float32), slopes, offsets)

    def stored(self, passages: NDArray[Any], langs: OptionalLangs) -> Stored | None:
        """Return ``1 / |A_l d + c_l|`` of each passage, where passages get length 1 again."""
        if not self.unit or not self.strength or "passage" not in self.maps:
            return None
        rows_NH = checked_rows(passages, self.fit.width, "passage")
        _, scale = self._changed(rows_NH, langs, "passage")
        return Stored(scale.astype(np.float64), np.zeros(len(scale)))

    def matrix(self) -> tuple[Doubles, Doubles]:
        """Return ``(H, H)`` and ``(H,)``: the one map ``x A^T + b`` at this strength.

        Only for a correction that needs no language.
        """
        maps = self.maps["passage"]
        inside = maps.left[0].astype(np.float64) @ maps.right[0].T.astype(np.float64)
        square = np.eye(self.fit.width) - self.strength * inside
        return square, -self.strength * maps.offset[0].astype(np.float64)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the maps; those that queries and passages share once."""
        shared = len({id(maps) for maps in self.maps.values()}) < len(self.maps)
        named = {"shared": self.maps["passage"]} if shared else dict(self.maps)
        arrays: dict[str, NDArray[Any]] = {"unit": np.array(self.unit)}
        for kind, maps in named.items():
            arrays |= {
                f"{kind}.offset": maps.offset,
                f"{kind}.left": maps.left,
                f"{kind}.right": maps.right,
            }
        return arrays

    @classmethod
    def from_arrays(cls, fit: Fit, arrays: Mapping[str, NDArray[Any]], strength: float) -> Self:
        """Return the correction of saved arrays."""
        maps: dict[Kind, Maps] = {}
        for kind in ("shared", *KINDS):
            if f"{kind}.offset" not in arrays:
                continue
            offset = require_array(arrays[f"{kind}.offset"], None, fit.width)
            languages = fit.languages("query" if kind == "query" else "passage")
            count = 1 if len(offset) == 1 else len(languages)
            require_array(offset, count, fit.width)
            left = require_array(arrays[f"{kind}.left"], count, fit.width, None)
            right = require_array(arrays[f"{kind}.right"], *left.shape)
            one = Maps(languages if count > 1 else (), offset, left, right)
            maps |= dict.fromkeys(KINDS, one) if kind == "shared" else {kind: one}
        return cls(fit, maps, bool(arrays["unit"]), strength=strength)


def sided(sides: Sides, data: FitData, maps_of: Callable[[Moments], Maps]) -> dict[Kind, Maps]:
    """Return the maps of those kinds of text that are changed; equal statistics share one."""
    moments: dict[Kind, Moments] = {"query": data.queries, "passage": data.passages}
    made: dict[int, Maps] = {}
    maps: dict[Kind, Maps] = {}
    for kind in KINDS:
        if sides in ("both", _PLURAL[kind]):
            side = moments[kind]
            maps[kind] = made.setdefault(id(side), made.get(id(side)) or maps_of(side))
    return maps


def shared(sides: Sides, maps: Maps) -> dict[Kind, Maps]:
    """Return one map for those kinds of text that are changed."""
    return {kind: maps for kind in KINDS if sides in ("both", _PLURAL[kind])}
