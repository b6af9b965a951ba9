"""Rows of SQuAD, XQuAD and MLQA on the Hub: ``id``, ``question``, ``context``, ``answers``.

Translations share the ``id``. Questions of one paragraph have the same ``context`` and no id for
it, so a context is called by its text.
"""

from __future__ import annotations

from evenrank.data.layouts.base import LAYOUTS, Layout, Place, text_key
from evenrank.data.readers.base import Row


def _rows(row: Row, _: Place) -> list[Row]:
    return [row | {"context_id": text_key(row.get("context"))}]


LAYOUTS.register(
    "squad",
    Layout(
        "rows of SQuAD",
        frozenset(["id", "question", "context", "answers"]),
        _rows,
        frozenset(["title", "lang", "language"]),
        absent=frozenset(["context_id", "passage_id"]),
    ),
)
