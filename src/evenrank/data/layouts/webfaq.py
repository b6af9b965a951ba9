"""Bitexts of WebFAQ: a question with its answer in two languages (``PaDaS-Lab/webfaq-v2-bitexts``).

``language1``, ``question1``, ``answer1``, and the same with 2. There are no ids: each row is an
item of its own, and equal answers are the same passage.
"""

from __future__ import annotations

from evenrank.data.layouts.base import LAYOUTS, Layout, Place, text_key
from evenrank.data.readers.base import Row


def _rows(row: Row, place: Place) -> list[Row]:
    return [
        {
            "id": place.key,
            "passage_id": text_key(row.get(f"answer{side}")),
            "lang": row.get(f"language{side}"),
            "query": row.get(f"question{side}"),
            "passage": row.get(f"answer{side}"),
        }
        for side in (1, 2)
    ]


LAYOUTS.register(
    "webfaq",
    Layout(
        "bitexts of WebFAQ",
        frozenset(
            f"{name}{side}" for name in ("language", "question", "answer") for side in (1, 2)
        ),
        _rows,
    ),
)
