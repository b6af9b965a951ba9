"""Canaries among a benchmark's passages: a benchmark of known relevance that needs no labels."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from evenrank.benchmarks.benchmark import Benchmark, Passage, Query, benchmark_of
from evenrank.data.corpus import ParallelCorpus
from evenrank.encoding.model import EmbeddingModel
from evenrank.errors import ConfigError
from evenrank.evaluation.encode import Embeddings, embed
from evenrank.probing.texts import CanaryTexts, open_canaries, open_texts


class Measured(NamedTuple):
    """A benchmark with the embeddings of its texts."""

    benchmark: Benchmark
    embeddings: Embeddings


def plant(
    encoder: EmbeddingModel,
    measured: Measured,
    source: str | Path | ParallelCorpus,
    *,
    items: int,
    batch_size: int,
    store: Path | None,
) -> Measured:
    """Return the canaries' queries with the passages of canaries and of the benchmark.

    Args:
        encoder: The model.
        measured: The benchmark; its queries and relevance are not used.
        source: A parallel corpus.
        items: Canaries at most.
        batch_size: Texts encoded at once.
        store: Embedding store to read from and to add to.

    Raises:
        ConfigError: The vectors are ready: there are none of the canaries.
        DataError: There are canaries in fewer than two of the languages, or fewer than two items.
    """
    if encoder.by_id:
        found, remedy = "ready vectors", "Choose on half of the benchmark"
        raise ConfigError("--choose-on", found, "a model that encodes canaries", remedy)
    benchmark, embeddings = measured
    canaries = _benchmark(open_canaries(source, open_texts(benchmark)[0], items), benchmark)
    encoded = embed(encoder, canaries, batch_size, store)
    passages = [*_passages(benchmark, "corpus"), *_passages(canaries, "canary")]
    langs = np.array([passage.lang for passage in passages])
    order = np.argsort(langs, kind="stable")  # as benchmark_of orders passages
    pairs = np.stack(
        [canaries.relevance.query_of, len(benchmark.passages) + canaries.relevance.passages], axis=1
    )
    queries = [
        Query(id_, str(number), canaries.languages[lang], text)
        for id_, number, lang, text in zip(
            canaries.queries.ids.to_pylist(),
            canaries.parallel.tolist(),
            canaries.queries.langs.tolist(),
            canaries.queries.texts.to_pylist(),
            strict=True,
        )
    ]
    rows = np.concatenate([embeddings.passages[:], encoded.passages[:]])[order]
    name = f"{len(np.unique(canaries.parallel))} canaries of {canaries.name}"
    joined = benchmark_of(name, benchmark.card, queries, passages, pairs)
    return Measured(joined, Embeddings(queries=encoded.queries, passages=rows))


def _benchmark(texts: CanaryTexts, benchmark: Benchmark) -> Benchmark:
    """Return canaries as a benchmark of their own."""
    queries, passages, pairs = [], [], []
    count = len(texts.languages)
    for item, (asked, answers) in enumerate(zip(texts.queries, texts.passages, strict=True)):
        for at, lang in enumerate(texts.languages):
            queries.append(Query(f"{lang}/{item}", str(item), lang, asked[at]))
            passages.append(Passage(f"{lang}/{item}", lang, answers[at]))
            pairs += [(item * count + at, item * count + other) for other in range(count)]
    return benchmark_of(texts.name, benchmark.card, queries, passages, np.array(pairs))


def _passages(benchmark: Benchmark, prefix: str) -> list[Passage]:
    """Return the passages with ids that no other prefix has."""
    texts = benchmark.passages
    return [
        Passage(f"{prefix}/{id_}", benchmark.languages[lang], text)
        for id_, lang, text in zip(
            texts.ids.to_pylist(), texts.langs.tolist(), texts.texts.to_pylist(), strict=True
        )
    ]
