"""One pass over the passages of a corpus: the best of each query, and passages above a score.

Shapes: ``N`` passages, ``T`` passages of a tile, ``Q`` queries, ``H`` width, ``K`` kept, ``B``
scores of each query to compare with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenrank.debias.base import Correction
from evenrank.debias.index import QueryForm, best_scores
from evenrank.debias.rows import BLOCK, codes_of
from evenrank.encoding.store import Rows
from evenrank.probing.base import Doubles, Ints
from evenrank.progress import bar

_SCORES = 1 << 24
"""Scores that are in memory at once."""


@dataclass(frozen=True, eq=False)
class Pool:
    """The passages of a corpus, read in tiles; a correction of vectors is applied to each tile.

    Attributes:
        rows: ``(N, H)`` unit vectors, in memory or in a store.
        langs: ``(N,)`` language of each, as a position in ``languages``.
        languages: ``L`` languages.
        correction: A correction of vectors or of scores.
    """

    rows: Rows
    langs: NDArray[np.int16]
    languages: tuple[str, ...]
    correction: Correction | None = None

    def names(self, langs: NDArray[Any]) -> NDArray[np.str_]:
        """Return the languages of codes."""
        return np.asarray(np.array(self.languages)[langs])

    def corrected(
        self, rows: NDArray[Any], langs: NDArray[Any], *, query: bool = False
    ) -> NDArray[np.float32]:
        """Return rows after a correction of vectors."""
        rows_NH = np.asarray(rows, dtype=np.float32)
        if self.correction is None or not self.correction.changes_vectors:
            return rows_NH
        return self.correction.apply(rows_NH, self.names(langs), "query" if query else "passage")

    def at(self, positions: Ints) -> NDArray[np.float32]:
        """Return some passages."""
        return self.corrected(self.rows[positions], self.langs[positions])

    def tiles(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield the passages, a tile at a time."""
        for start in range(0, len(self.langs), BLOCK):
            tile = slice(start, min(start + BLOCK, len(self.langs)))
            yield tile, self.corrected(self.rows[tile], self.langs[tile])


@dataclass(eq=False)
class Ranked:
    """Queries that are ranked against all passages.

    Attributes:
        vectors: ``(Q, H)``, corrected where a correction changes vectors.
        langs: ``(Q,)`` their languages.
        itself: ``(Q,)`` the passage that a query is, which it does not find; -1 for none.
        raw: Whether a correction of scores does not apply: passages as their own neighbours.
        limits: ``(Q, B)`` scores; empty without any.
        form: The query-side form of a correction of scores.
        top: ``(Q, K)`` positions of the best passages, in any order.
        above: ``(Q, B)`` passages that score higher than each limit.
    """

    vectors: NDArray[np.float32]
    langs: Ints
    itself: Ints
    raw: bool = False
    limits: Doubles | None = None
    form: QueryForm | None = None

    def __post_init__(self) -> None:
        self.above: Ints = np.zeros((len(self.langs), 0), dtype=np.int64)
        self.top: Ints = np.zeros((len(self.langs), 0), dtype=np.int64)
        self.scores: Doubles = np.zeros((len(self.langs), 0))


class Scoring:
    """Scores of queries for any passages, with or without a correction of scores."""

    def __init__(self, pool: Pool) -> None:
        correction = pool.correction
        self.pool = pool
        self.correction = None if correction is None or correction.changes_vectors else correction

    def prepare(self, asked: Sequence[Ranked]) -> None:
        """Compute the query-side forms, with one more pass where they need the best scores."""
        if self.correction is None:
            return
        some = [one for one in asked if not one.raw]
        best: list[Doubles | None] = [None] * len(some)
        if k := self.correction.best_needed:
            known = self.correction.fit.languages("passage")
            for tile, rows in self.pool.tiles():
                codes = self._codes(self.pool.langs[tile])
                for at, one in enumerate(some):
                    found = best_scores(one.vectors @ rows.T, codes, len(known), k)
                    if (before := best[at]) is not None:
                        found = np.concatenate([before, found], axis=2)
                    best[at] = -np.sort(-found, axis=2)[:, :, :k]  # NaN is last
        for one, scores in zip(some, best, strict=True):
            one.form = self.correction.for_index(one.vectors, self.pool.names(one.langs), scores)

    def of(
        self, one: Ranked, queries: slice, rows: NDArray[np.float32], langs: NDArray[Any]
    ) -> Doubles | NDArray[np.float32]:
        """Return the scores of some queries for some passages."""
        if self.correction is None or one.form is None:
            return np.asarray(one.vectors[queries] @ rows.T)
        form = QueryForm(
            one.form.languages,
            one.form.vectors[queries],
            one.form.slopes[queries],
            one.form.offsets[queries],
        )
        stored = self.correction.stored(rows, self.pool.names(langs))
        return form.adjusted(form.vectors[:, 0] @ rows.T, self._codes(langs), stored)

    def _codes(self, langs: NDArray[Any]) -> Ints:
        assert self.correction is not None
        needed = self.correction.needs_language or self.correction.best_needed
        known = self.correction.fit.languages("passage") if needed else ()
        return codes_of(self.pool.names(langs), len(langs), known, "passage")


def scan(scoring: Scoring, asked: Sequence[Ranked], k: int) -> None:
    """Rank all queries in one pass: fill ``top`` and ``above``.

    Memory depends on the number of queries, not on that of passages. Where scores at the end of a
    top list are equal, any of the passages is in it, the same one in every run.
    """
    pool = scoring.pool
    for one in asked:
        width = 0 if one.limits is None else one.limits.shape[1]
        one.above = np.zeros((len(one.langs), width), dtype=np.int64)
        one.top = np.zeros((len(one.langs), k), dtype=np.int64)
        one.scores = np.full((len(one.langs), k), -np.inf)
    with bar("Ranking", total=len(pool.langs), unit="passages") as progress:
        for tile, rows in pool.tiles():
            size = max(1, _SCORES // len(rows))
            for one in asked:
                for start in range(0, len(one.langs), size):
                    queries = slice(start, min(start + size, len(one.langs)))
                    scores = scoring.of(one, queries, rows, pool.langs[tile])
                    _add(one, queries, tile, scores, k)
            progress.advance(len(rows))


def _add(one: Ranked, queries: slice, tile: slice, scores: NDArray[Any], k: int) -> None:
    """Count the passages of a tile, and merge the best of them into the top lists."""
    itself = one.itself[queries]
    inside = np.flatnonzero((itself >= tile.start) & (itself < tile.stop))
    scores[inside, itself[inside] - tile.start] = -np.inf
    if one.limits is not None:
        for column, limits in enumerate(one.limits[queries].T):
            one.above[queries, column] += (scores > limits[:, None]).sum(axis=1)
    floor = one.scores[queries].min(axis=1)
    rows = np.flatnonzero((scores > floor[:, None]).any(axis=1))
    if not len(rows):
        return
    kept = min(k, scores.shape[1])
    places = np.argpartition(scores[rows], -kept, axis=1)[:, -kept:]
    found = np.take_along_axis(scores[rows], places, axis=1)
    at = rows + queries.start
    both = np.concatenate([one.scores[at], found], axis=1)
    top = np.concatenate([one.top[at], places + tile.start], axis=1)
    order = np.argsort(-both, axis=1, kind="stable")[:, :k]
    one.scores[at] = np.take_along_axis(both, order, axis=1)
    one.top[at] = np.take_along_axis(top, order, axis=1)
