"""Search: from texts to results, over any engine, with a correction and a policy.

A query goes through these steps: its vector; its form for the correction; the hits of each
language; their corrected scores; the order that the policy makes of them; the passages of the
places that were asked for.

Shapes: ``Q`` queries, ``H`` width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from evenrank.debias.base import Correction
from evenrank.encoding.encode import Work, encode_texts
from evenrank.encoding.model import EmbeddingModel
from evenrank.errors import ConfigError, DataError
from evenrank.progress import quiet
from evenrank.search.balance import Placed, balance_all
from evenrank.search.base import Engine, Lists, Passage, Value
from evenrank.search.correction import Corrector, StoredNumbers
from evenrank.search.engines.exact import ExactEngine
from evenrank.search.options import Options, Plan, check_text

_TRANSLATIONS = 4
"""Places for each group that are asked for at first."""


@dataclass(frozen=True)
class Result:
    """A passage that was found.

    Attributes:
        id: Its id.
        language: Code of its language.
        text: Its text.
        metadata: Its other fields.
        group: Its group; empty if not known.
        score: What the policy made the order by.
        raw_score: The cosine of query and passage; the engine's own score where only that is known.
        correction: What the correction added to the raw score.
        place: Place in the result, from 1.
        place_in_language: Place among the hits of its language, from 1.
        reason: Why it is at this place; empty unless it was asked for.
    """

    id: str
    language: str
    text: str
    metadata: Mapping[str, Value]
    group: str
    score: float
    raw_score: float
    correction: float
    place: int
    place_in_language: int
    reason: str = ""


class Searcher:
    """Searches an engine; :func:`~evenrank.search.opening.open_searcher` opens one.

    Args:
        engine: Where the passages are.
        model: What encodes queries, or a function that opens it at the first query in words.
        correction: Correction of language bias.
        stored: What the index keeps with its passages for the correction.

    Raises:
        DataError, ConfigError: The correction does not fit to the engine.
    """

    def __init__(
        self,
        engine: Engine,
        model: EmbeddingModel | Callable[[], EmbeddingModel] | None = None,
        correction: Correction | None = None,
        stored: StoredNumbers | None = None,
    ) -> None:
        self.engine, self.correction = engine, correction
        self._corrector = Corrector(engine, correction, stored)
        self._plain = Corrector(engine)
        self._source = model

    @cached_property
    def model(self) -> EmbeddingModel:
        """What encodes queries.

        Raises:
            ConfigError: There is none.
            DataError: It is not the model of the passages.
        """
        source = self._source
        if source is None:
            expected = "the model that encoded the passages"
            raise ConfigError(self.engine.name, "no model", expected, "Name it with --model")
        return source if isinstance(source, EmbeddingModel) else source()

    @property
    def languages(self) -> Mapping[str, int]:
        """Passages of each language."""
        return self.engine.counts

    def search(
        self, queries: Sequence[str] | str, **options: Unpack[Options]
    ) -> list[list[Result]]:
        """Return the results of each query, best first.

        Args:
            queries: Texts, without the prompt of the model.
            options: See :class:`Options`.

        Raises:
            ConfigError: An option cannot have that value.
            UnknownNameError: There is no such language, policy or field.
            DataError: A query is empty or too long; or the model fails.
            EvenrankError: The engine cannot be reached.
        """
        texts = [queries] if isinstance(queries, str) else list(queries)
        plan = Plan.of(len(texts), self.engine, options, self.correction)
        for number, text in enumerate(texts):
            check_text(text, "query" if len(texts) == 1 else f"query {number + 1}")
        with quiet():
            vectors = encode_texts(Work(self.model, "query", name_of="query {}".format), texts)
        return self._search(np.asarray(vectors, dtype=np.float32), plan)

    def search_vectors(
        self, vectors: NDArray[np.float32], **options: Unpack[Options]
    ) -> list[list[Result]]:
        """Return the results of ready query vectors, best first.

        Args:
            vectors: ``(Q, H)`` unit vectors of queries, or ``(H,)``.
            options: See :class:`Options`.

        Raises:
            EvenrankError: As :meth:`search`; or the vectors have another width.
        """
        rows = np.atleast_2d(np.asarray(vectors, dtype=np.float32))
        if rows.ndim != 2 or rows.shape[1] != self.engine.width:
            expected = f"width {self.engine.width} of {self.engine.name}"
            found = f"width {rows.shape[-1]}"
            raise DataError("query vectors", found, expected, "Use the encoder of the index")
        plan = Plan.of(len(rows), self.engine, options, self.correction)
        return self._search(rows, plan)

    def close(self) -> None:
        """Let go of files, threads and connections."""
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _search(self, vectors: NDArray[np.float32], plan: Plan) -> list[list[Result]]:
        places = plan.end * (min(len(plan.languages), _TRANSLATIONS) if plan.collapse else 1)
        corrector = self._corrector if plan.corrected else self._plain
        while True:
            depth = plan.policy.depth(places, len(plan.languages))
            lists, raw = corrector.search(
                vectors, plan.query_languages, plan.languages, depth, plan.filters
            )
            ranked = balance_all(
                lists,
                places,
                plan.policy,
                query_languages=plan.query_languages,
                weights=plan.weights,
                shares={lang: self.engine.counts[lang] for lang in plan.languages},
            )
            chosen = self._choose(ranked, plan)
            # a group counts once, so more places may be needed for as many groups
            if not plan.collapse or all(
                len(every) < places or len(some) == plan.k
                for every, some in zip(ranked, chosen, strict=True)
            ):
                break
            places *= 2
        return [
            self._results(some, vector, raw_lists, plan)
            for some, vector, raw_lists in zip(chosen, vectors, raw, strict=True)
        ]

    def _choose(self, ranked: Sequence[Sequence[Placed]], plan: Plan) -> list[list[_Shown]]:
        """Return those places of each query that were asked for, with their passages."""
        if not plan.collapse:
            ranked = [every[plan.offset : plan.end] for every in ranked]
        ids = dict.fromkeys(item.id for every in ranked for item in every)
        passages = dict(zip(ids, self.engine.fetch(ids), strict=True))
        shown = [[_Shown(item, passages[item.id]) for item in every] for every in ranked]
        if not plan.collapse:
            return shown
        return [
            _heads(every, language)[plan.offset : plan.end]
            for every, language in zip(shown, plan.query_languages, strict=True)
        ]

    def _results(
        self, shown: Sequence[_Shown], vector_H: NDArray[np.float32], raw: Lists, plan: Plan
    ) -> list[Result]:
        cosines = self._raw_scores(vector_H, [item for item, _ in shown], raw, plan)
        return [
            Result(
                passage.id,
                passage.language,
                passage.text,
                passage.metadata,
                passage.group,
                item.value,
                cosine,
                item.score - cosine,
                place,
                item.place_in_language,
                item.reason if plan.explain else "",
            )
            for place, ((item, passage), cosine) in enumerate(
                zip(shown, cosines, strict=True), start=plan.offset + 1
            )
        ]

    def _raw_scores(
        self, vector_H: NDArray[np.float32], chosen: list[Placed], raw: Lists, plan: Plan
    ) -> list[float]:
        """Return the cosines of the chosen passages; the engine's scores where only it has them."""
        if plan.corrected and isinstance(self.engine, ExactEngine):
            return list(map(float, self.engine.scores(vector_H, [item.id for item in chosen])))
        wanted = {item.language for item in chosen}
        scores = {
            id_: float(score)
            for language in wanted
            for id_, score in zip(raw[language].ids, raw[language].scores, strict=True)
        }
        return [scores[item.id] for item in chosen]


class _Shown(NamedTuple):
    """A place and its passage."""

    item: Placed
    passage: Passage


def _heads(shown: Sequence[_Shown], query_language: str | None) -> list[_Shown]:
    """Return one of each group, in the order of the best of each: in the language of the query.

    A passage without a group is a group of its own.
    """
    heads: dict[str, _Shown] = {}
    for one in shown:
        passage = one.passage
        key = f"group {passage.group}" if passage.group else f"id {passage.id}"
        head = heads.setdefault(key, one)
        if passage.language == query_language != head.passage.language:
            heads[key] = one
    return list(heads.values())
