"""Evaluation from end to end: encode, rank, score, and put the result together."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark, load_benchmark
from evenrank.encoding.encode import encode_texts
from evenrank.encoding.loading import load_encoder
from evenrank.evaluation.assemble import assemble, model_facts
from evenrank.evaluation.evaluation import Evaluation
from evenrank.evaluation.frames import ranks_table, top_table
from evenrank.evaluation.result import write_result
from evenrank.evaluation.score import score
from evenrank.evaluation.selection import DEFAULT_MEASURES, select_measures
from evenrank.evaluation.trec import check_trec_ids, write_trec
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
        queries: ``(Q, H)`` float32.
        passages: ``(D, H)`` float32, in the order of the collection.
    """

    queries: NDArray[np.float32]
    passages: NDArray[np.float32]


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
    overwrite: bool = False,
) -> Evaluation:
    """Evaluate an encoder on a benchmark: every language pair, every pool, every measure.

    Args:
        model: A folder, a Hugging Face id, or the encoder itself.
        benchmark: A name such as ``xquad-r`` or ``corpus:PATH``, or the benchmark itself.
        output: Result folder to write; nothing is written if ``None``.
        measures: Names of measures.
        label: What tables call the model; by default the name of its folder.
        batch_size: Texts encoded at once.
        top_k: Passages to keep from the top of the pool of all languages, for the run, the
            examples and the language share; at least the cutoff of the share.
        run: Write ``run.trec`` and ``qrels.trec`` as well.
        overwrite: Replace a result folder that exists; nothing else is ever replaced.

    Raises:
        ConfigError: A measure or benchmark is unknown, or ``output`` exists.
        DataError: The model or the benchmark cannot be read.
    """
    selection = select_measures(measures)
    if output is not None:
        refuse_existing(output, overwrite=overwrite, marker=MARKER)
    data = load_benchmark(benchmark) if isinstance(benchmark, str) else benchmark
    if run:
        check_trec_ids(data)
    source = str(model) if isinstance(model, str | Path) else None
    encoder = load_encoder(str(model)) if isinstance(model, str | Path) else model
    facts = model_facts(encoder, source, label)
    top_k = max(top_k, selection.share.cutoff or 0)
    timings: dict[str, float] = {}
    with _timed(timings, "encode"):
        embeddings = embed(encoder, data, batch_size=batch_size)
    with _timed(timings, "rank"):
        ranking = rank_embeddings(embeddings, data, top_k=top_k)
    with _timed(timings, "score"):
        scores = score(data, ranking, selection.names)
    config = {"measures": selection.names, "batch_size": batch_size, "top_k": top_k}
    result = assemble(data, facts, ranking, scores, timings=timings, config=config)
    tables = {
        "per_query": scores.per_query,
        "top": top_table(data, ranking),
        "ranks": ranks_table(data, ranking),
    }
    if output is not None:
        with whole_folder(output, overwrite=overwrite, marker=MARKER) as folder:
            write_result(folder, result, **tables)
            if run:
                write_trec(folder, data, ranking, facts.label)
    return Evaluation(result, tables, output)


def embed(
    model: SentenceTransformer, benchmark: Benchmark, *, batch_size: int = BATCH_SIZE
) -> Embeddings:
    """Encode a benchmark's queries and passages, each with its prompt.

    Raises:
        DataError: A text has an embedding without a direction.
    """
    queries, passages = benchmark.queries.texts, benchmark.collection.texts
    return Embeddings(
        queries=encode_texts(
            model,
            queries,
            kind="query",
            batch_size=batch_size,
            description=f"Encoding queries of {benchmark.name}",
        ),
        passages=encode_texts(
            model,
            passages,
            kind="passage",
            batch_size=batch_size,
            description=f"Encoding passages of {benchmark.name}",
        ),
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
