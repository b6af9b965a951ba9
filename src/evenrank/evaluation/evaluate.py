"""Evaluate a model on a benchmark: encode, rank, score, and write the result.

With ``torchrun``, or within a process group, each process encodes a part of the texts and ranks a
part of the passages; the first one scores and writes. The result is that of one process, because
the batches are the same, and the numbers of passages above each relevant one add up.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark, Relevance, load_benchmark
from evenrank.benchmarks.export import check_trec_ids, in_languages
from evenrank.debias.base import Correction
from evenrank.encoding.encode import EmptyTexts, empty_rows
from evenrank.encoding.model import EmbeddingModel
from evenrank.encoding.opening import VECTORS, open_model
from evenrank.encoding.store import Precision, Rows
from evenrank.evaluation.assemble import assemble, model_facts
from evenrank.evaluation.debias import correct_embeddings, open_correction, rank_corrected
from evenrank.evaluation.encode import BATCH_SIZE, Embeddings, embed
from evenrank.files import require_writable
from evenrank.measures.selection import DEFAULT_MEASURES, Selection, select_measures
from evenrank.processes import ALONE, Team, joined, neighbours, own_device
from evenrank.progress import quiet
from evenrank.ranking.gpu import require_device
from evenrank.ranking.last import rank_last
from evenrank.ranking.rank import rank
from evenrank.ranking.ranks import Ranking
from evenrank.results.folder import Evaluation, reserved, write_evaluation
from evenrank.results.schema import ModelFacts
from evenrank.results.trec import write_trec

T = TypeVar("T")

TOP_K = 100


def evaluate(
    model: object,
    benchmark: str | Benchmark,
    *,
    languages: str | Sequence[str] | None = None,
    model_settings: Mapping[str, Any] | None = None,
    output: str | Path | None = None,
    measures: str | Sequence[str] = DEFAULT_MEASURES,
    label: str | None = None,
    batch_size: int = BATCH_SIZE,
    top_k: int = TOP_K,
    write_run: bool = False,
    store: str | Path | None = None,
    precision: Precision = "float32",
    empty_texts: EmptyTexts = "error",
    rank_device: str | None = None,
    debias: str | Path | Correction | None = None,
    overwrite: bool = False,
    shared: bool = True,
) -> Evaluation:
    """Evaluate an encoder on a benchmark: every language pair, every pool, every measure.

    Args:
        model: As for :func:`~evenrank.encoding.opening.open_model`.
        benchmark: A name such as ``xquad-r``, or the benchmark itself.
        languages: Evaluate as if the benchmark had these languages only; all if ``None``.
        model_settings: Settings of the model, such as ``{"backend": "onnx"}``.
        output: Result folder to write; nothing is written if ``None``.
        measures: Names of measures: a list, or a text such as ``"AP,R@10"``.
        label: Name of the model in tables; by default the name of its folder.
        batch_size: Texts encoded at once.
        top_k: Passages kept from the top of the multilingual pool; at least the share's cutoff.
        write_run: Write ``run.trec`` and ``qrels.trec`` as well.
        store: Embedding store to read from and to add to.
        precision: Precision in the store.
        empty_texts: ``last`` ranks passages without a direction (no token) last and counts them.
        rank_device: Device of PyTorch that ranks, such as ``cuda``; CPU threads if ``None``.
        debias: A correction of language bias, or its file.
        overwrite: Replace a result folder that exists; nothing else is ever replaced.
        shared: Share the work with all processes of ``torchrun`` or the group, which all call.

    Raises:
        EvenrankError: A name is unknown, ``output`` exists, an input is damaged, a process failed.
    """
    reads = (store, model, benchmark, debias)
    with _team(shared) as team, _ready(team, output, overwrite, measures, rank_device, reads) as by:
        data = team.first_then_others(partial(_loaded, benchmark, languages, write_run=write_run))
        source, facts = _opened(model, model_settings, label)
        correction = open_correction(debias, data, facts.fingerprint, rank_device)
        embedding = partial(embed, source, data, batch_size, store, precision, empty_texts, team)
        embeddings, encode_time = _timed("encode", embedding)
        top_k = max(top_k, by.share.cutoff or 0)
        ranks = partial(rank_embeddings, embeddings, data, top_k, correction, rank_device, team)
        ranking, rank_time = _timed("rank", ranks)
        config: dict[str, Any] = {"batch_size": batch_size, "top_k": top_k}
        config |= {"precision": precision if store else None, "rank_device": rank_device}
        config |= _facts(source, data, correction, embeddings, languages, empty_texts)
        found = partial(assemble, data, facts, ranking, by.names, encode_time | rank_time, config)
        run = (data, ranking) if write_run else None
        return team.from_first(lambda: _write(found(), output, run, overwrite))


@contextmanager
def _team(shared: bool) -> Iterator[Team]:
    with joined() if shared else nullcontext(ALONE) as team, quiet(not team.first):
        yield team


@contextmanager
def _ready(
    team: Team,
    output: str | Path | None,
    overwrite: bool,
    measures: str | Sequence[str],
    rank_device: str | None,
    reads: tuple[object, ...],
) -> Iterator[Selection]:
    """Refuse first what would fail last, and keep the result folder reserved.

    Args:
        team: The processes, of which the first writes.
        output: The result folder.
        overwrite: Replace a result folder that exists.
        measures: Names of measures.
        rank_device: Device that ranks.
        reads: The store, and everything else that is read, such as names and objects.
    """
    selection = select_measures(measures)
    require_device(rank_device)
    paths = [
        str(one).removeprefix("corpus:").removeprefix(VECTORS)
        for one in reads
        if isinstance(one, str | Path)
    ]
    with reserved(output if team.first else None, *paths, overwrite=overwrite):
        if isinstance(reads[0], str | Path):
            require_writable(reads[0])
        yield selection


def _opened(
    model: object, settings: Mapping[str, Any] | None, label: str | None
) -> tuple[EmbeddingModel, ModelFacts]:
    """Open a model on the device of this process."""
    source = open_model(model, settings, device=own_device())
    return source, model_facts(source, label)


def _loaded(
    benchmark: str | Benchmark, languages: str | Sequence[str] | None, *, write_run: bool
) -> Benchmark:
    """Load a benchmark whose ids a TREC file can contain, if one is to be written."""
    data = in_languages(load_benchmark(benchmark), languages)
    if write_run:
        check_trec_ids(data)
    return data


def _write(
    evaluation: Evaluation,
    output: str | Path | None,
    run: tuple[Benchmark, Ranking] | None,
    overwrite: bool,
) -> Evaluation:
    """Write a result, with TREC files of a run if there is one."""
    tag = evaluation.result.model.label
    trec = partial(write_trec, benchmark=run[0], ranking=run[1], tag=tag) if run else None
    return write_evaluation(evaluation, output, overwrite=overwrite, more=trec)


def _facts(
    source: EmbeddingModel,
    data: Benchmark,
    correction: Correction | None,
    embeddings: Embeddings,
    languages: object,
    empty_texts: EmptyTexts,
) -> dict[str, Any]:
    last = empty_texts == "last"
    return {
        "model_settings": dict(source.settings),
        "tokens": source.tokens,
        "debias": correction and correction.facts,
        "empty_passages": len(empty_rows(embeddings.passages)) if last else None,
        "languages": list(data.languages) if languages else None,
    }


def rank_embeddings(
    embeddings: Embeddings,
    benchmark: Benchmark,
    top_k: int = TOP_K,
    correction: Correction | None = None,
    device: str | None = None,
    team: Team = ALONE,
) -> Ranking:
    """Rank a benchmark's passages for each of its queries.

    Passages whose embedding is a row of zeros rank last. If all embeddings are float16, they stay
    float16 on the device, without any rounding.

    Args:
        embeddings: Of its queries and passages.
        benchmark: The benchmark.
        top_k: Passages to keep from the top of the multilingual pool.
        correction: A correction of language bias; each process ranks corrected scores alone.
        device: Device of PyTorch that ranks; CPU threads if ``None``.
        team: Processes that rank a part of the passages each; every one gets the whole ranking.

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


def _timed(step: str, work: Callable[[], T]) -> tuple[T, dict[str, float]]:
    start = time.perf_counter()
    return work(), {step: round(time.perf_counter() - start, 4)}
