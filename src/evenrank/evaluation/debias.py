"""Evaluation with a correction of language bias.

Corrected vectors are ranked as all others. Corrected scores are ranked here, query by query, by
corrected score, then raw score, then position: so rankings within a language stay as they are.

Shapes: ``Q`` queries, ``D`` passages, ``H`` width, ``B`` queries at once, ``K`` kept passages.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark, Relevance
from evenrank.debias.base import Correction
from evenrank.debias.index import best_scores, order
from evenrank.debias.overlap import refuse_overlap
from evenrank.debias.rows import Kind, codes_of
from evenrank.debias.saving import load_correction
from evenrank.encoding.store import Rows
from evenrank.errors import ConfigError, DataError
from evenrank.evaluation.encode import Embeddings
from evenrank.progress import bar
from evenrank.ranking.ranks import Ranking

_AT_ONCE = 1 << 24
"""Scores that are computed at once."""


def open_correction(
    debias: str | Path | Correction | None,
    benchmark: Benchmark,
    encoder: str,
    rank_device: str | None = None,
) -> Correction | None:
    """Return a correction that can be measured on a benchmark.

    Args:
        debias: The correction, or its file; nothing is returned for nothing.
        benchmark: The benchmark.
        encoder: Fingerprint of the encoder.
        rank_device: The device that ranks.

    Raises:
        ConfigError: A correction of scores cannot be ranked on a device.
        DataError: The file is damaged; the correction was fitted for another encoder, or on texts
            of the benchmark; or it does not have one of the benchmark's languages.
    """
    if debias is None:
        return None
    correction = debias if isinstance(debias, Correction) else load_correction(debias)
    correction.require(encoder=encoder)
    known = correction.fit.languages("passage")
    missing = [lang for lang in benchmark.languages if lang not in known]
    if missing and correction.needs_language:
        raise DataError(
            f"correction {correction.name!r}",
            f"no texts in {', '.join(missing)}",
            f"texts in every language of {benchmark.name}",
            "Fit it again with texts in these languages",
        )
    if rank_device is not None and not correction.changes_vectors:
        raise ConfigError(
            "rank device",
            f"{rank_device!r} with a correction of scores",
            "threads",
            "Leave the device out",
        )
    texts = chain(benchmark.queries.texts, benchmark.passages.texts)
    refuse_overlap(correction.fit.texts, map(str, texts), f"{benchmark.name} with --debias")
    return correction


def correct_embeddings(
    correction: Correction, embeddings: Embeddings, benchmark: Benchmark
) -> Embeddings:
    """Return corrected vectors; rows of zeros stay as they are.

    Raises:
        DataError: Another width than that of the fit.
    """
    names = np.array(benchmark.languages)

    def corrected(rows: Rows, langs: NDArray[np.int16], kind: Kind) -> Rows:
        rows_NH = np.array(rows[:], dtype=np.float32)
        full = rows_NH.any(axis=1)
        rows_NH[full] = correction.apply(rows_NH[full], names[langs[full]], kind)
        return rows_NH

    return Embeddings(
        queries=corrected(embeddings.queries, benchmark.queries.langs, "query"),
        passages=corrected(embeddings.passages, benchmark.passages.langs, "passage"),
    )


def rank_corrected(
    correction: Correction,
    asked: tuple[Rows, NDArray[np.str_]],
    pool: tuple[Rows, tuple[str, ...], NDArray[np.int64]],
    relevance: Relevance,
    *,
    top_k: int,
) -> Ranking:
    """Rank by corrected scores; the result is that of :func:`~evenrank.ranking.rank.rank`.

    Args:
        correction: A correction of scores.
        asked: Queries ``(Q, H)``, and the language of each.
        pool: Passages ``(D, H)`` in the order of their ``L`` languages, the languages, and where
            they begin ``(L + 1,)``.
        relevance: Relevant passages of each query.
        top_k: Best passages of the multilingual pool to keep.
    """
    (queries, query_langs), (passages, languages, offsets) = asked, pool
    rows_DH = np.asarray(passages[:], dtype=np.float32)
    langs = np.repeat(np.array(languages), np.diff(offsets))
    known = correction.fit.languages("passage") if correction.needs_language else ()
    codes = codes_of(langs, len(rows_DH), known, "passage")
    stored = correction.stored(rows_DH, langs)
    kept = min(top_k, len(rows_DH))
    count = len(relevance.passages)
    above, inside = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    scores = np.zeros(count, dtype=np.float32)
    top = np.empty((len(queries), kept), dtype=np.int64)
    top_scores = np.empty((len(queries), kept), dtype=np.float32)
    size = max(1, _AT_ONCE // len(rows_DH))
    with bar("Ranking by corrected scores", total=len(queries), unit="queries") as progress:
        for start in range(0, len(queries), size):
            some = slice(start, start + size)
            best = None
            if k := correction.best_needed:
                raw = np.asarray(queries[some], dtype=np.float32) @ rows_DH.T
                best = best_scores(raw, codes, len(known), k)
            form = correction.for_index(queries[some], query_langs[some], best)
            raw = form.vectors[:, 0] @ rows_DH.T
            corrected = form.adjusted(raw, codes, stored)
            for row, query in enumerate(range(start, start + len(raw))):
                line = _Line(corrected[row], raw[row])
                top[query] = line.top(kept)
                top_scores[query] = corrected[row, top[query]]
                for pair in range(relevance.indptr[query], relevance.indptr[query + 1]):
                    passage = int(relevance.passages[pair])
                    own = int(np.searchsorted(offsets, passage, side="right"))
                    better = line.better(passage)
                    above[pair] = np.count_nonzero(better)
                    inside[pair] = np.count_nonzero(better[offsets[own - 1] : offsets[own]])
                    scores[pair] = corrected[row, passage]
            progress.advance(len(raw))
    return Ranking(inside, above, scores, top, top_scores)


class _Line:
    """The scores of one query."""

    def __init__(self, corrected: NDArray[np.float64], raw: NDArray[np.float32]) -> None:
        self.corrected, self.raw = corrected, raw

    def better(self, passage: int) -> NDArray[np.bool_]:
        """Return ``(D,)`` whether each passage ranks above one of them."""
        score = self.corrected[passage]
        better = self.corrected > score
        if np.count_nonzero(equals := self.corrected == score) > 1:
            equal = np.flatnonzero(equals)
            own, others = self.raw[passage], self.raw[equal]
            better[equal] = (others > own) | ((others == own) & (equal < passage))
        return np.asarray(better)

    def top(self, kept: int) -> NDArray[np.int64]:
        """Return the best passages in order."""
        floor = np.partition(self.corrected, -kept)[-kept]
        some = np.flatnonzero(self.corrected >= floor)
        best = order(self.corrected[None, some], self.raw[None, some])[0]
        return np.asarray(some[best[:kept]])
