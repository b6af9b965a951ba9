"""The result folder: what an evaluation leaves behind, and the only thing that reports read.

``result.json``
    The :class:`Result` below.
``per_query.parquet``
    One row per query and pool: ``query_id``, ``query_lang``, ``parallel`` (int32, a number that
    parallel queries share), ``pool`` (a passage language, or ``multi``), ``relevant`` (relevant
    passages in the pool), then one float64 column per measure, null where a measure does not apply.
``top.parquet``
    The best passages of the pool of all languages: ``query_id``, ``rank``, ``passage_id``,
    ``lang``, ``score``.
``ranks.parquet``
    One row per query and relevant passage: ``query_id``, ``query_lang``, ``passage_id``, ``lang``,
    ``score``, ``rank`` (in the multilingual pool) and ``rank_in_language`` (in the pool of the
    passage's language). The last three are null for a passage that a run misses.
``run.trec``, ``qrels.trec``
    The top of the pool of all languages, and the relevant passages, as TREC files, where asked for.

Settings are the paper's (arXiv 2408.10536, section 3): ``mono`` is query and collection in one
language, ``cross`` every ordered pair of different languages, ``multi`` one pool of all languages.
Every figure is a macro mean: per query, then per (query language, passage language), then over
languages or pairs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from evenrank.errors import DataError
from evenrank.files import write_json

Setting = Literal["mono", "cross", "multi"]
SETTINGS: tuple[Setting, ...] = ("mono", "cross", "multi")
MULTI: Setting = "multi"
"""The multilingual pool: the passages of all languages. Any other pool is named by its language."""

Figures = dict[str, float | None]
"""A figure by measure name; ``None`` where no query could be scored."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BenchmarkFacts(_Model):
    """Which benchmark was used: its card, sizes by language, and a fingerprint of its content."""

    name: str
    title: str
    source: str
    licence: str
    citation: str
    fingerprint: str
    languages: list[str]
    queries: dict[str, int]
    passages: dict[str, int]


class ModelFacts(_Model):
    """Which model was used, or which run was read (``dimension`` 0, and no prompts).

    ``label`` is what tables call it. ``training`` is what the run that made the model saved with
    it (``strategy``, ``seed``, ``languages``, ``config``, and ``log``: a list of ``{"step", "loss",
    "dev"}``), or ``None`` for a model trained elsewhere. ``encoder`` says what was really loaded
    (``encoding.sanity.describe_encoder``); ``None`` for a run.
    """

    label: str
    path: str
    fingerprint: str
    dimension: int
    query_prompt: str
    passage_prompt: str
    training: dict[str, Any] | None = None
    encoder: dict[str, Any] | None = None


class ExampleAnswer(_Model):
    """One of the best passages for an example query; ``rank`` counts in the pool of all."""

    rank: int
    lang: str
    text: str
    score: float
    relevant: bool


class Example(_Model):
    """A query with its best passages, and the rank of its answer in every language."""

    query_id: str
    lang: str
    text: str
    answers: list[ExampleAnswer]
    relevant_ranks: dict[str, int]


class RankedAnswer(_Model):
    """The best relevant passage of one language; ``rank`` is ``None`` if a run does not hold it.

    Ranks count in the pool of all languages.
    """

    lang: str
    rank: int | None
    text: str


class FirstPassage(_Model):
    """The passage that stood first in the pool of all languages."""

    lang: str
    text: str
    relevant: bool


class WorstQuery(_Model):
    """A query that is answered badly (``evaluation/worst.py`` says how it is chosen).

    ``rank_distance`` is ``None`` where relevant passages are in one language only; where a run
    lacks answers it is the least that it can be. ``first`` is ``None`` where a run holds nothing
    for the query.
    """

    query_id: str
    lang: str
    text: str
    rank_distance: int | None
    answers: list[RankedAnswer]
    first: FirstPassage | None


class Share(_Model):
    """Share of each passage language among the best ``cutoff`` passages.

    ``by_query_lang`` maps query language, then passage language, to a share in 0..1;
    ``collection`` is each language's share of the whole collection.
    """

    cutoff: int
    by_query_lang: dict[str, dict[str, float]]
    passages: dict[str, float]


class Result(_Model):
    """One model on one benchmark.

    Attributes:
        format: Version of this layout.
        created: UTC time, ISO 8601.
        settings: Setting, then measure, to the macro mean.
        bias: Bias measure to its macro mean over query languages (pool of all languages).
        references: Bias measure to what it is compared with, by name, as macro means: ``least``,
            the best value there can be, and ``random``, its mean under a language-blind random
            order.
        pairs: Ranking measure, query language, passage language, to the mean over queries;
            the diagonal is ``mono``.
        pool: Measure (ranking and bias), then query language, to the mean in the pool of all.
        scored: Query language to the number of queries that have a relevant passage in the pool.
        share: Language share of the best passages.
        examples: A few queries with their best passages.
        versions: Package versions that produced the figures.
        timings: Seconds by step.
        config: The settings of the evaluation.
        worst: The queries with the largest rank distance, the worst first, each question once;
            empty in results of versions that did not keep them.
    """

    format: Literal[2] = 2
    created: str
    benchmark: BenchmarkFacts
    model: ModelFacts
    settings: dict[Setting, Figures]
    bias: Figures
    pairs: dict[str, dict[str, dict[str, float | None]]]
    pool: dict[str, dict[str, float | None]]
    scored: dict[str, int]
    share: Share
    examples: list[Example]
    versions: dict[str, str]
    timings: dict[str, float]
    config: dict[str, Any]
    references: dict[str, Figures] = {}
    worst: list[WorstQuery] = []


def write_result(
    folder: Path,
    result: Result,
    per_query: pa.Table,
    top: pa.Table,
    ranks: pa.Table | None = None,
) -> None:
    """Write a result into a folder that exists (see ``evenrank.files.whole_folder``)."""
    tables = {"per_query": per_query, "top": top, "ranks": ranks}
    for name, table in tables.items():
        if table is not None:
            pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    write_json(folder / "result.json", result.model_dump(mode="json"))


def read_result(folder: Path) -> Result:
    """Read a result folder's ``result.json``.

    Raises:
        DataError: The folder has none, or it is not one of ours.
    """
    path = folder / "result.json" if folder.is_dir() else folder
    try:
        return Result.model_validate_json(path.read_bytes())
    except FileNotFoundError as cause:
        raise DataError(
            str(folder),
            "no result.json",
            "a folder written by 'evenrank evaluate'",
            "Evaluate a model first, or correct the path",
        ) from cause
    except ValidationError as cause:
        first = cause.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise DataError(
            str(path),
            f"{where}: {first['msg']}",
            "a result of format 2",
            "Evaluate the model again with this version",
        ) from cause
