"""Training data of Tevatron; MIRACL and Mr. TyDi on the Hub have the same layout.

``query_id``, ``query``, ``positive_passages`` and ``negative_passages``; a passage has ``docid``,
``text`` and, if it is known, ``title``. Files of several languages are joined by ``query_id``.
"""

from __future__ import annotations

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


def _rows(row: Row, _: Place) -> list[Row]:
    shared = language_fields(row) | {"query": row.get("query")}
    relevant = _passages(row, "positive_passages")
    if negatives := other_passages(_passages(row, "negative_passages"), relevant):
        shared["negatives"] = negatives
    return positives(shared, row.get("query_id"), relevant)


def _passages(row: Row, name: str) -> list[Row]:
    passages = row.get(name) or []
    if not isinstance(passages, list) or not all(isinstance(one, dict) for one in passages):
        raise WrongRow(f"field {name!r} with {str(passages)[:40]!r}", "a list of passages")
    return [_passage(one) for one in passages]


def _passage(passage: Row) -> Row:
    title, text = passage.get("title") or None, passage.get("text")
    whole = f"{title} {text}" if title and text else text
    docid = passage.get("docid")
    return {
        "passage_id": text_key(whole) if docid is None else docid,
        "title": title,
        "passage": whole,
    }


LAYOUTS.register(
    "tevatron",
    Layout(
        "training data of Tevatron",
        frozenset(["query_id", "query", "positive_passages"]),
        _rows,
        frozenset(["negative_passages", "lang", "language"]),
    ),
)
