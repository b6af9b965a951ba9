"""Ranks of relevant passages after a policy has merged the lists of the languages.

A policy changes neither a list nor the ranks within a language. It fills the first places; all
other passages follow in the order of their scores. Ranks of an answer that exists in one language
only cannot be computed from these ranks, because a policy looks at the lists: without the
translations of the answer, they have other levels and other passages. So the translations are
removed from the lists, and the policy merges them again, for each language of the answer.

Shapes: ``B`` queries at once, ``C`` cells (a query with its relevant passages in one language),
``D`` passages, ``L`` languages, ``K`` hits of a list, ``P`` pairs of a query and a relevant
passage, ``T`` places that the policy fills.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark
from evenrank.debias.base import Correction
from evenrank.debias.index import best_scores
from evenrank.debias.rows import codes_of
from evenrank.encoding.encode import empty_rows
from evenrank.evaluation.debias import correct_embeddings
from evenrank.evaluation.encode import Embeddings
from evenrank.progress import bar
from evenrank.ranking.cells import LanguageCells, language_cells
from evenrank.ranking.counting import LAST_PLACE, decode_keys
from evenrank.ranking.last import LAST_SCORE
from evenrank.ranking.ranks import Ranking, multilingual_pool
from evenrank.search.policies.base import Candidates, Order, Policy, arrange

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]

_AT_ONCE = 1 << 22
"""Scores that are computed at once, and hits that a policy merges at once."""


@dataclass(frozen=True, eq=False)
class PolicyRanks:
    """What a policy made of a benchmark.

    Attributes:
        ranking: Ranks in the multilingual pool by the policy; in each language by score.
        single: Ranks of answers that exist in one language only.
        seconds: Time that the policy needed for all queries, without the search.
    """

    ranking: Ranking
    single: LanguageCells
    seconds: float


def rank_by_policies(
    embeddings: Embeddings,
    benchmark: Benchmark,
    policies: Sequence[Policy],
    *,
    correction: Correction | None = None,
    top_k: int = 100,
    known_language: bool = True,
) -> list[PolicyRanks]:
    """Rank a benchmark by each policy; the scores are computed once for all.

    Args:
        embeddings: Of its queries and passages.
        benchmark: The benchmark.
        policies: At least one.
        correction: A correction of language bias: the lists are those of corrected search.
        top_k: ``T``; passages after these places keep the order of their scores.
        known_language: Tell the policy the language of a query; else it infers it if it needs it.
    """
    places = min(top_k, len(benchmark.passages))
    if correction is not None and correction.changes_vectors:
        embeddings, correction = correct_embeddings(correction, embeddings, benchmark), None
    scorer = _Scorer(embeddings, benchmark, correction)
    filled = [_Filled(benchmark, places) for _ in policies]
    depth = max(policy.depth(places, len(benchmark.languages)) for policy in policies)
    size = max(1, _AT_ONCE // len(benchmark.passages))
    total = len(benchmark.queries)
    with bar(f"Merging {benchmark.name}", total=total, unit="queries") as progress:
        for start in range(0, total, size):
            queries = np.arange(start, min(start + size, total))
            block = _Block(benchmark, queries, scorer.scores(queries), depth, known_language)
            for policy, into in zip(policies, filled, strict=True):
                into.add(policy, block)
            progress.advance(len(queries))
    return [one.ranks() for one in filled]


class _Scorer:
    """Computes scores as a search would."""

    def __init__(
        self, embeddings: Embeddings, benchmark: Benchmark, correction: Correction | None
    ) -> None:
        self._queries = embeddings.queries
        self._rows_DH = np.asarray(embeddings.passages[:], dtype=np.float32)
        self._last = empty_rows(embeddings.passages)
        self._correction = correction
        self._query_langs = np.array(benchmark.languages)[benchmark.queries.langs]
        if correction is not None:
            langs = np.array(benchmark.languages)[benchmark.passages.langs]
            self._known = correction.fit.languages("passage") if correction.needs_language else ()
            self._codes = codes_of(langs, len(langs), self._known, "passage")
            self._stored = correction.stored(self._rows_DH, langs)

    def scores(self, queries: Numbers) -> Floats:
        """Return ``(B, D)`` scores, corrected if there is a correction of scores."""
        some = slice(int(queries[0]), int(queries[-1]) + 1)
        rows_BH = np.asarray(self._queries[some], dtype=np.float32)
        scores = rows_BH @ self._rows_DH.T
        if (correction := self._correction) is not None:
            needed = correction.best_needed
            best = best_scores(scores, self._codes, len(self._known), needed) if needed else None
            form = correction.for_index(rows_BH, self._query_langs[some], best)
            scores = form.vectors[:, 0] @ self._rows_DH.T
            scores = form.adjusted(scores, self._codes, self._stored).astype(np.float32)
        scores += 0.0  # -0 and 0 are one score
        scores[:, self._last] = LAST_SCORE
        return scores


class _Block:
    """Some queries: scores, lists, and the pairs with their places in the order of scores."""

    def __init__(
        self,
        benchmark: Benchmark,
        queries: Numbers,
        scores_BD: Floats,
        depth: int,
        known_language: bool,
    ) -> None:
        relevance = benchmark.relevance
        bounds = relevance.indptr[[queries[0], queries[-1] + 1]]
        self.benchmark, self.queries, self.known_language = benchmark, queries, known_language
        self.keys_BD = _keys(scores_BD)
        self.pairs = np.arange(bounds[0], bounds[1])
        self.rows = relevance.query_of[self.pairs] - queries[0]
        self.passages = relevance.passages[self.pairs]
        self.langs = benchmark.passages.langs[self.passages].astype(np.int64)
        self.own_keys = self.keys_BD[self.rows, self.passages]
        self.above, self.above_in_language = self._count()
        several = np.bincount(self.rows * len(benchmark.languages) + self.langs).max(initial=1)
        self.depth = depth
        self.lists = self._lists(depth + int(several))

    def _count(self) -> tuple[Numbers, Numbers]:
        """Return ``(P,)`` passages above each pair's: in all languages, and in its own."""
        above, inside = np.empty_like(self.pairs), np.empty_like(self.pairs)
        offsets = self.benchmark.offsets
        for pair, (row, lang) in enumerate(zip(self.rows, self.langs, strict=True)):
            better = self.keys_BD[row] > self.own_keys[pair]
            above[pair] = np.count_nonzero(better)
            inside[pair] = np.count_nonzero(better[offsets[lang] : offsets[lang + 1]])
        return above, inside

    @cached_property
    def translations_above(self) -> Numbers:
        """``(P,)`` relevant passages of other languages above each pair's, by score."""
        bounds = np.searchsorted(self.rows, np.arange(len(self.queries) + 1))
        counts = [np.zeros(0, dtype=np.int64)]
        for begin, end in pairwise(bounds.tolist()):
            keys, langs = self.own_keys[begin:end], self.langs[begin:end]
            better = (keys > keys[:, None]) & (langs != langs[:, None])
            counts.append(np.count_nonzero(better, axis=1))
        return np.concatenate(counts)

    def _lists(self, kept: int) -> Numbers:
        """Return ``(B, L, K)`` keys of the best passages of each language; 0 after the end."""
        offsets = self.benchmark.offsets
        kept = min(kept, int(np.diff(offsets).max()))
        lists = np.zeros((len(self.queries), len(offsets) - 1, kept), dtype=np.int64)
        for lang, (begin, end) in enumerate(pairwise(offsets.tolist())):
            keys, count = self.keys_BD[:, begin:end], min(kept, end - begin)
            if count:
                best = np.partition(keys, end - begin - count, axis=1)[:, -count:]
                lists[:, lang, :count] = np.sort(best, axis=1)[:, ::-1]
        return lists

    def cells(self) -> Iterator[tuple[Numbers, Numbers, Numbers]]:
        """Yield cells in parts: their rows, languages, and lists without other translations."""
        size = len(self.benchmark.languages)
        counts = np.bincount(self.rows * size + self.langs, minlength=len(self.queries) * size)
        here = counts.reshape(-1, size) > 0
        rows, langs = np.nonzero(here & (here.sum(axis=1, keepdims=True) >= 2))
        relevant = np.zeros(self.lists.shape, dtype=bool)
        for pair, (row, lang) in enumerate(zip(self.rows, self.langs, strict=True)):
            relevant[row, lang] |= self.lists[row, lang] == self.own_keys[pair]
        order = np.argsort(relevant, axis=2, kind="stable")  # relevant ones last
        removed = np.take_along_axis(np.where(relevant, 0, self.lists), order, axis=2)
        step = max(1, _AT_ONCE // max(1, self.lists[0].size))
        for start in range(0, len(rows), step):
            some = slice(start, start + step)
            lists = removed[rows[some]]
            lists[np.arange(len(lists)), langs[some]] = self.lists[rows[some], langs[some]]
            yield rows[some], langs[some], lists

    def candidates(self, rows: Numbers, lists: Numbers) -> Candidates:
        """Return lists as a policy gets them."""
        lists = lists[:, :, : self.depth]
        scores = np.where(lists != 0, decode_keys(lists)[0].astype(np.float64), -np.inf)
        languages = self.benchmark.languages
        sizes = np.diff(self.benchmark.offsets)
        langs = self.benchmark.queries.langs[self.queries[rows]].astype(np.int64)
        return Candidates(
            scores=scores,
            languages=languages,
            query_langs=langs if self.known_language else np.full_like(langs, -1),
            weights=np.ones(len(languages)),
            shares=sizes / sizes.sum(),
        )


class _Filled:
    """The result of one policy, filled block by block."""

    def __init__(self, benchmark: Benchmark, places: int) -> None:
        self._benchmark, self._places = benchmark, places
        pairs, queries = len(benchmark.relevance.passages), len(benchmark.queries)
        self._above, self._inside = (np.zeros(pairs, dtype=np.int64) for _ in range(2))
        self._single_above = np.zeros(pairs, dtype=np.int64)
        self._scores = np.zeros(pairs, dtype=np.float32)
        self._top = np.full((queries, places), -1, dtype=np.int64)
        self._top_scores = np.full((queries, places), -np.inf, dtype=np.float32)
        self._seconds = 0.0

    def add(self, policy: Policy, block: _Block) -> None:
        """Merge the lists of some queries, and of their cells."""
        rows = np.arange(len(block.queries))
        start = time.perf_counter()
        order = arrange(policy, block.candidates(rows, block.lists), self._places)
        self._seconds += time.perf_counter() - start
        placed = _placed_keys(order, block.lists)
        self._top_scores[block.queries], self._top[block.queries] = decode_keys(placed)
        self._inside[block.pairs] = block.above_in_language
        self._scores[block.pairs] = decode_keys(block.own_keys)[0]
        self._above[block.pairs] = _above(placed[block.rows], block.own_keys, block.above)
        self._single_above[block.pairs] = block.above_in_language  # of queries without cells
        for cell_rows, langs, lists in block.cells():
            found = arrange(policy, block.candidates(cell_rows, lists), self._places)
            self._add_cells(block, cell_rows, langs, _placed_keys(found, lists))

    def _add_cells(self, block: _Block, rows: Numbers, langs: Numbers, placed: Numbers) -> None:
        """Set the passages above each pair of some cells."""
        size = len(self._benchmark.languages)
        cell_of = np.full(len(block.queries) * size, -1)
        cell_of[rows * size + langs] = np.arange(len(rows))
        cells = cell_of[block.rows * size + block.langs]
        some = np.flatnonzero(cells >= 0)
        by_score = block.above[some] - block.translations_above[some]
        above = _above(placed[cells[some]], block.own_keys[some], by_score)
        self._single_above[block.pairs[some]] = above

    def ranks(self) -> PolicyRanks:
        """Return the result."""
        benchmark = self._benchmark
        ranking = Ranking(self._inside, self._above, self._scores, self._top, self._top_scores)
        alone = multilingual_pool(benchmark, replace(ranking, above=self._single_above))
        several = np.flatnonzero((alone.relevant_by_lang > 0).sum(axis=1) >= 2)
        cells = language_cells(alone.select(several))
        single = LanguageCells(cells.pool, several[cells.queries], cells.langs)
        return PolicyRanks(ranking, single, self._seconds)


def _keys(scores: Floats) -> Numbers:
    """Return ``(B, D)`` keys in the order of the ranking: score, then earlier position."""
    bits = scores.view(np.int32)
    ordered = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).astype(np.int64)
    return (ordered << 32) | (LAST_PLACE - np.arange(scores.shape[1]))


def _placed_keys(order: Order, lists: Numbers) -> Numbers:
    """Return ``(B, T)`` keys of the passages in their places; the lowest key after the end."""
    rows = np.arange(len(lists))[:, None]
    keys = lists[rows, np.maximum(order.languages, 0), order.nth]
    return np.where(order.languages >= 0, keys, np.iinfo(np.int64).min)


def _above(placed: Numbers, own: Numbers, above: Numbers) -> Numbers:
    """Return ``(P,)`` passages above each pair's after a policy has filled the first places.

    Args:
        placed: ``(P, T)`` keys of the query's passages in their places.
        own: ``(P,)`` keys.
        above: ``(P,)`` passages above by score alone.
    """
    here = placed == own[:, None]
    # those that were placed and score less are above, too
    raised = np.count_nonzero((placed < own[:, None]) & (placed > np.iinfo(np.int64).min), axis=1)
    return np.asarray(np.where(here.any(axis=1), here.argmax(axis=1), above + raised))
