"""What all engines behind an address share: names of fields, hits in order, and errors."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from evenrank.errors import DataError, EvenrankError, UnknownNameError
from evenrank.search.base import Filters, Hits, Value


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
