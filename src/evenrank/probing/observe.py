"""From vectors to what the measures need: the best passages, and the ranks of planted canaries.

Shapes: as in :mod:`evenrank.probing.base`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenrank.debias.moments import gather
from evenrank.debias.rows import Langs
from evenrank.errors import ConfigError
from evenrank.probing.base import Doubles, Geometry, Hits, Ints, Observed, Planted
from evenrank.probing.scan import Pool, Ranked, Scoring, scan

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Canaries:
    """Vectors of parallel texts of known relevance.

    Attributes:
        langs: ``(B,)`` their languages, as positions in those of the corpus.
        queries: ``(I, B, H)``.
        passages: ``(I, B, H)``: passage ``i`` answers query ``i`` in every language.
    """

    langs: Ints
    queries: Floats
    passages: Floats


@dataclass(frozen=True, eq=False)
class Asked:
    """Vectors of queries.

    Attributes:
        vectors: ``(Q, H)``.
        langs: ``(Q,)`` their languages, as positions in those of the corpus.
        are_passages: Whether the queries are the sampled passages, in the same order.
    """

    vectors: Floats
    langs: Ints
    are_passages: bool = False


def require_k(k: int, passages: int) -> None:
    """Refuse a ``k`` that is not less than the number of passages."""
    if not 1 <= k < passages:
        remedy = "Use a smaller k, or more passages"
        raise ConfigError("k", str(k), f"1 to {passages - 1}", remedy)


def observe(
    pool: Pool,
    sample: Ints,
    asked: Asked,
    canaries: Canaries | None = None,
    *,
    k: int = 10,
    seed: int = 0,
) -> Observed:
    """Rank queries, sampled passages and canaries in one pass over the passages.

    A correction in ``pool`` is applied to all vectors and scores.

    Args:
        pool: The passages.
        sample: ``(S,)`` positions of sampled passages, at least two of each language.
        asked: The queries.
        canaries: Parallel texts, which are ranked with the passages and leave no trace.
        k: Passages that count as the best.
        seed: Source of all randomness.

    Raises:
        DataError: One language only, a language with one passage, or a number that is not finite;
            or the correction does not fit.
        ConfigError: ``k`` is not less than the number of passages.
    """
    require_k(k, len(pool.langs))
    moments = gather(_blocks(pool), "passage")
    scoring = Scoring(pool)
    none, langs = np.full(len(asked.langs), -1), pool.langs[sample].astype(np.int64)
    itself = sample if asked.are_passages else none
    vectors = pool.corrected(asked.vectors, asked.langs, query=True)
    queries = Ranked(vectors, asked.langs, itself)
    neighbours = Ranked(pool.at(sample), langs, sample, raw=True)
    everything = [queries, neighbours]
    if canaries is not None:
        planted_queries, planted_passages = _flat(pool, canaries)
        everything.append(planted_queries)
    scoring.prepare(everything)
    if canaries is not None:
        planted_scores = _canary_scores(scoring, planted_queries, planted_passages, canaries)
        items, count = canaries.queries.shape[:2]
        own = np.repeat(np.arange(items), count)
        planted_queries.limits = planted_scores.reshape(items * count, items, count)[
            np.arange(items * count), own
        ]
    scan(scoring, everything, k)
    by_scores = scoring.correction is not None
    return Observed(
        pool.languages,
        pool.langs,
        Hits(asked.langs, queries.top, asked.are_passages),
        None if by_scores else Hits(langs, neighbours.top, leaves_out_itself=True),
        None if by_scores else Geometry(vectors, neighbours.vectors, langs, moments.means),
        None if canaries is None else _planted(pool, canaries, planted_queries, planted_scores),
        seed,
    )


def _blocks(pool: Pool) -> Iterator[tuple[NDArray[Any], Langs]]:
    for tile, rows in pool.tiles():
        yield rows, pool.names(pool.langs[tile])


def _flat(pool: Pool, canaries: Canaries) -> tuple[Ranked, Floats]:
    """Return the canaries' queries and passages, item by item, corrected."""
    items, _, width = canaries.queries.shape
    langs = np.tile(canaries.langs, items)
    queries = pool.corrected(canaries.queries.reshape(-1, width), langs, query=True)
    passages = pool.corrected(canaries.passages.reshape(-1, width), langs)
    return Ranked(queries, langs, np.full(len(langs), -1)), passages


def _canary_scores(
    scoring: Scoring, queries: Ranked, passages: Floats, canaries: Canaries
) -> Doubles:
    """Return ``(I B, I B)`` scores of canaries' queries and passages."""
    langs = np.tile(canaries.langs, len(canaries.queries))
    scores = scoring.of(queries, slice(None), passages, langs)
    return np.asarray(scores, dtype=np.float64)


def _planted(pool: Pool, canaries: Canaries, queries: Ranked, scores: Doubles) -> Planted:
    """Return the ranks of the canaries among the passages and the other canaries."""
    items, count = canaries.queries.shape[:2]
    assert queries.limits is not None
    own = np.arange(items)[:, None] == np.arange(items)  # (I, I): translations of one another
    others = np.repeat(np.repeat(~own, count, axis=0), count, axis=1)
    above = queries.above.reshape(items, count, count).copy()
    for lang in range(count):
        higher = (scores > queries.limits[:, [lang]]) & others
        above[:, :, lang] += higher.sum(axis=1).reshape(items, count)
    found = pool.langs[queries.top]
    mix = np.stack([(found == lang).mean(axis=1) for lang in range(len(pool.languages))], axis=1)
    return Planted(
        langs=canaries.langs,
        scores=queries.limits.reshape(items, count, count),
        above=above,
        mix=mix.reshape(items, count, -1),
        pool=len(pool.langs) + items * count,
    )
