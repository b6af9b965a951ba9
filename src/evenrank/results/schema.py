"""What ``result.json`` contains, and the columns of the tables next to it.

``result.json``
    The :class:`Result` below.
``per_query.parquet``
    One row per query and pool: ``query_id``, ``query_lang``, ``parallel`` (int32, a number that
    parallel queries share), ``pool`` (a passage language, or ``multi``), ``relevant`` (relevant
    passages in the pool), then one float64 column per measure, null where a measure does not apply.
    The columns ``single AP`` and so on have the values in the setting ``single``, where the
    relevant passages of the query exist in the language ``pool`` only; null in other rows.
``top.parquet``
    The best passages of the multilingual pool: ``query_id``, ``rank``, ``passage_id``, ``lang``,
    ``score``.
``ranks.parquet``
    One row per query and relevant passage: ``query_id``, ``query_lang``, ``passage_id``, ``lang``,
    ``score``, ``rank`` (in the multilingual pool) and ``rank_in_language`` (in the pool of the
    passage's language). The last three are null for a passage that a run misses.
``run.trec``, ``qrels.trec``
    The top of the multilingual pool, and the relevant passages, as TREC files, if requested.

``SETTINGS`` below defines the settings: the first three after arXiv 2408.10536, section 3, the
others for an answer that exists in one language only (``single``; ``docs/measures.md``). Every
figure is a macro mean: per query, then per query language and pool, then over languages or pairs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

Setting = Literal["mono", "cross", "multi", "own", "other", "even", "gap"]
SETTINGS: dict[Setting, str] = {
    "mono": "The query and the passages are in the same language.",
    "cross": "The query and the passages are in two different languages; every ordered pair "
    "counts.",
    "multi": "The query is ranked against the multilingual pool.",
    "own": "The multilingual pool, if the answer exists in the query’s language only.",
    "other": "The multilingual pool, if the answer exists in one other language only.",
    "even": "The multilingual pool, if the answer exists in one language only: the mean over all "
    "pairs of a query language and a passage language.",
    "gap": "The access gap: own minus other.",
}
"""Each setting with its definition, in the order of all tables."""
SINGLE: tuple[Setting, ...] = ("own", "other", "even", "gap")
"""The settings of an answer that exists in one language only."""
GAP: Setting = "gap"
"""The access gap is a loss: smaller is better if higher is better in its measure."""
MULTI: Setting = "multi"
"""The multilingual pool: the passages of all languages. Any other pool is named by its language."""
FORMAT: Literal[2] = 2

Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$")]
Figures = dict[str, float | None]
"""A figure by measure name; ``None`` where no query could be scored."""

SINGLE_PREFIX = "single "


def single_column(measure: str) -> str:
    """Return the column of ``per_query.parquet`` with a measure in the setting ``single``."""
    return SINGLE_PREFIX + measure


PER_QUERY = {
    "query_id": pa.string(),
    "query_lang": pa.string(),
    "parallel": pa.int32(),
    "pool": pa.string(),
    "relevant": pa.int32(),
}
TOP = {
    "query_id": pa.string(),
    "rank": pa.int32(),
    "passage_id": pa.string(),
    "lang": pa.string(),
    "score": pa.float32(),
}
RANKS = {
    "query_id": pa.string(),
    "query_lang": pa.string(),
    "passage_id": pa.string(),
    "lang": pa.string(),
    "score": pa.float32(),
    "rank": pa.int64(),
    "rank_in_language": pa.int64(),
}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BenchmarkFacts(_Model):
    """Which benchmark was used: its card, its size by language, the fingerprint of its content."""

    name: str
    title: str
    source: str
    licence: str
    citation: str
    fingerprint: str
    languages: list[Language]
    queries: dict[Language, int]
    passages: dict[Language, int]


class ModelFacts(_Model):
    """Which model was used, or which run was read (``dimension`` 0, and no prompts).

    ``label`` is its name in tables. ``training`` is what training saved with the model
    (``strategy``, ``seed``, ``languages``, ``config``, and ``log``: a list of ``{"step", "loss",
    "dev"}``), or ``None`` for a model from elsewhere. ``encoder`` says what was really loaded
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
    """One of the best passages for an example query; ``rank`` counts in the multilingual pool."""

    rank: int
    lang: Language
    text: str
    score: float
    relevant: bool


