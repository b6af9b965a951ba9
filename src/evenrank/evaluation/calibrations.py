"""Ranking by several calibrations at once, with one matrix product for all of them.

Shapes: ``Q`` queries, ``D`` passages, ``H`` width, ``L`` languages, ``P`` pairs, ``B`` queries at
once, ``M`` calibrations, ``K`` best scores of a language.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark
from evenrank.debias.calibrate import Calibration
from evenrank.debias.rows import Doubles
from evenrank.encoding.store import Rows
from evenrank.evaluation.encode import Embeddings
from evenrank.progress import bar
from evenrank.ranking.calibrated import count_calibrated, count_inside
from evenrank.ranking.ranks import Ranking

_AT_ONCE = 1 << 22
"""Scores that a thread computes at once."""


def rank_calibrations(
    calibrations: Sequence[Calibration], embeddings: Embeddings, benchmark: Benchmark
) -> list[Ranking]:
    """Rank a benchmark's passages by each calibration; the best passages are not kept.

    Ranks are those of :func:`~evenrank.evaluation.debias.rank_corrected`, where the products round
    equally.

    Args:
        calibrations: At least one; all of them have the benchmark's languages.
        embeddings: Unit vectors of its queries and passages.
        benchmark: The benchmark.
    """
    passages_DH = np.array(embeddings.passages[:], dtype=np.float32)
    pass_ = _Pass(calibrations, embeddings.queries, passages_DH, benchmark)
    size = max(1, _AT_ONCE // len(passages_DH))
    starts = range(0, len(benchmark.queries), size)
    before = torch.get_num_threads()
    description = f"Ranking {benchmark.name} by {len(calibrations)} calibrations"
    with (
        ThreadPoolExecutor(os.cpu_count() or 1, initializer=_one_thread) as threads,
        bar(description, total=len(starts) * size, unit="queries") as progress,
    ):
        try:
            for _ in threads.map(lambda start: pass_.count(slice(start, start + size)), starts):
                progress.advance(size)
        finally:
            torch.set_num_threads(before)
    return pass_.rankings()


def _one_thread() -> None:
    """Compute each product on one thread: the threads of the pool are enough."""
    torch.set_num_threads(1)


class _Pass:
    """One pass over all scores, and what it has counted."""

    def __init__(
        self,
        calibrations: Sequence[Calibration],
        queries: Rows,
        passages_DH: NDArray[np.float32],
        benchmark: Benchmark,
    ) -> None:
        self._calibrations, self._queries, self._passages = calibrations, queries, passages_DH
        self._relevance, self._offsets = benchmark.relevance, benchmark.offsets
        self._query_langs = np.array(benchmark.languages)[benchmark.queries.langs]
        self._languages = benchmark.languages
        self._langs_P = benchmark.passages.langs[benchmark.relevance.passages].astype(np.int64)
        pairs = len(benchmark.relevance.passages)
        self._inside = np.zeros(pairs, dtype=np.int64)
        self._above = np.zeros((len(calibrations), pairs), dtype=np.int64)
        self._scores = np.zeros((len(calibrations), pairs), dtype=np.float32)

    def count(self, some: slice) -> None:
        """Count for some queries."""
        queries_BH = np.array(self._queries[some], dtype=np.float32)
        raw_BD = torch.mm(torch.from_numpy(queries_BH), torch.from_numpy(self._passages).T).numpy()
        bounds = self._relevance.indptr[some.start : some.start + len(raw_BD) + 1]
        indptr, pairs = bounds - bounds[0], slice(bounds[0], bounds[-1])
        passages, langs = self._relevance.passages[pairs], self._langs_P[pairs]
        rows = np.repeat(np.arange(len(raw_BD)), np.diff(indptr))
        own = raw_BD[rows, passages]
        count_inside(raw_BD, indptr, passages, langs, self._offsets, self._inside[pairs])
        for begin, end in pairwise(self._offsets.tolist()):
            raw_BD[:, begin:end].sort(axis=1)
        slopes, minus = self._forms(queries_BH, raw_BD, self._query_langs[some])
        above = np.empty((len(slopes), len(own)), dtype=np.int64)
        inside = self._inside[pairs]
        counts = (indptr, own, langs, inside, self._offsets)
        count_calibrated(raw_BD, *counts, slopes, minus, above)
        self._above[:, pairs] = above
        self._scores[:, pairs] = own * slopes[:, rows, langs] - minus[:, rows, langs]

    def _forms(
        self,
        queries_BH: NDArray[np.float32],
        sorted_BD: NDArray[np.float32],
        query_langs: NDArray[np.str_],
    ) -> tuple[Doubles, Doubles]:
        """Return ``(M, B, L)`` slopes and offsets."""
        slopes: list[Doubles] = []
        minus: list[Doubles] = []
        wholes: dict[tuple[int, str, int], tuple[Doubles, Doubles]] = {}
        for one in self._calibrations:
            known, by = one.fit.languages("passage"), one.fit.settings["by"]
            key = id(one.means), by, one.best_needed  # others differ by strength and bonus
            if key not in wholes:
                wholes[key] = one.whole(queries_BH, self._best(sorted_BD, known, one.best_needed))
            # a language that only queries have may be missing in the fit: it has no passages
            at = [known.index(lang) if lang in known else 0 for lang in self._languages]
            for part, parts in zip(
                one.dialled(wholes[key], query_langs), (slopes, minus), strict=True
            ):
                parts.append(np.broadcast_to(part, (len(part), len(known)))[:, at])
        return np.stack(slopes), np.stack(minus)

    def _best(
        self, sorted_BD: NDArray[np.float32], known: tuple[str, ...], k: int
    ) -> Doubles | None:
        """Return ``(B, L, K)`` the best scores of each language of the fit, if any are needed."""
        if not k:
            return None
        best = np.full((len(sorted_BD), len(known), k), np.nan)
        for lang, (begin, end) in zip(self._languages, pairwise(self._offsets), strict=True):
            if kept := min(k, end - begin):
                best[:, known.index(lang), :kept] = sorted_BD[:, end - kept : end][:, ::-1]
        return best

    def rankings(self) -> list[Ranking]:
        """Return the ranking by each calibration."""
        none = np.empty((len(self._queries), 0))
        return [
            Ranking(self._inside, above, scores, none.astype(np.int64), none.astype(np.float32))
            for above, scores in zip(self._above, self._scores, strict=True)
        ]
