"""Training data of FlagEmbedding: ``query``, ``pos`` and ``neg``, the last two lists of texts.

There are no ids, so nothing joins the languages, unless rows have an ``id`` as well.
"""

from __future__ import annotations

from collections.abc import Iterable

from evenrank.data.layouts.base import (
    LAYOUTS,
    Layout,
    Place,
    WrongRow,
    language_fields,
    other_passages,
    positives,
    text_key,
)
from evenrank.data.readers.base import Row


def _rows(row: Row, place: Place) -> list[Row]:
    texts = row.get("pos")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise WrongRow(f"field 'pos' with {str(texts)[:40]!r}", "a list of texts")
    shared = language_fields(row) | {"query": row.get("query")}
    passages = _passages(dict.fromkeys(texts))
    negatives = row.get("neg") or []
    if isinstance(negatives, list) and all(isinstance(text, str) for text in negatives):
        negatives = other_passages(_passages(negatives), passages)
    if negatives:
        shared["negatives"] = negatives
    return positives(shared, row.get("id", place.key), passages)


def _passages(texts: Iterable[str]) -> list[Row]:
    return [{"passage_id": text_key(text), "passage": text} for text in texts]


LAYOUTS.register(
    "flagembedding",
    Layout(
        "training data of FlagEmbedding",
        frozenset(["query", "pos"]),
        _rows,
        frozenset(["id", "neg", "lang", "language"]),
        absent=frozenset(["passage", "context"]),
    ),
)
