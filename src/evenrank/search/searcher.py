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
from typing import NamedTuple, Self, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from evenrank.data.rows import is_visible
from evenrank.debias.base import Correction
from evenrank.encoding.encode import Work, encode_texts
from evenrank.encoding.model import EmbeddingModel
from evenrank.errors import ConfigError, DataError, UnknownNameError
from evenrank.languages import normalise, parse_languages
from evenrank.progress import quiet
from evenrank.search.base import Engine, Filters, Lists, Passage, Value
from evenrank.search.correction import Corrector, StoredNumbers
from evenrank.search.engines.exact import ExactEngine

LARGEST = 10_000
"""Places of one search, those that are skipped included."""
LONGEST = 32_768
"""Characters of a query."""
_TRANSLATIONS = 4
"""Places for each group that are asked for at first."""

Languages = str | Sequence[str]


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


class Options(TypedDict, total=False):
    """What a search may be asked for.

    Attributes:
        k: Places of the result (10).
        offset: Places to skip: ``offset=10`` is the second page of ten.
        policy: How languages are merged: the name of a policy, or a policy.
        balance: 0 to 1, where the policy has such a dial.
        query_languages: Language of all queries, or of each; ``None`` where it is not known.
        languages: Languages to search; all if ``None``.
        exclude: Languages to leave out.
        weights: Languages that the user prefers, and by how much.
        filters: Metadata fields and the values that a passage may have there.
        collapse: Show one passage of each group, in the language of the query if there is one
            among those that were found.
        explain: Give a reason for each place.
    """

    k: int
    offset: int
    policy: str | None
    balance: float | None
    query_languages: str | Sequence[str | None] | None
    languages: Languages | None
    exclude: Languages | None
    weights: Mapping[str, float] | None
    filters: Filters | None
    collapse: bool
    explain: bool


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
        plan = _Plan.of(len(texts), self.engine, options)
        for number, text in enumerate(texts):
            _check_text(text, "query" if len(texts) == 1 else f"query {number + 1}")
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
        return self._search(rows, _Plan.of(len(rows), self.engine, options))

    def close(self) -> None:
        """Let go of files, threads and connections."""
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _search(self, vectors: NDArray[np.float32], plan: _Plan) -> list[list[Result]]:
        places = plan.end * (min(len(plan.languages), _TRANSLATIONS) if plan.collapse else 1)
        while True:
            lists, raw = self._corrector.search(
                vectors, plan.query_languages, plan.languages, places, plan.filters
            )
            found = [
                self._choose(_merged(one, places), query_language, plan)
                for one, query_language in zip(lists, plan.query_languages, strict=True)
            ]
            # a group counts once, so more places may be needed for as many groups
            short = any(len(one.placed) == places and len(one.chosen) < plan.k for one in found)
            if not (plan.collapse and short):
                break
            places *= 2
        return [
            self._results(one, vector, raw_lists, plan)
            for one, vector, raw_lists in zip(found, vectors, raw, strict=True)
        ]

    def _choose(self, placed: list[Placed], query_language: str | None, plan: _Plan) -> _Chosen:
        """Return those places that were asked for, with their passages."""
        if not plan.collapse:
            chosen = placed[plan.offset : plan.end]
            return _Chosen(placed, chosen, self.engine.fetch(item.id for item in chosen))
        passages = self.engine.fetch(item.id for item in placed)
        heads = _heads(placed, passages, query_language)[plan.offset : plan.end]
        return _Chosen(placed, [placed[at] for at in heads], [passages[at] for at in heads])

    def _results(
        self, found: _Chosen, vector_H: NDArray[np.float32], raw: Lists, plan: _Plan
    ) -> list[Result]:
        cosines = self._raw_scores(vector_H, found.chosen, raw)
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
            for place, (item, passage, cosine) in enumerate(
                zip(found.chosen, found.passages, cosines, strict=True), start=plan.offset + 1
            )
        ]

    def _raw_scores(
        self, vector_H: NDArray[np.float32], chosen: list[Placed], raw: Lists
    ) -> list[float]:
        """Return the cosines of the chosen passages; the engine's scores where only it has them."""
        changed = self.correction is not None and self.correction.changes_vectors
        if changed and isinstance(self.engine, ExactEngine):
            return list(map(float, self.engine.scores(vector_H, [item.id for item in chosen])))
        wanted = {item.language for item in chosen}
        scores = {
            id_: float(score)
            for language in wanted
            for id_, score in zip(raw[language].ids, raw[language].scores, strict=True)
        }
        return [scores[item.id] for item in chosen]


