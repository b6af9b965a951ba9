"""An engine behind an address: its passages may change at any time, so they are counted again."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenrank.errors import DataError, UnknownNameError
from evenrank.search.base import Engine, Filters, Hits

_COUNTS_SECONDS = 300


class ServedEngine(Engine):
    """What the engines of servers have in common: checks of a search, and counts.

    A subclass calls :meth:`_opened` at the end of its constructor.
    """

    _width: int
    _counts: Counts

    def _opened(self, width: int) -> None:
        """Keep the width, and count once, so that a wrong name is refused here."""
        self._width, self._counts = width, Counts(self._counted)
        self._counts.get()

    @property
    def width(self) -> int:
        """``H``."""
        return self._width

    @property
    def counts(self) -> Mapping[str, int]:
        """Passages of each language; up to five minutes old."""
        return self._counts.get()

    def search(
        self,
        vectors: NDArray[np.float32],
        languages: Sequence[str],
        k: int,
        filters: Filters | None = None,
    ) -> list[dict[str, Hits]]:
        """Return the best ``k`` passages of each language for each query."""
        known = self._counts.get(languages)
        checked = check_search(self.name, self._width, known, vectors, languages, k)
        return self._search(checked, languages, k, filters)

    @abstractmethod
    def _counted(self) -> dict[str, int]:
        """Return the passages of each language, as they are now."""

    @abstractmethod
    def _search(
        self,
        vectors: NDArray[np.float32],
        languages: Sequence[str],
        k: int,
        filters: Filters | None,
    ) -> list[dict[str, Hits]]:
        """Search as :meth:`search` does, with what it has checked."""


class Counts:
    """Passages of each language, counted again now and then.

    They are counted again after five minutes, or after a hundred times as long as the counting
    took, and where a language is asked for that was not there before.

    Args:
        count: Counts the passages of each language.
    """

    def __init__(self, count: Callable[[], Mapping[str, int]]) -> None:
        self._count = count
        self._counts: dict[str, int] = {}
        self._until = -np.inf

    def get(self, languages: Collection[str] = ()) -> dict[str, int]:
        """Return the counts, which have ``languages`` if the engine has."""
        if time.monotonic() > self._until or not set(languages) <= set(self._counts):
            start = time.monotonic()
            self._counts = dict(sorted(self._count().items()))
            took = time.monotonic() - start
            self._until = start + max(_COUNTS_SECONDS, 100 * took)
        return self._counts


def check_search(
    name: str,
    width: int,
    known: Collection[str],
    vectors: NDArray[Any],
    languages: Sequence[str],
    k: int,
) -> NDArray[np.float32]:
    """Return ``vectors`` as float32 after a check of what a search was asked for.

    Args:
        name: Name of the engine.
        width: ``H``.
        known: Languages of the engine.
        vectors: ``(Q, 1, H)`` or ``(Q, L, H)``.
        languages: ``L`` languages.
        k: Hits of each language.

    Raises:
        UnknownNameError: A language that is not known.
        DataError: Vectors of another shape or not finite, no ``k``.
    """
    for language in languages:
        if language not in known:
            raise UnknownNameError("language", language, known, name)
    if k < 1:
        raise DataError("k", str(k), "1 or more", "Ask for at least one passage")
    shape = vectors.shape
    if len(shape) != 3 or shape[1] not in (1, len(languages)) or shape[2] != width:
        expected = f"(queries, 1 or {len(languages)}, {width})"
        remedy = "Encode the queries with the model of the index"
        raise DataError(name, f"query vectors of shape {shape}", expected, remedy)
    if not np.isfinite(vectors).all():
        raise DataError(name, "a query vector with NaN or infinity", "numbers", "Check the model")
    return np.ascontiguousarray(vectors, dtype=np.float32)
