"""Training data of FlagEmbedding: ``query``, ``pos`` and ``neg``, the last two lists of texts.

There are no ids, so nothing joins the languages, unless rows have an ``id`` as well.
"""

from __future__ import annotations

from evenrank.data.layouts.base import (
    LAYOUTS,
    Layout,
    Place,
    WrongRow,
    language_fields,
    positives,
    text_key,
)
from evenrank.data.readers.base import Row


def _rows(row: Row, place: Place) -> list[Row]:
    texts = row.get("pos")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise WrongRow(f"field 'pos' with {str(texts)[:40]!r}", "a list of texts")
    shared = language_fields(row) | {"query": row.get("query")}
    if row.get("neg"):
        shared["negatives"] = row["neg"]
    passages = [{"passage_id": text_key(text), "passage": text} for text in dict.fromkeys(texts)]
    return positives(shared, row.get("id", place.key), passages)


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
