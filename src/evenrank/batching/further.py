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


class _Group(NamedTuple):
    """The items that have the passage of a pair.

    Attributes:
        items: ``(B,)`` the pair's own item.
        pairs: ``(M,)`` the number of the pair, ascending.
        members: ``(M,)`` items, the pair's own among them.
    """

    items: NDArray[np.int64]
    pairs: NDArray[np.int64]
    members: NDArray[np.int64]

    def draw(
        self, fit: NDArray[np.bool_], count: int, generator: np.random.Generator
    ) -> NDArray[np.int64]:
        """Draw members of each pair that fit, without replacement while there are any.

        Args:
            fit: ``(M,)`` which members may be drawn. The pair's own item is drawn if no other fits.
            count: Items to draw for each pair.
            generator: Source of randomness.

        Returns:
            ``(count, B)`` items.
        """
        siblings = fit & (self.members != self.items[self.pairs])
        order = np.lexsort((generator.random(len(siblings)), ~siblings, self.pairs))
        found = np.bincount(self.pairs, siblings, len(self.items)).astype(np.int64)
        first = np.searchsorted(self.pairs, np.arange(len(self.items)))
        slots = first + np.arange(count)[:, None] % np.maximum(found, 1)
        drawn: NDArray[np.int64] = np.where(found > 0, self.members[order][slots], self.items)
        return drawn


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
        group = self._group(items)
        if own_share is None:
            return self._any(group, count, generator)
        own = round(own_share * queries)
        parts = [
            self._own(group, passages, max(0, own - 1), generator),
            self._other(group, passages, min(count, queries - own), generator),
        ]
        return Further(*map(np.concatenate, zip(*parts, strict=True)))

    def _any(self, group: _Group, count: int, generator: np.random.Generator) -> Further:
        chosen = group.draw(np.ones(len(group.members), dtype=bool), count, generator)
        present = self._corpus.rows[chosen.ravel()] >= 0
        languages = draw_languages(present, self._weights, generator, 1)
        return self._of(chosen, languages.reshape(chosen.shape))

    def _own(
        self,
        group: _Group,
        passages: NDArray[np.int64],
        count: int,
        generator: np.random.Generator,
    ) -> Further:
        fit = np.asarray(self._corpus.rows[group.members, passages[group.pairs]] >= 0)
        return self._of(group.draw(fit, count, generator), np.tile(passages, (count, 1)))

    def _other(
        self,
        group: _Group,
        passages: NDArray[np.int64],
        count: int,
        generator: np.random.Generator,
    ) -> Further:
        others = self._corpus.rows[group.members] >= 0
        others[np.arange(len(others)), passages[group.pairs]] = False
        chosen = group.draw(np.asarray(others.any(axis=1)), count, generator)
        present, own = self._corpus.rows[chosen.ravel()] >= 0, np.tile(passages, count)
        languages = other_language(present, own, self._weights, generator)
        return self._of(chosen, languages.reshape(chosen.shape))

    def _of(self, items: NDArray[np.int64], languages: NDArray[np.int64]) -> Further:
        return Further(self._corpus.rows[items, languages].astype(np.int64), languages)

    def _group(self, items: NDArray[np.int64]) -> _Group:
        """Return all items with the passage of a pair."""
        order, first = self._by_group
        groups = self._corpus.groups[items]
        sizes = first[groups + 1] - first[groups]
        pairs = np.repeat(np.arange(len(items)), sizes)
        within = np.arange(len(pairs)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return _Group(items, pairs, order[first[groups][pairs] + within].astype(np.int64))

    @cached_property
    def _by_group(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """All items by their passage groups, and where each group begins."""
        groups = self._corpus.groups
        order = np.argsort(groups, kind="stable").astype(np.int32)
        return order, np.concatenate([[0], np.cumsum(np.bincount(groups))])
