"""Hard negatives: the passages that a model ranks highest for a query and that do not answer it.

The search is exact, with the loops of ``evenrank.ranking``, and ties have the order of the ranking:
score descending, then position. (``mine_hard_negatives`` of Sentence Transformers knows one
positive of a query by its text. Here every passage of the query's group is left out, in every
language, and every passage with the text of one of these.)

Shapes: ``Q`` rows of the corpus, ``D`` distinct passages, ``H`` width, ``K`` negatives of a row,
``B`` rows of a block, ``T`` passages of a tile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import JsonValue

from evenrank.benchmarks.benchmark import Benchmark
from evenrank.benchmarks.parallel_corpus import benchmark_from_corpus
from evenrank.data.corpus import ParallelCorpus, codes, components
from evenrank.data.negatives import FACTS, with_negatives
from evenrank.data.opening import open_corpus
from evenrank.data.writing import write_corpus
from evenrank.encoding.opening import open_model
from evenrank.errors import ConfigError
from evenrank.evaluation.encode import BATCH_SIZE, Embeddings, embed
from evenrank.progress import bar
from evenrank.ranking.counting import NO_KEY, close_top, decode_keys, keep_top

_BLOCK, _TILE = 256, 2048
_ROUNDING = np.float32(1e-6)
"""So that a passage with the vector of the own one has its score, whatever the products round."""
_SPARE = 64
"""Candidates in addition to twice the kept passages."""


@dataclass(frozen=True, eq=False)
class Mined:
    """A corpus with mined negatives.

    Attributes:
        corpus: The corpus; ``negatives`` has up to ``K`` texts in each row, the hardest first.
        facts: Model, settings, date and the corpus that was mined.
        counts: ``(Q,)`` negatives found for each row, in the order of languages and items.
    """

    corpus: ParallelCorpus
    facts: dict[str, JsonValue]
    counts: NDArray[np.int64]

    def write(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the corpus as ``<lang>.jsonl.gz``, with the facts next to it.

        Raises:
            ConfigError: The folder exists, is not empty, and may not be replaced.
        """
        write_corpus(self.corpus, folder, overwrite=overwrite, facts={FACTS: self.facts})


def mine_negatives(
    model: object,
    corpus: str | Path | ParallelCorpus,
    *,
    negatives: int = 5,
    margin: float = 0.0,
    across: bool = False,
    model_settings: Mapping[str, Any] | None = None,
    store: str | Path | None = None,
    batch_size: int = BATCH_SIZE,
) -> Mined:
    """Find hard negatives for each row of a corpus. Negatives that it has are replaced.

    Args:
        model: As for :func:`~evenrank.encoding.opening.open_model`. Ready vectors have the ids of
            the benchmark ``corpus:...`` of this corpus.
        corpus: A source as for :func:`~evenrank.data.opening.open_corpus`, or the corpus itself.
        negatives: ``K``, how many to find for each row.
        margin: A negative scores at least this much less than the row's own passage: passages above
            are often unlabelled answers. Cosine, -1 to 2; at -2 nothing is left out.
        across: Search the passages of all languages, instead of those of the row's language.
        model_settings: Settings of the model.
        store: Embedding store to read from and to add to.
        batch_size: Texts encoded at once.

    Raises:
        ConfigError: A setting is out of its range.
        DataError: Model or corpus cannot be read, or a text has no direction.
    """
    if negatives < 1:
        raise ConfigError("negatives", str(negatives), "1 or more", "Correct it")
    if not -2 <= margin <= 2:
        raise ConfigError("margin", str(margin), "a difference of cosines, -2 to 2", "Correct it")
    data = corpus if isinstance(corpus, ParallelCorpus) else open_corpus(corpus)
    encoder = open_model(model, model_settings)
    benchmark = benchmark_from_corpus(data)
    columns, items = np.nonzero(data.rows.T >= 0)  # the order of the benchmark's queries
    rows = data.rows[items, columns]
    pool = _pool(benchmark, data.column("passage", rows))
    vectors = embed(encoder, benchmark, batch_size, store)
    found_QK = np.full((len(rows), negatives), -1, dtype=np.int64)
    with bar(f"Mining {data.name}", total=len(rows), unit="queries") as progress:
        for queries, begin, end in _searches(benchmark, across):
            found_QK[queries] = _hardest(vectors, pool, queries, (begin, end), negatives, margin)
            progress.advance(len(queries))
    counts = (found_QK >= 0).sum(axis=1)
    facts: dict[str, JsonValue] = {
        "model": encoder.describe(),
        "model_fingerprint": encoder.fingerprint,
        "negatives": negatives,
        "margin": margin,
        "pool": "multi" if across else "mono",
        "search": "exact",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "corpus": data.name,
        "corpus_fingerprint": data.fingerprint,
        "rows": len(rows),
        "rows_with_fewer": int((counts < negatives).sum()),
    }
    return Mined(with_negatives(data, rows, _lists(benchmark, found_QK)), facts, counts)


