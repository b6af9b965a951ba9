"""What all engines behind an address share: names of fields, and checks of what they are asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from evenrank.errors import DataError, EvenrankError, UnknownNameError
from evenrank.search.base import Filters, Hits, Value

_COUNTS_SECONDS = 300


class Fields(BaseModel):
    """Names of fields in a collection, or of columns in a table.

    A name may be a path into an object, such as ``metadata.lang``. They are needed only for what
    somebody else wrote: evenrank finds its own collections and tables by their mark.

    Attributes:
        id_field: Id; by default the id of the point, or the column ``id``.
        language_field: Code of the language.
        text_field: Text.
        group_field: Passages with the same value are translations of each other; empty for none.
        metadata_field: Object that has the further fields; empty where they are next to the text.
        vector_field: Name of the vector, or its column; by default the only one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id_field: str = ""
    language_field: str = "language"
    text_field: str = "text"
    group_field: str = ""
    metadata_field: str = ""
    vector_field: str = ""


OWN_FIELDS = {
    "id_field": "id",
    "language_field": "language",
    "text_field": "text",
    "group_field": "group_id",
    "metadata_field": "metadata",
}
"""Names that evenrank writes."""


class Counts:
    """Passages of each language, counted again now and then.

    They are counted again after five minutes, or after a hundred times as long as the counting
    took, and where a language is asked for that was not there before.

    Args:
        count: Counts the passages of each language.
    """

    def __init__(self, count: Callable[[], Mapping[str, int]]) -> None:
        self._count = count
        self._counts: dict[str, int] = {}
        self._until = -np.inf

    def get(self, languages: Collection[str] = ()) -> dict[str, int]:
        """Return the counts, which have ``languages`` if the engine has."""
        if time.monotonic() > self._until or not set(languages) <= set(self._counts):
            start = time.monotonic()
            self._counts = dict(sorted(self._count().items()))
            took = time.monotonic() - start
            self._until = start + max(_COUNTS_SECONDS, 100 * took)
        return self._counts


def check_search(
    name: str,
    width: int,
    known: Collection[str],
    vectors: NDArray[Any],
    languages: Sequence[str],
    k: int,
) -> NDArray[np.float32]:
    """Return ``vectors`` as float32 after a check of what a search was asked for.

    Args:
        name: Name of the engine.
        width: ``H``.
        known: Languages of the engine.
        vectors: ``(Q, 1, H)`` or ``(Q, L, H)``.
        languages: ``L`` languages.
        k: Hits of each language.

    Raises:
        UnknownNameError: A language that is not known.
        DataError: Vectors of another shape or not finite, no ``k``.
    """
    for language in languages:
        if language not in known:
            raise UnknownNameError("language", language, known, name)
    if k < 1:
        raise DataError("k", str(k), "1 or more", "Ask for at least one passage")
    shape = vectors.shape
    if len(shape) != 3 or shape[1] not in (1, len(languages)) or shape[2] != width:
        expected = f"(queries, 1 or {len(languages)}, {width})"
        remedy = "Encode the queries with the model of the index"
        raise DataError(name, f"query vectors of shape {shape}", expected, remedy)
    if not np.isfinite(vectors).all():
        raise DataError(name, "a query vector with NaN or infinity", "numbers", "Check the model")
    return np.ascontiguousarray(vectors, dtype=np.float32)


def ordered_hits(ids: Sequence[str], scores: Sequence[float] | NDArray[Any], k: int) -> Hits:
    """Return the best ``k`` by score, descending, then by id.

    >>> ordered_hits(["b", "a", "c"], [0.5, 0.5, 0.9], 2).ids
    ('c', 'a')
    """
    scores_K = np.asarray(scores, dtype=np.float32)
    order = sorted(range(len(ids)), key=lambda at: (-scores_K[at], ids[at]))[:k]
    return Hits(tuple(ids[at] for at in order), scores_K[order])


def allowed_values(filters: Filters | None) -> dict[str, list[Value]]:
    """Return the values that each field of a filter allows; where there are none, nothing passes.

    >>> allowed_values({"year": 1999, "topic": ["sport", "art"]})
    {'year': [1999], 'topic': ['sport', 'art']}
    """
    return {
        name: [values] if isinstance(values, str | int | float) else list(values)
        for name, values in (filters or {}).items()
    }


def unknown_field(engine: str, name: str, known: Collection[str] = ()) -> EvenrankError:
    """Return the error for a field that no passage has."""
    if known:
        return UnknownNameError("field", name, known, engine)
    remedy = "Correct the filter; upper and lower case differ"
    return DataError(engine, f"unknown field {name!r}", "a field of the passages", remedy)


def no_passage(engine: str, id: str) -> DataError:
    """Return the error for an id that no passage has."""
    return DataError(
        engine, f"no passage {id!r}", "an id of the index", "Search again; it may be removed since"
    )


def plain_metadata(values: Mapping[str, Any]) -> dict[str, Value]:
    """Return metadata as plain values: an absent value is left out, an object becomes JSON.

    >>> plain_metadata({"year": 1999, "tags": ["a"], "note": None})
    {'year': 1999, 'tags': '["a"]'}
    """
    return {
        name: value
        if isinstance(value, str | int | float | bool)
        else orjson.dumps(value, default=str).decode()
        for name, value in values.items()
        if value is not None
    }
