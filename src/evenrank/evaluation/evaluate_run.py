"""Scoring a run: every measure of a model's evaluation, for the run of any system.

The run replaces the pass over all scores. The ranking in the pool of one language is the run
without passages of other languages. A relevant passage that the run misses adds nothing to ranking
measures, as in trec_eval; bias measures give it the rank after the run's longest ranking
(``docs/measures.md``).

Shapes: ``N`` lines of the run, ``Q`` queries, ``L`` languages, ``P`` pairs of a query and one of
its relevant passages.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from evenrank.benchmarks.benchmark import Benchmark, load_benchmark
from evenrank.errors import ConfigError
from evenrank.evaluation.assemble import assemble
from evenrank.measures.selection import DEFAULT_MEASURES, Selection, select_measures
from evenrank.ranking.ranks import Ranking
from evenrank.results.folder import Evaluation, reserved, write_evaluation
from evenrank.results.run_files import Run, read_benchmark, read_run
from evenrank.results.schema import ModelFacts


def evaluate_run(
    run: str | Path,
    benchmark: str | Benchmark | None = None,
    *,
    qrels: str | Path | None = None,
    languages_file: str | Path | None = None,
    relevance_level: int = 1,
    output: str | Path | None = None,
    measures: str | Sequence[str] = DEFAULT_MEASURES,
    label: str | None = None,
    overwrite: bool = False,
) -> Evaluation:
    """Evaluate a system's run on a benchmark: every language pair, every pool, every measure.

    ``result.config["run"]`` says where the run ends and what it misses. ``ranks.parquet`` has
    nulls for relevant passages that are not in the run.

    Args:
        run: A TREC run file with the benchmark's ids.
        benchmark: A name such as ``xquad-r`` or ``corpus:PATH``, or the benchmark itself.
        qrels: In place of a benchmark, with ``languages_file``: the relevant passages.
        languages_file: The languages of all ids; see ``docs/interoperability.md``.
        relevance_level: With ``qrels``: the minimum grade that is relevant.
        output: Result folder to write; nothing is written if ``None``.
        measures: Names of measures.
        label: Name of the system in tables; by default the run's tag.
        overwrite: Replace a result folder that exists; nothing else is ever replaced.

    Raises:
        ConfigError: A measure or benchmark is unknown or is deeper than the run, or ``output``
            exists.
        DataError: The run or the benchmark cannot be read.
    """
    selection = select_measures(measures)
    inputs = [path for path in (run, qrels, languages_file) if path is not None]
    with reserved(output, *inputs, overwrite=overwrite):
        data = run_benchmark(benchmark, qrels, languages_file, relevance_level)
        start = time.perf_counter()
        found = read_run(Path(run), data)
        ranking = ranking_of(found, data)
        seconds = round(time.perf_counter() - start, 4)
        _refuse_deeper(selection, ranking)
        evaluation = assemble(
            data,
            _facts(found, label),
            ranking,
            selection.names,
            timings={"read": seconds},
            config={"run": coverage(found, data, ranking)},
        )
        if not pc.any(pc.not_equal(data.passages.texts, "")).as_py():  # no texts to show
            shown = evaluation.result.model_copy(update={"examples": []})
            evaluation = replace(evaluation, result=shown)
        return write_evaluation(evaluation, output, overwrite=overwrite)


def run_benchmark(
    benchmark: str | Benchmark | None,
    qrels: str | Path | None,
    languages_file: str | Path | None,
    relevance_level: int = 1,
) -> Benchmark:
    """Return the benchmark of a run: the one that is named, or that of qrels and languages.

    Raises:
        ConfigError: Both are given, neither, or a part of the second.
        DataError: A file cannot be read.
    """
    if qrels is not None and languages_file is not None and benchmark is None:
        return read_benchmark(Path(qrels), Path(languages_file), relevance_level=relevance_level)
    if benchmark is None or qrels is not None or languages_file is not None or relevance_level != 1:
        raise ConfigError(
            "evaluate_run",
            "no benchmark, or one next to qrels, languages_file or relevance_level",
            "a benchmark, or qrels with languages_file",
            "Name one of them",
        )
    return load_benchmark(benchmark)


def ranking_of(run: Run, benchmark: Benchmark) -> Ranking:
    """Return what a pass over all scores would, as far as the run goes.

    Args:
        run: The run.
        benchmark: The benchmark that it was read with.
    """
    relevance, passages = benchmark.relevance, benchmark.passages
    bounds = np.searchsorted(run.queries, np.arange(len(benchmark.queries) + 1))
    places = np.arange(len(run.queries)) - bounds[run.queries]
    shape = (len(benchmark.queries), int(places.max()) + 1)
    top_passages = np.full(shape, -1, dtype=np.int64)
    top_scores = np.full(shape, -np.inf, dtype=np.float32)
    top_passages[run.queries, places] = run.passages
    top_scores[run.queries, places] = run.scores

    owners = relevance.query_of
    keys = run.queries * len(passages) + run.passages
    order = np.argsort(keys)
    wanted = owners * len(passages) + relevance.passages
    at = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
    retrieved = keys[at] == wanted
    line = np.where(retrieved, at, bounds[owners + 1])

    # lines of the run in the language of each pair's passage: sorted by language, then by line
    langs = passages.langs[run.passages].astype(np.int64)
    lines = np.sort(langs * len(keys) + np.arange(len(keys)))
    first = passages.langs[relevance.passages].astype(np.int64) * len(keys)
    begin = bounds[owners]
    in_language = np.searchsorted(lines, first + line) - np.searchsorted(lines, first + begin)
    scores = np.where(retrieved, run.scores[at], np.float32(np.nan))
    return Ranking(in_language, line - begin, scores, top_passages, top_scores, retrieved)


def coverage(run: Run, benchmark: Benchmark, ranking: Ranking) -> dict[str, Any]:
    """Return the depth of the run, what it misses of what is scored, and the grades."""
    judged = np.diff(benchmark.relevance.indptr) > 0
    held = np.zeros(len(benchmark.queries), dtype=bool)
    held[run.queries] = True
    retrieved = np.ones(0) if ranking.retrieved is None else ranking.retrieved
    return {
        "file": run.path.name,
        "tag": run.tag,
        "depth": ranking.depth,
        "judged_queries": int(judged.sum()),
        "queries_not_in_run": int((judged & ~held).sum()),
        "relevant": len(retrieved),
        "relevant_not_in_run": int(len(retrieved) - retrieved.sum()),
        "grades": _counts_by_grade(benchmark),
    }


def _counts_by_grade(benchmark: Benchmark) -> dict[str, int]:
    """Return how many relevant passages have each grade."""
    grades = benchmark.relevance.grades
    if grades is None:
        return {"1": len(benchmark.relevance.passages)}
    found, counts = np.unique(grades, return_counts=True)
    return {str(grade): int(count) for grade, count in zip(found, counts, strict=True)}


def _facts(run: Run, label: str | None) -> ModelFacts:
    return ModelFacts(
        label=label or run.tag,
        path=str(run.path),
        fingerprint=run.fingerprint,
        dimension=0,  # a run has no embeddings
        query_prompt="",
        passage_prompt="",
    )


def _refuse_deeper(selection: Selection, ranking: Ranking) -> None:
    """Refuse bias measures that look at ranks which the run does not have."""
    for bound in selection.bias:
        if (bound.cutoff or 0) > ranking.depth:
            raise ConfigError(
                f"measure {str(bound)!r}",
                f"a run that ends after {ranking.depth} passages",
                f"at least {bound.cutoff}",
                "Take a smaller cutoff or a deeper run",
            )
