"""What requests ask of an index: jobs, of which many are done together.

Shapes: ``Q`` queries, ``P`` passages, ``H`` width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from evenrank.encoding.encode import Work, encode_texts
from evenrank.encoding.model import EmbeddingModel, Kind
from evenrank.progress import quiet
from evenrank.search.searcher import Result, Searcher

Vectors = NDArray[np.float32]


class Job(ABC):
    """Work of one request: texts to encode, and what is done with their vectors."""

    queries: Sequence[str] = ()
    passages: Sequence[str] = ()

    @property
    def texts(self) -> int:
        """How many texts it has."""
        return len(self.queries) + len(self.passages)

    @property
    def group(self) -> Hashable:
        """Jobs of equal groups are answered together."""
        return id(self)

    @staticmethod
    @abstractmethod
    def answer(
        searcher: Searcher, jobs: Sequence[Any], queries: Vectors, passages: Vectors
    ) -> list[Any]:
        """Return the answer of each job of a group.

        Args:
            searcher: The index.
            jobs: The jobs.
            queries: ``(Q, H)`` unit vectors of the queries of all jobs, in order.
            passages: ``(P, H)`` the same for passages.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchJob(Job):
    """Queries to be searched with the same options.

    Attributes:
        queries: The queries.
        options: Arguments of :meth:`~evenrank.search.searcher.Searcher.search_vectors`.
        query_languages: The language of each query, or ``None`` where it is not known.
    """

    queries: Sequence[str]
    options: Mapping[str, Any] = field(default_factory=dict)
    query_languages: Sequence[str | None] | None = None

    @property
    def group(self) -> Hashable:
        """Searches with the same options are one search."""
        return (self.query_languages is None, _frozen(self.options))

    @staticmethod
    def answer(
        searcher: Searcher, jobs: Sequence[Any], queries: Vectors, passages: Vectors
    ) -> list[list[list[Result]]]:
        """Return, for each job, the results of each of its queries."""
        languages = None
        if jobs[0].query_languages is not None:
            languages = [language for job in jobs for language in job.query_languages]
        found = searcher.search_vectors(queries, query_languages=languages, **jobs[0].options)
        rest = iter(found)
        return [[next(rest) for _ in job.queries] for job in jobs]


@dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddingJob(Job):
    """Texts whose unit vectors are wanted."""

    queries: Sequence[str] = ()
    passages: Sequence[str] = ()

    @staticmethod
    def answer(
        searcher: Searcher, jobs: Sequence[Any], queries: Vectors, passages: Vectors
    ) -> list[Vectors]:
        """Return the vectors, queries first."""
        return [np.concatenate([queries, passages])]


@dataclass(frozen=True, eq=False)
class Reranked:
    """Scores of documents.

    Attributes:
        scores: ``(P,)`` in the order of the documents.
        corrected: Whether the correction of the index was applied.
    """

    scores: NDArray[np.float64]
    corrected: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class RerankJob(Job):
    """One query and documents to be scored.

    Attributes:
        queries: The query.
        passages: The documents.
        languages: Their languages; ``None`` where one is not known.
        query_language: That of the query.
    """

    queries: Sequence[str]
    passages: Sequence[str]
    languages: Sequence[str] | None = None
    query_language: str | None = None

    @staticmethod
    def answer(
        searcher: Searcher, jobs: Sequence[Any], queries: Vectors, passages: Vectors
    ) -> list[Reranked]:
        """Return the scores: with the correction of the index where the languages are known."""
        (job,) = jobs
        correction = searcher.correction
        knows = job.languages is not None and job.query_language is not None
        if correction is None or (correction.needs_language and not knows):
            scores = (passages @ queries[0]).astype(np.float64)
            return [Reranked(scores, corrected=False)]
        languages = None if job.languages is None else np.array(job.languages)
        asked = None if job.query_language is None else np.array([job.query_language])
        best = _best(searcher, queries, correction.best_needed) if correction.best_needed else None
        form = correction.for_index(queries, asked, best)
        stored = correction.stored(passages, languages)
        return [Reranked(form.scores(passages, languages, stored)[0], corrected=True)]


def encode(model: EmbeddingModel, texts: Sequence[str], kind: Kind) -> Vectors:
    """Return unit vectors.

    Raises:
        DataError: A text has no token.
    """
    if not texts:
        return np.empty((0, model.width), dtype=np.float32)
    with quiet():
        work = Work(model, kind, name_of=lambda _: kind)
        return cast(Vectors, encode_texts(work, list(texts)))


def _best(searcher: Searcher, queries: Vectors, k: int) -> NDArray[np.float64]:
    """Return ``(1, L, k)`` the best raw scores of each language of the correction's fit."""
    assert searcher.correction is not None
    languages = searcher.correction.fit.languages("passage")
    known = [language for language in languages if language in searcher.engine.counts]
    (lists,) = searcher.engine.search(queries[:, None], known, k)
    best = np.full((1, len(languages), k), np.nan)
    for place, language in enumerate(languages):
        if language in lists:
            scores = lists[language].scores
            best[0, place, : len(scores)] = scores
    return best


def _frozen(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value that can be hashed; equal values give equal ones."""
    if isinstance(value, Mapping):
        return tuple(sorted((key, _frozen(inner)) for key, inner in value.items()))
    if isinstance(value, list | tuple):
        return (type(value).__name__, *map(_frozen, value))
    return (type(value).__name__, value)