class Example(_Model):
    """A query with its best passages, and the rank of its relevant passage in every language."""

    query_id: str
    lang: Language
    text: str
    answers: list[ExampleAnswer]
    relevant_ranks: dict[Language, int]


class RankedAnswer(_Model):
    """The best relevant passage of one language; ``rank`` is ``None`` if it is not in the run.

    Ranks count in the multilingual pool.
    """

    lang: Language
    rank: int | None
    text: str


class FirstPassage(_Model):
    """The first passage in the multilingual pool."""

    lang: Language
    text: str
    relevant: bool


class WorstQuery(_Model):
    """A query with a poor ranking (``evaluation/worst.py`` defines which).

    ``rank_distance`` is ``None`` if relevant passages are in one language only; if a run misses
    some of them it is a minimum. ``first`` is ``None`` if a run has no passage for the query.
    """

    query_id: str
    lang: Language
    text: str
    rank_distance: int | None
    answers: list[RankedAnswer]
    first: FirstPassage | None


class Share(_Model):
    """Share of each passage language among the best ``cutoff`` passages.

    ``by_query_lang`` maps query language, then passage language, to a share in 0..1; ``passages``
    is each language's share of the multilingual pool.
    """

    cutoff: int
    by_query_lang: dict[Language, dict[Language, float]]
    passages: dict[Language, float]


class Summary(_Model):
    """The figures of a ranking.

    Attributes:
        settings: Setting, then measure, to the macro mean.
        bias: Bias measure to its macro mean over query languages (multilingual pool).
        references: Bias measure to the figures that it is compared with, as macro means:
            the best possible value, and ``random``, the mean of a random order.
        pairs: Ranking measure, query language, passage language, to the mean over queries;
            the diagonal is ``mono``.
        single: As ``pairs``, in the multilingual pool, for answers that exist in the passage
            language only.
        pool: Measure (ranking and bias), then query language, to the mean in the multilingual pool.
        scored: Query language to the number of queries with a relevant passage.
        share: Language share of the best passages.
    """

    settings: dict[Setting, Figures]
    bias: Figures
    references: dict[str, Figures] = {}
    pairs: dict[str, dict[Language, dict[Language, float | None]]]
    single: dict[str, dict[Language, dict[Language, float | None]]] = {}
    pool: dict[str, dict[Language, float | None]]
    scored: dict[Language, int]
    share: Share


class Result(Summary):
    """One model, or one run, on one benchmark.

    Attributes:
        format: Version of this layout.
        created: UTC time, ISO 8601.
        examples: A few queries with their best passages.
        versions: Package versions that produced the figures.
        timings: Seconds by step.
        config: The settings of the evaluation.
        worst: The queries with the largest rank distance, largest first; of parallel queries the
            worst one.
    """

    format: Literal[2] = FORMAT
    created: str
    benchmark: BenchmarkFacts
    model: ModelFacts
    examples: list[Example]
    versions: dict[str, str]
    timings: dict[str, float]
    config: dict[str, Any]
    worst: list[WorstQuery] = []

    @property
    def depth(self) -> int | None:
        """Number of passages after which the run ends; ``None`` for a model."""
        run = self.config.get("run")
        depth = run.get("depth") if isinstance(run, dict) else None
        return depth if isinstance(depth, int) else None

    @model_validator(mode="after")
    def _languages_are_listed(self) -> Result:
        if unknown := set(self._languages()) - {*self.benchmark.languages}:
            raise ValueError(f"language {min(unknown)!r} is not a language of the benchmark")
        return self

    def _languages(self) -> Iterable[str]:
        """Return every language that the result names."""
        matrices = [*self.pairs.values(), *self.single.values()]
        by_lang: list[Iterable[str]] = [
            self.benchmark.queries,
            self.benchmark.passages,
            self.scored,
            self.share.passages,
            self.share.by_query_lang,
            *self.share.by_query_lang.values(),
            *matrices,
            *(row for matrix in matrices for row in matrix.values()),
            *self.pool.values(),
            *(example.relevant_ranks for example in self.examples),
        ]
        named: list[Example | WorstQuery | ExampleAnswer | RankedAnswer | FirstPassage] = [
            *self.examples,
            *self.worst,
            *(answer for example in self.examples for answer in example.answers),
            *(answer for query in self.worst for answer in query.answers),
            *(query.first for query in self.worst if query.first),
        ]
        return [*(lang for langs in by_lang for lang in langs), *(one.lang for one in named)]
