"""From a ranking to an evaluation: its figures and tables, with the facts about their origin."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from evenrank.benchmarks.benchmark import Benchmark, TextSet
from evenrank.encoding.model import EmbeddingModel
from evenrank.errors import DataError
from evenrank.evaluation.examples import build_examples
from evenrank.evaluation.score import score
from evenrank.evaluation.worst import build_worst
from evenrank.ranking.cells import LanguageCells
from evenrank.ranking.ranks import Ranking
from evenrank.results.folder import Evaluation
from evenrank.results.frames import ranks_table, top_table
from evenrank.results.schema import BenchmarkFacts, ModelFacts, Result, Summary

PACKAGES = ("evenrank", "numpy", "sentence-transformers", "torch", "transformers")


def assemble(
    benchmark: Benchmark,
    model: ModelFacts,
    ranking: Ranking,
    measures: Sequence[str],
    timings: Mapping[str, float],
    config: Mapping[str, Any],
    single: LanguageCells | None = None,
) -> Evaluation:
    """Compute all figures of a ranking, and return them with its tables.

    Args:
        benchmark: The benchmark that was ranked.
        model: The model that ranked it.
        ranking: The ranking.
        measures: Names of measures.
        timings: Seconds by step.
        config: The settings of the evaluation; those that are ``None`` or empty are left out.
        single: As for :func:`~evenrank.evaluation.score.score`.
    """
    start = time.perf_counter()
    scores = score(benchmark, ranking, measures, single)
    seconds = round(time.perf_counter() - start, 4)
    result = Result(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        benchmark=benchmark_facts(benchmark),
        model=model,
        **{name: getattr(scores, name) for name in Summary.model_fields},
        examples=build_examples(benchmark, ranking),
        versions=versions(),
        timings={**timings, "score": seconds},
        config={"measures": list(measures), **_known(config)},
        worst=build_worst(benchmark, ranking),
    )
    top, ranks = top_table(benchmark, ranking), ranks_table(benchmark, ranking)
    tables = {"per_query": scores.per_query, "top": top, "ranks": ranks}
    return Evaluation(result, in_memory=tables)


def _known(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if value not in (None, {})}


def benchmark_facts(benchmark: Benchmark) -> BenchmarkFacts:
    """Return the benchmark's card, sizes and fingerprint."""
    return BenchmarkFacts(
        name=benchmark.name,
        title=benchmark.card.title,
        source=benchmark.card.source,
        licence=benchmark.card.licence,
        citation=benchmark.card.citation,
        fingerprint=benchmark.fingerprint,
        languages=list(benchmark.languages),
        queries=_sizes(benchmark, benchmark.queries),
        passages=_sizes(benchmark, benchmark.passages),
    )


def model_facts(model: EmbeddingModel, label: str | None = None) -> ModelFacts:
    """Return what identifies a model, with what training saved next to it.

    Args:
        model: The source of embeddings.
        label: Its name in tables; by default its own.

    Raises:
        DataError: The training's ``evenrank.json`` is damaged.
    """
    query_prompt, passage_prompt = model.prompts
    return ModelFacts(
        label=label or model.label,
        path=model.name,
        fingerprint=model.fingerprint,
        dimension=model.width,
        query_prompt=query_prompt,
        passage_prompt=passage_prompt,
        encoder=model.describe(),
        training=_training_facts(Path(model.name) / "evenrank.json") if model.name else None,
    )


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that figures depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def _sizes(benchmark: Benchmark, texts: TextSet) -> dict[str, int]:
    counts = np.bincount(texts.langs, minlength=len(benchmark.languages)).tolist()
    return {lang: count for lang, count in zip(benchmark.languages, counts, strict=True) if count}


def _training_facts(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        facts = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as cause:
        raise _no_facts(path, str(cause)) from cause
    if not isinstance(facts, dict):
        raise _no_facts(path, type(facts).__name__)
    return facts


def _no_facts(path: Path, found: str) -> DataError:
    return DataError(
        str(path),
        found,
        "the JSON object that 'evenrank train' writes",
        "Restore the file, or remove it to evaluate the model without its training facts",
    )
