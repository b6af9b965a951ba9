"""Evaluation from end to end: encode, rank, score, and put the result together.

Started by ``torchrun``, or within a process group, each process encodes a share of the texts and
ranks a share of the passages; the first one scores and writes. Embeddings are those of the same
batches and counts of passages add up, so the result is that of one process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark, Relevance, load_benchmark
from evenrank.benchmarks.export import check_trec_ids
from evenrank.debias.base import Correction
from evenrank.encoding.encode import EmptyTexts, empty_rows
from evenrank.encoding.loading import load_encoder
from evenrank.encoding.sanity import check_encoder
from evenrank.encoding.store import Precision, Rows
from evenrank.evaluation.assemble import assemble, model_facts
from evenrank.evaluation.debias import correct_embeddings, open_correction, rank_corrected
from evenrank.evaluation.encode import BATCH_SIZE, Embeddings, embed
from evenrank.evaluation.score import score
from evenrank.files import refuse_existing, require_writable, whole_folder
from evenrank.measures.selection import DEFAULT_MEASURES, select_measures
from evenrank.processes import ALONE, Team, joined, neighbours, own_device
from evenrank.progress import quiet
from evenrank.ranking.gpu import require_device
from evenrank.ranking.last import rank_last
from evenrank.ranking.rank import rank
from evenrank.ranking.ranks import Ranking
from evenrank.results.folder import Evaluation, write_result
from evenrank.results.frames import ranks_table, top_table
from evenrank.results.schema import ModelFacts
from evenrank.results.trec import write_trec

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

TOP_K = 100
MARKER = "result"
"""Only a folder that holds this file is ever replaced."""


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
    empty_texts: EmptyTexts = "error",
    rank_device: str | None = None,
    debias: str | Path | Correction | None = None,
    overwrite: bool = False,
    shared: bool = True,
) -> Evaluation:
    """Evaluate an encoder on a benchmark: every language pair, every pool, every measure.

    Args:
        model: A folder, a Hugging Face id, or the encoder itself.
        benchmark: A name such as ``xquad-r``, or the benchmark itself.
        output: Result folder to write; nothing is written if ``None``.
        measures: Names of measures.
        label: What tables call the model; by default the name of its folder.
        batch_size: Texts encoded at once.
        top_k: Passages kept from the top of the pool of all languages; at least the share's cutoff.
        run: Write ``run.trec`` and ``qrels.trec`` as well.
        store: Embedding store: texts that it has are not encoded again, what it lacks is added.
        store_dtype: Precision in the store.
        empty_texts: ``last`` ranks passages without a direction (no token) last and counts them.
        rank_device: Device of PyTorch that ranks, such as ``cuda``; threads do if ``None``.
        debias: A correction of language bias, or its file.
        overwrite: Replace a result folder that exists; nothing else is ever replaced.
        shared: Share the work with all processes of ``torchrun`` or the group, which all call.

    Raises:
        ConfigError: A measure, benchmark or device is unknown, or ``output`` exists.
        DataError, ProcessError: Model or benchmark cannot be read; another process failed.
    """
    with joined() if shared else nullcontext(ALONE) as team, quiet(not team.first):
        selection = select_measures(measures)
        _check(output if team.first else None, rank_device, overwrite=overwrite)
        data = team.first_then_others(partial(_loaded, benchmark, run=run))
        encoder, facts = _opened(model, label)
        correction = open_correction(debias, data, facts.fingerprint, rank_device)
        timings: dict[str, float] = {}
        with _timed(timings, "encode"):
            embeddings = embed(encoder, data, batch_size, store, store_dtype, empty_texts, team)
        top_k = max(top_k, selection.share.cutoff or 0)
        with _timed(timings, "rank"):
            ranking = rank_embeddings(embeddings, data, top_k, correction, rank_device, team)
        config = {"measures": selection.names, "batch_size": batch_size, "top_k": top_k}
        config |= {"store_dtype": store_dtype} if store else {}
        config |= {"rank_device": rank_device} if rank_device else {}
        config |= {"debias": correction.facts} if correction else {}
        config |= _counted(embeddings) if empty_texts == "last" else {}
        written = partial(_written, data, ranking, output, run=run, overwrite=overwrite)
        return team.from_first(lambda: written(_scored(data, facts, ranking, timings, config)))


def _loaded(benchmark: str | Benchmark, *, run: bool) -> Benchmark:
    """Load a benchmark whose ids a TREC file can contain, if one is to be written."""
    data = load_benchmark(benchmark)
    if run:
        check_trec_ids(data)
    return data


def _check(output: Path | None, rank_device: str | None, *, overwrite: bool) -> None:
    require_device(rank_device)
    if output is not None:
        refuse_existing(output, overwrite=overwrite, marker=MARKER)
        require_writable(output.parent)


def _counted(embeddings: Embeddings) -> dict[str, Any]:
    return {"empty_passages": len(empty_rows(embeddings.passages))}


def _scored(
    benchmark: Benchmark,
    model: ModelFacts,
    ranking: Ranking,
    timings: dict[str, float],
    config: dict[str, Any],
) -> Evaluation:
    """Return what a ranking is worth, with its tables."""
    with _timed(timings, "score"):
        scores = score(benchmark, ranking, config["measures"])
    result = assemble(benchmark, model, ranking, scores, timings=timings, config=config)
    tables = {"top": top_table(benchmark, ranking), "ranks": ranks_table(benchmark, ranking)}
    return Evaluation(result, in_memory=tables | {"per_query": scores.per_query})


def _written(
    benchmark: Benchmark,
    ranking: Ranking,
    output: Path | None,
    evaluation: Evaluation,
    *,
    run: bool,
    overwrite: bool,
) -> Evaluation:
    """Write the result folder, if there is to be one, and return the evaluation with it."""
    if output is None:
        return evaluation
    with whole_folder(output, overwrite=overwrite, marker=MARKER) as folder:
        write_result(folder, evaluation.result, **evaluation.in_memory)
        if run:
            write_trec(folder, benchmark, ranking, evaluation.result.model.label)
    return replace(evaluation, folder=output)


def _opened(
    model: str | Path | SentenceTransformer, label: str | None
) -> tuple[SentenceTransformer, ModelFacts]:
    """Load the encoder if it is not yet, and return what is to be said of it."""
    if isinstance(model, str | Path):
        encoder = load_encoder(model, device=own_device())
        return encoder, model_facts(encoder, str(model), label)
    check_encoder(model)
    return model, model_facts(model, None, label)


def rank_embeddings(
    embeddings: Embeddings,
    benchmark: Benchmark,
    top_k: int = TOP_K,
    correction: Correction | None = None,
    device: str | None = None,
    team: Team = ALONE,
) -> Ranking:
    """Rank a benchmark's collection for each of its queries.

    Passages whose embedding is a row of zeros rank last. Embeddings that are float16 all are so on
    the device as well, which rounds nothing.

    Args:
        embeddings: Of its queries and passages.
        benchmark: The benchmark.
        top_k: Passages to keep from the top of the pool of all languages.
        correction: A correction of language bias; each process ranks corrected scores alone.
        device: Device of PyTorch that ranks; threads do if ``None``.
        team: Processes that rank a share of the passages each; every one gets the whole ranking.

    Raises:
        DataError: The embeddings are not this benchmark's.
    """
    if correction is not None and correction.changes_vectors:
        embeddings, correction = correct_embeddings(correction, embeddings, benchmark), None
    halves = embeddings.queries.dtype == embeddings.passages.dtype == np.float16

    def rank_others(passages: Rows, relevance: Relevance, offsets: NDArray[np.int64]) -> Ranking:
        if correction is not None:
            pool = (passages, benchmark.languages, offsets)
            return rank_corrected(correction, asked, pool, relevance, top_k=top_k)
        return rank(
            embeddings.queries,
            passages,
            relevance,
            offsets,
            top_k=top_k,
            threads=max(1, (os.cpu_count() or 1) // neighbours()) if team.count > 1 else None,
            team=team,
            device=device,
            precision="float16" if device and halves else "float32",
            description=f"Ranking {benchmark.name}",
        )

    asked = (embeddings.queries, np.array(benchmark.languages)[benchmark.queries.langs])
    last = empty_rows(embeddings.passages)
    given = (embeddings.passages, benchmark.relevance, benchmark.offsets)
    return rank_last(*given, last, top_k, rank_others)


@contextmanager
def _timed(timings: dict[str, float], step: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[step] = round(time.perf_counter() - start, 4)