class _Pool(NamedTuple):
    """What may be a negative of what.

    Attributes:
        kin_D: A number that passages share which are never negatives of one another.
        kin_Q: The same, of each row.
        own_Q: The position of each row's own passage.
        again_D: Whether a passage with this text and language comes before.
    """

    kin_D: NDArray[np.int32]
    kin_Q: NDArray[np.int32]
    own_Q: NDArray[np.int64]
    again_D: NDArray[np.bool_]


def _pool(benchmark: Benchmark, own_texts: list[str]) -> _Pool:
    relevance, passages = benchmark.relevance, benchmark.passages
    total = len(passages)
    chunks = [*passages.texts.chunks, pa.array(own_texts, pa.string())]
    text = codes(pa.chunked_array(chunks))
    first_Q = relevance.passages[relevance.indptr[:-1]]  # of its group
    kin = components(
        total + int(text.max()) + 1,
        np.concatenate([np.arange(total), first_Q[relevance.query_of]]),
        np.concatenate([total + text[:total], relevance.passages]),
    )
    langs = passages.langs[relevance.passages] == benchmark.queries.langs[relevance.query_of]
    own = langs & (text[relevance.passages] == text[total + relevance.query_of])
    pairs = np.stack([passages.langs.astype(np.int64), text[:total]], axis=1)
    again = np.ones(total, dtype=bool)
    again[np.unique(pairs, axis=0, return_index=True)[1]] = False
    return _Pool(kin[:total], kin[first_Q], relevance.passages[own], again)


def _searches(benchmark: Benchmark, across: bool) -> Iterator[tuple[NDArray[np.int64], int, int]]:
    """Yield blocks of queries, each with the passages that are searched for it."""
    bounds = list(pairwise(benchmark.offsets.tolist()))
    langs = benchmark.queries.langs
    for number, (begin, end) in enumerate([(0, bounds[-1][1])] if across else bounds):
        queries = np.arange(len(langs)) if across else np.flatnonzero(langs == number)
        for first in range(0, len(queries), _BLOCK):
            yield queries[first : first + _BLOCK], begin, end


def _hardest(
    vectors: Embeddings,
    pool: _Pool,
    queries: NDArray[np.int64],
    bounds: tuple[int, int],
    kept: int,
    margin: float,
) -> NDArray[np.int64]:
    """Return the ``(B, K)`` positions of the negatives of some queries; -1 where there are none."""
    queries_BH = np.asarray(vectors.queries[queries], dtype=np.float32)
    own_BH = np.asarray(vectors.passages[pool.own_Q[queries]], dtype=np.float32)
    limits_B = np.einsum("bh,bh->b", queries_BH, own_BH) - np.float32(margin)
    limits_B += _ROUNDING
    keys = np.full((len(queries), 2 * kept + _SPARE), NO_KEY, dtype=np.int64)
    fills, floors = np.zeros(len(queries), np.int64), np.full(len(queries), -np.inf, np.float32)
    for start in range(bounds[0], bounds[1], _TILE):
        tile = slice(start, min(start + _TILE, bounds[1]))
        scores_BT = queries_BH @ np.asarray(vectors.passages[tile], dtype=np.float32).T
        wrong = pool.kin_D[tile] == pool.kin_Q[queries, None]
        scores_BT[wrong | pool.again_D[tile] | (scores_BT > limits_B[:, None])] = -np.inf
        keep_top(scores_BT[None], start, scores_BT.shape[1], kept, keys, fills, floors)
    close_top(kept, keys, fills)
    scores, positions = decode_keys(-np.sort(-keys[:, :kept], axis=1))
    return np.where(np.isfinite(scores), positions, -1)


def _lists(benchmark: Benchmark, found_QK: NDArray[np.int64]) -> pa.ListArray:
    """Return the texts of each row's negatives."""
    there = found_QK >= 0
    ends = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    texts = benchmark.passages.texts.take(pa.array(found_QK[there])).combine_chunks()
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), texts)
