"""Further queries of the passages of a batch, from other items with the same passage.

A passage is mostly much longer than a query, so further queries of it cost little: the passage is
encoded once for all of them.

Shapes: ``B`` pairs of a batch, ``L`` languages, ``M`` items that share a passage with one of the
pairs, counted for each pair, ``k`` queries of a passage.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evenrank.batching.strategies import draw_languages, other_language
from evenrank.data.corpus import ParallelCorpus


class Further(NamedTuple):
    """Further queries of each pair's passage.

    Attributes:
        rows: ``(k - 1, B)`` row numbers in the corpus table.
        languages: ``(k - 1, B)`` columns of the corpus's languages.
    """

    rows: NDArray[np.int64]
    languages: NDArray[np.int64]


class Siblings:
    """The items of a corpus that have the same passage, or translations of it.

    Args:
        corpus: The corpus.
        weights: ``(L,)`` languages are drawn in proportion to them.
    """

    def __init__(self, corpus: ParallelCorpus, weights: NDArray[np.float64]) -> None:
        self._corpus, self._weights = corpus, weights

    def further(
        self,
        items: NDArray[np.int64],
        passages: NDArray[np.int64],
        own_share: float | None,
        queries: int,
        generator: np.random.Generator,
    ) -> Further:
        """Draw further queries of each pair's passage.

        A query comes a second time only if the passage has too few of them; the pair's own item is
        drawn only if it has no sibling.

        Args:
            items: ``(B,)`` the item of each pair.
            passages: ``(B,)`` the language of its passage.
            own_share: Share of the ``k`` queries in the language of the passage; the others are in
                other languages. ``None``: each is in any language.
            queries: Queries of a passage, ``k``, together with that of the pair itself.
            generator: Source of randomness.
        """
        count = queries - 1
        if not count:
            return Further(*np.empty((2, 0, len(items)), dtype=np.int64))
        if own_share is None:
            return self._any(items, count, generator)
        own = round(own_share * queries)
        parts = [
            self._own(items, passages, max(0, own - 1), generator),
            self._other(items, passages, min(count, queries - own), generator),
        ]
        return Further(*map(np.concatenate, zip(*parts, strict=True)))

    def _any(self, items: NDArray[np.int64], count: int, generator: np.random.Generator) -> Further:
        pairs, members = self._members(items)
        chosen = _draw(pairs, members, np.ones(len(members), dtype=bool), items, count, generator)
        present = self._corpus.rows[chosen.ravel()] >= 0
        languages = draw_languages(present, self._weights, generator, 1)
        return self._of(chosen, languages.reshape(chosen.shape))

    def _own(
        self,
        items: NDArray[np.int64],
        passages: NDArray[np.int64],
        count: int,
        generator: np.random.Generator,
    ) -> Further:
        pairs, members = self._members(items)
        fit = np.asarray(self._corpus.rows[members, passages[pairs]] >= 0)
        chosen = _draw(pairs, members, fit, items, count, generator)
        return self._of(chosen, np.tile(passages, (count, 1)))

    def _other(
        self,
        items: NDArray[np.int64],
        passages: NDArray[np.int64],
        count: int,
        generator: np.random.Generator,
    ) -> Further:
        pairs, members = self._members(items)
        others = self._corpus.rows[members] >= 0
        others[np.arange(len(members)), passages[pairs]] = False
        chosen = _draw(pairs, members, np.asarray(others.any(axis=1)), items, count, generator)
        present = self._corpus.rows[chosen.ravel()] >= 0
        own = np.tile(passages, count)
        languages = other_language(present, own, self._weights, generator)
        return self._of(chosen, languages.reshape(chosen.shape))

    def _of(self, items: NDArray[np.int64], languages: NDArray[np.int64]) -> Further:
        return Further(self._corpus.rows[items, languages].astype(np.int64), languages)

    def _members(self, items: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return all items with the passage of a pair, ``(M,)``, after the number of the pair."""
        order, first = self._by_group
        groups = self._corpus.groups[items]
        sizes = first[groups + 1] - first[groups]
        pairs = np.repeat(np.arange(len(items)), sizes)
        within = np.arange(len(pairs)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return pairs, order[first[groups][pairs] + within].astype(np.int64)

    @cached_property
    def _by_group(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """All items by their passage groups, and where each group begins."""
        groups = self._corpus.groups
        order = np.argsort(groups, kind="stable").astype(np.int32)
        return order, np.concatenate([[0], np.cumsum(np.bincount(groups))])


def _draw(
    pairs: NDArray[np.int64],
    members: NDArray[np.int64],
    fit: NDArray[np.bool_],
    items: NDArray[np.int64],
    count: int,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw members of each pair that fit, without replacement while there are any.

    Args:
        pairs: ``(M,)`` ascending.
        members: ``(M,)`` items.
        fit: ``(M,)`` which of them may be drawn; the pair's own item may always.
        items: ``(B,)`` the pair's own item, which is drawn only if no other one fits.
        count: Items to draw for each pair.
        generator: Source of randomness.

    Returns:
        ``(count, B)`` items.
    """
    siblings = fit & (members != items[pairs])
    shuffled = members[np.lexsort((generator.random(len(members)), ~siblings, pairs))]
    found = np.bincount(pairs, weights=siblings, minlength=len(items)).astype(np.int64)
    first = np.searchsorted(pairs, np.arange(len(items)))
    slots = first + np.arange(count)[:, None] % np.maximum(found, 1)
    drawn: NDArray[np.int64] = np.where(found > 0, shuffled[slots], items)
    return drawn
