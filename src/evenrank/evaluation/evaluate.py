"""Evaluation from end to end: encode, rank, score, and put the result together."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from evenrank.benchmarks.benchmark import Benchmark, load_benchmark
from evenrank.benchmarks.export import check_trec_ids
from evenrank.encoding.chunks import Rows
from evenrank.encoding.embed import embed_texts
from evenrank.encoding.encode import Kind, encode_texts
from evenrank.encoding.loading import load_encoder
from evenrank.encoding.store import Precision
from evenrank.errors import ConfigError
from evenrank.evaluation.assemble import assemble, model_facts
from evenrank.evaluation.evaluation import Evaluation
from evenrank.evaluation.frames import ranks_table, top_table
from evenrank.evaluation.result import ModelFacts, write_result
from evenrank.evaluation.score import score
from evenrank.evaluation.selection import DEFAULT_MEASURES, select_measures
from evenrank.evaluation.trec import write_trec
from evenrank.files import refuse_existing, whole_folder
from evenrank.ranking.kernel import rank
from evenrank.ranking.ranks import Ranking

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BATCH_SIZE = 64
TOP_K = 100
MARKER = "result.json"
"""Only a folder that holds this file is ever replaced."""


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Unit vectors of a benchmark's texts.

    Attributes:
        queries: ``(Q, H)``.
        passages: ``(D, H)``, in the order of the collection; where they are large and come from a
            store, they stay on the disk.
    """

    queries: Rows
    passages: Rows


def evaluate(
    model: str | Path | SentenceTransformer,
    benchmark: str | Benchmark,
    *,
    output: Path | None = None,
    measures: Sequence[str] = DEFAULT_MEASURES,
    label: str | None = None,
    batch_size: int = BATCH_SIZE,
    top_k: int = TOP_K,
    run: bool = False,
    store: Path | None = None,
    store_dtype: Precision = "float32",
    overwrite: bool = False,
) -> Evaluation:
    """Evaluate an encoder on a benchmark: every language pair, every pool, every measure.

    Args:
        model: A folder, a Hugging Face id, or the encoder itself.
        benchmark: A name such as ``xquad-r``, or the benchmark itself.
        output: Result folder to write; nothing is written if ``None``.
        measures: Names of measures.
        label: What tables call the model; by default the name of its folder.
        batch_size: Texts encoded at once.
        top_k: Passages to keep from the top of the pool of all languages, for the run, the
            examples and the language share; at least the cutoff of the share.
        run: Write ``run.trec`` and ``qrels.trec`` as well.
        store: Embedding store: texts that it has are not encoded again, what it lacks is added.
        store_dtype: Precision of the embeddings in the store.
        overwrite: Replace a result folder that exists; nothing else is ever replaced.

    Raises:
        ConfigError: A measure or benchmark is unknown, or ``output`` exists.
        DataError: The model or the benchmark cannot be read.
    """
    selection = select_measures(measures)
    if output is not None:
        _check_output(output, overwrite=overwrite)
    data = load_benchmark(benchmark) if isinstance(benchmark, str) else benchmark
    if run:
        check_trec_ids(data)
    encoder, facts = _opened(model, label)
    top_k = max(top_k, selection.share.cutoff or 0)
    timings: dict[str, float] = {}
    with _timed(timings, "encode"):
        embeddings = embed(encoder, data, batch_size, store, store_dtype)
    config: dict[str, Any] = {"measures": selection.names, "batch_size": batch_size, "top_k": top_k}
    config |= {"store_dtype": store_dtype} if store else {}
    with _timed(timings, "rank"):
        ranking = rank_embeddings(embeddings, data, top_k=top_k)
    with _timed(timings, "score"):
        scores = score(data, ranking, selection.names)
    result = assemble(data, facts, ranking, scores, timings=timings, config=config)
    tables = {"top": top_table(data, ranking), "ranks": ranks_table(data, ranking)}
    tables["per_query"] = scores.per_query
    if output is not None:
        with whole_folder(output, overwrite=overwrite, marker=MARKER) as folder:
            write_result(folder, result, **tables)
            if run:
                write_trec(folder, data, ranking, facts.label)
    return Evaluation(result, tables, output)


def _check_output(output: Path, *, overwrite: bool) -> None:
    """Refuse a folder that may not be replaced, or that several processes would write."""
    if (count := int(os.environ.get("WORLD_SIZE", "1"))) > 1:
        raise ConfigError(
            f"evaluation into {output}",
            f"{count} processes",
            "one, since each would write the same folder",
            "Share the encoding with 'torchrun -m evenrank encode', then evaluate in one process",
        )
    refuse_existing(output, overwrite=overwrite, marker=MARKER)


def _opened(
    model: str | Path | SentenceTransformer, label: str | None
) -> tuple[SentenceTransformer, ModelFacts]:
    """Load the encoder if it is not yet, and return what is to be said of it."""
    if isinstance(model, str | Path):
        encoder = load_encoder(str(model))
        return encoder, model_facts(encoder, str(model), label)
    return model, model_facts(model, None, label)


def embed(
    model: SentenceTransformer,
    benchmark: Benchmark,
    batch_size: int = BATCH_SIZE,
    store: Path | None = None,
    store_dtype: Precision = "float32",
) -> Embeddings:
    """Encode a benchmark's queries and passages, each with its prompt.

    Args:
        model: The encoder.
        benchmark: The benchmark.
        batch_size: Texts encoded at once.
        store: Embedding store to read from and to add to.
        store_dtype: Precision of the embeddings in the store.

    Raises:
        DataError: A text has an embedding without a direction, or the store is damaged.
    """

    def encode(texts: pa.ChunkedArray, kind: Kind, noun: str) -> Rows:
        description = f"Encoding {noun} of {benchmark.name}"
        if store is None:
            return encode_texts(
                model, texts, kind=kind, batch_size=batch_size, description=description
            )
        return embed_texts(
            store,
            model,
            texts,
            kind=kind,
            dtype=store_dtype,
            batch_size=batch_size,
            description=description,
        )

    return Embeddings(
        queries=encode(benchmark.queries.texts, "query", "queries"),
        passages=encode(benchmark.collection.texts, "passage", "passages"),
    )


def rank_embeddings(embeddings: Embeddings, benchmark: Benchmark, *, top_k: int = TOP_K) -> Ranking:
    """Rank a benchmark's collection for each of its queries.

    Raises:
        DataError: The embeddings are not this benchmark's.
    """
    return rank(
        embeddings.queries,
        embeddings.passages,
        benchmark.relevance,
        benchmark.offsets,
        top_k=top_k,
    )


@contextmanager
def _timed(timings: dict[str, float], step: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[step] = round(time.perf_counter() - start, 4)