class _Chosen(NamedTuple):
    """The places of a query, and those of them that are shown."""

    placed: list[Placed]
    chosen: list[Placed]
    passages: list[Passage]


@dataclass(frozen=True)
class _Plan:
    """Checked options."""

    k: int
    offset: int
    query_languages: list[str | None]
    languages: list[str]
    filters: Filters | None
    collapse: bool
    explain: bool

    @property
    def end(self) -> int:
        """Places of the result with those that are skipped."""
        return self.offset + self.k

    @classmethod
    def of(cls, queries: int, engine: Engine, options: Options) -> _Plan:
        """Check options."""
        for name in options:
            if name not in Options.__annotations__:
                raise UnknownNameError("option", name, Options.__annotations__, "search")
        k, offset = options.get("k", 10), options.get("offset", 0)
        _check_whole("k", k, 1)
        _check_whole("offset", offset, 0)
        if offset + k > LARGEST:
            expected = f"offset + k of at most {LARGEST:,}"
            raise ConfigError("search", f"{offset + k:,} places", expected, "Ask for fewer")
        return cls(
            k,
            offset,
            _query_languages(options.get("query_languages"), queries),
            _chosen_languages(options.get("languages"), options.get("exclude"), engine),
            options.get("filters") or None,
            bool(options.get("collapse", False)),
            bool(options.get("explain", False)),
        )


def _heads(
    placed: Sequence[Placed], passages: Sequence[Passage], query_language: str | None
) -> list[int]:
    """Return one of each group, in the order of the best of each: in the language of the query.

    A passage without a group is a group of its own.
    """
    heads: dict[str, int] = {}
    for at, passage in enumerate(passages):
        key = f"group {passage.group}" if passage.group else f"id {passage.id}"
        first = heads.setdefault(key, at)
        own = passages[first].language == query_language
        if passage.language == query_language and not own:
            heads[key] = at
    return list(heads.values())


def _check_whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        expected = f"a whole number, at least {least}"
        raise ConfigError(f"search, {name}", repr(value), expected, "Correct it")


def _check_text(text: object, place: str) -> None:
    """Refuse a query that cannot be meant."""
    if not isinstance(text, str):
        raise DataError(place, type(text).__name__, "a text", "Pass a string for each query")
    if len(text) > LONGEST:
        found, expected = f"{len(text):,} characters", f"at most {LONGEST:,}"
        raise DataError(place, found, expected, "Shorten it")
    if not is_visible(text):
        found = "nothing visible" if text else "an empty text"
        raise DataError(place, found, "a letter, number or sign", "Write a query")


def _query_languages(given: str | Sequence[str | None] | None, queries: int) -> list[str | None]:
    if given is None or isinstance(given, str):
        return [given and normalise(given, "query language")] * queries
    if len(given) != queries:
        found, expected = f"{len(given)} languages", f"{queries}, one for each query"
        raise ConfigError("query languages", found, expected, "Correct the list")
    return [lang and normalise(lang, "query language") for lang in given]


def _chosen_languages(
    languages: Languages | None, exclude: Languages | None, engine: Engine
) -> list[str]:
    """Return the languages to search, sorted."""
    chosen = set(engine.counts) if languages is None else set(parse_languages(languages))
    dropped = set() if exclude is None else set(parse_languages(exclude))
    for lang in sorted(chosen | dropped):
        if lang not in engine.counts:
            raise UnknownNameError("language", lang, engine.counts, engine.name)
    if not chosen - dropped:
        expected = f"at least one of {', '.join(engine.counts)}"
        raise ConfigError("search", "no language left", expected, "Exclude fewer languages")
    return sorted(chosen - dropped)


class Placed(NamedTuple):
    """A hit at its place."""

    id: str
    language: str
    score: float
    value: float
    place: int
    place_in_language: int
    reason: str


def _merged(lists: Lists, k: int) -> list[Placed]:
    hits = [
        (-float(score), number, at, language, id_)
        for number, (language, one) in enumerate(lists.items())
        for at, (id_, score) in enumerate(zip(one.ids, one.scores, strict=True))
    ]
    return [
        Placed(id_, language, -minus, -minus, place, at + 1, "in the order of scores")
        for place, (minus, _, at, language, id_) in enumerate(sorted(hits)[:k], start=1)
    ]
