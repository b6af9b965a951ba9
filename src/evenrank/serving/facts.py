"""What a document in another framework says of the result that it was."""

from __future__ import annotations

from typing import Any

from evenrank.search.searcher import Result


def facts_of(result: Result) -> dict[str, Any]:
    """Return the metadata of a passage, and ``evenrank_language``, ``evenrank_score``, ...

    The names have a prefix, since a passage may have metadata of any name.
    """
    own = {
        "language": result.language,
        "group": result.group,
        "place": result.place,
        "score": result.score,
        "raw_score": result.raw_score,
        "reason": result.reason,
    }
    shown = {f"evenrank_{name}": value for name, value in own.items() if value != ""}
    return {**result.metadata, **shown}
