"""Corrected lists: a correction of language bias in the form that an engine can search with.

The engine keeps its vectors. It gets corrected queries, and the scores of its hits are adjusted:
``scale_d (slope_ql raw - offset_ql) - minus_d`` (``debias/index.py``). Within a language only
``scale`` and ``minus``, which few corrections have, change the order. Then more hits are asked for,
until no passage that is further down can be among the best.

Shapes: ``Q`` queries, ``L`` languages, ``H`` width, ``K`` hits of a list, ``D`` passages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenrank.debias.base import Correction
from evenrank.debias.index import QueryForm
from evenrank.debias.vectors import VectorCorrection
from evenrank.errors import ConfigError, DataError
from evenrank.search.base import Engine, Filters, Hits, Lists
from evenrank.search.engines.exact import ExactEngine
from evenrank.search.index.passages import PassageTable

_MARGIN = 64
"""Hits of a language that are asked for in addition, where the order within it may change."""
_MORE = 4
"""How many times as many hits are asked for next."""


@dataclass(frozen=True, eq=False)
class StoredNumbers:
    """What an index keeps with its passages for a correction, with the bounds in each language.

    Attributes:
        passages: The passages.
        scale: ``(D,)`` by position, above 0.
        minus: ``(D,)`` by position.
        bounds: For each language: minimum and maximum of ``scale``, minimum of ``minus``.
    """

    passages: PassageTable
    scale: NDArray[np.float32]
    minus: NDArray[np.float32]
    bounds: Mapping[str, tuple[float, float, float]]

    @classmethod
    def of(
        cls, passages: PassageTable, scale: NDArray[np.float32], minus: NDArray[np.float32]
    ) -> StoredNumbers:
        """Return the numbers with their bounds."""
        starts = passages.offsets[:-1]
        parts = (
            np.minimum.reduceat(scale, starts),
            np.maximum.reduceat(scale, starts),
            np.minimum.reduceat(minus, starts),
        )
        rows = zip(*(part.tolist() for part in parts), strict=True)
        return cls(passages, scale, minus, dict(zip(passages.languages, rows, strict=True)))


def stored_numbers(engine: ExactEngine, correction: Correction) -> StoredNumbers | None:
    """Compute what a correction needs of each passage: one pass over all vectors, or nothing."""
    if correction.stored(engine.vectors[:1].astype(np.float32), engine.languages[:1]) is None:
        return None
    scale = np.empty(len(engine.vectors), dtype=np.float32)
    minus = np.empty_like(scale)
    for language, part in engine.blocks():
        found = correction.stored(engine.vectors[part].astype(np.float32), language)
        if found is not None:
            scale[part], minus[part] = found.scale, found.minus
    return StoredNumbers.of(engine.passages, scale, minus)


def require_languages(correction: Correction, languages: Iterable[str], name: str) -> None:
    """Refuse a correction that misses one of the languages of some passages.

    Raises:
        DataError: It misses one.
    """
    fit = correction.fit
    missing = sorted(set(languages) - set(fit.languages("passage")))
    if correction.needs_language and missing:
        raise DataError(
            f"correction {fit.method!r}",
            f"no {missing[0]!r}, of which {name} has passages",
            f"all of {', '.join(languages)}",
            "Fit it on texts in all of these languages",
        )


@dataclass(frozen=True, eq=False)
class Corrector:
    """Searches an engine with a correction, or without one.

    Attributes:
        engine: The engine.
        correction: The correction, if there is one.
        stored: What the index keeps for it.

    Raises:
        DataError: The correction is for another width, or misses a language of the engine.
        ConfigError: The engine does not keep what the correction needs with each passage.
    """

    engine: Engine
    correction: Correction | None = None
    stored: StoredNumbers | None = None

    def __post_init__(self) -> None:
        if self.correction is None:
            return
        fit = self.correction.fit
        self.correction.require(width=self.engine.width)
        require_languages(self.correction, self.engine.counts, self.engine.name)
        one = np.zeros((1, fit.width), dtype=np.float32)
        one[0, 0] = 1
        needed = self.correction.stored(one, fit.languages("passage")[0])
        if needed is not None and self.stored is None:
            raise ConfigError(
                f"correction {fit.method!r}",
                f"a number for each passage, which {self.engine.name} does not have",
                "a correction of queries alone",
                "Fit it with --set unit=false, or use method calibrate",
            )

    def search(
        self,
        vectors: NDArray[np.float32],
        query_languages: Sequence[str | None],
        languages: Sequence[str],
        depth: int,
        filters: Filters | None,
    ) -> tuple[list[Lists], list[Lists]]:
        """Return the corrected lists of each query, and the raw lists that they were made of.

        Args:
            vectors: ``(Q, H)`` unit vectors.
            query_languages: Language of each query; ``None`` where it is not known.
            languages: Languages to search.
            depth: Hits of each language.
            filters: As for the engine.
        """
        correction, engine = self.correction, self.engine
        if correction is None or not len(vectors):
            found: list[Lists] = list(engine.search(vectors[:, None], languages, depth, filters))
            return found, found
        if not correction.changes_vectors:
            deep = max(depth, correction.best_needed)
            if self.stored is None:
                raw = engine.search(vectors[:, None], languages, deep, filters)
                form = correction.for_index(vectors, None, self._best(raw))
                return _adjusted(raw, form, languages, depth), [_cut(one, depth) for one in raw]
        form = correction.for_index(vectors, self._known(query_languages))
        wide = _of_languages(form.vectors, form.languages, languages)
        if self.stored is None:
            raw = engine.search(wide, languages, depth, filters)
            return _adjusted(raw, form, languages, depth), list(raw)
        return self._search_deeper(self.stored, wide, form, languages, depth, filters)

    def _known(self, languages: Sequence[str | None]) -> NDArray[np.str_] | None:
        """Return the languages of the queries where the correction needs them."""
        correction = self.correction
        if not isinstance(correction, VectorCorrection):
            return None
        maps = correction.maps.get("query")
        if maps is None or not maps.languages:
            return None
        if None in languages:
            raise ConfigError(
                "query language",
                "none",
                f"the language of each query, which correction {correction.fit.method!r} needs",
                "Name it; or fit the correction with --set sides=passages",
            )
        return np.array(languages, dtype=np.str_)

    def _best(self, raw: Sequence[Mapping[str, Hits]]) -> NDArray[np.float64] | None:
        """Return ``(Q, L, K)`` the best scores of each language of the fit; NaN where none is."""
        correction = self.correction
        if correction is None or not correction.best_needed:
            return None
        languages = correction.fit.languages("passage")
        best = np.full((len(raw), len(languages), correction.best_needed), np.nan)
        for query, lists in enumerate(raw):
            for column, language in enumerate(languages):
                if hits := lists.get(language):
                    scores = hits.scores[: correction.best_needed]
                    best[query, column, : len(scores)] = scores
        return best

    def _search_deeper(
        self,
        stored: StoredNumbers,
        vectors: NDArray[np.float32],
        form: QueryForm,
        languages: Sequence[str],
        depth: int,
        filters: Filters | None,
    ) -> tuple[list[Lists], list[Lists]]:
        """Search until the passages that were not seen cannot be among the best ``depth``."""
        deep = 2 * depth + _MARGIN
        most = max(self.engine.counts[lang] for lang in languages)
        while True:
            raw = self.engine.search(vectors, languages, deep, filters)
            seen = _adjusted(raw, form, languages, deep)
            found = [_reordered(lists, depth, stored) for lists in seen]
            open_ = any(
                _is_open(stored.bounds[lang], lists[lang], best[lang], depth, deep)
                for lists, best in zip(seen, found, strict=True)
                for lang in languages
            )
            if not open_ or deep >= most:
                return found, list(raw)
            deep *= _MORE


def _reordered(lists: Lists, depth: int, stored: StoredNumbers) -> Lists:
    """Return the best ``depth`` of each list, with scores that use what the index keeps."""
    found = {}
    for language, hits in lists.items():
        positions = stored.passages.positions(hits.ids)
        scores = hits.scores * stored.scale[positions] - stored.minus[positions]
        order = np.lexsort((positions, -scores))[:depth]
        found[language] = Hits(tuple(hits.ids[at] for at in order.tolist()), scores[order])
    return found


def _is_open(
    bounds: tuple[float, float, float], seen: Hits, best: Hits, depth: int, deep: int
) -> bool:
    """Return whether a passage below those that were seen may be among the best ``depth``."""
    if len(seen) < deep:
        return False
    low, high, minus = bounds
    last = float(seen.scores[-1])
    return last * (high if last > 0 else low) - minus >= float(best.scores[depth - 1])


def _of_languages(
    vectors: NDArray[np.float32], own: Sequence[str], languages: Sequence[str]
) -> NDArray[np.float32]:
    """Return ``(Q, 1, H)``, or ``(Q, L, H)`` with the vectors of ``languages``."""
    if vectors.shape[1] == 1:
        return vectors
    return vectors[:, [own.index(language) for language in languages]]


def _adjusted(
    raw: Sequence[Mapping[str, Hits]], form: QueryForm, languages: Sequence[str], depth: int
) -> list[Lists]:
    """Return lists with ``slope raw - offset`` in place of the raw scores; the order stays."""
    found: list[Lists] = []
    for query, lists in enumerate(raw):
        one = {}
        for language in languages:
            hits = lists[language][:depth]
            slope, offset = (
                float(part[query, 0 if part.shape[1] == 1 else form.languages.index(language)])
                for part in (form.slopes, form.offsets)
            )
            scores = (hits.scores.astype(np.float64) * slope - offset).astype(np.float32)
            one[language] = Hits(hits.ids, scores)
        found.append(one)
    return found


def _cut(lists: Mapping[str, Hits], depth: int) -> Lists:
    return {language: hits[:depth] for language, hits in lists.items()}
