"""Figures of each query language: the paper's second table (arXiv 2408.10536)."""

from __future__ import annotations

from collections.abc import Iterator

from evenrank.report.content import Block, Text
from evenrank.report.section import Entries, section
from evenrank.report.terms import (
    RANK_DISTANCE,
    language_title,
    main_measure,
    mean_title,
    measure_column,
    query_languages,
)
from evenrank.tables import Row, Table

GUIDE = (
    "The figures of each query language in the multilingual pool, which contains the "
    "passages of all languages. Large differences between the rows mean that users of some "
    "languages are served worse."
)


def _measures(entries: Entries) -> list[str]:
    wanted = [main_measure(entries), RANK_DISTANCE, "LPR", "W"]
    return [name for name in wanted if name and any(name in one.result.pool for one in entries)]


@section(
    "languages", "By query language", order=20, applies=lambda entries: bool(_measures(entries))
)
def languages(entries: Entries) -> Iterator[Block]:
    """Quality and language bias in the multilingual pool, for each query language."""
    figures = [(name, entry) for name in _measures(entries) for entry in entries]
    rows = [
        Row(
            title=language_title(lang),
            cells=tuple(entry.result.pool.get(name, {}).get(lang) for name, entry in figures),
        )
        for lang in query_languages(entries)
    ]
    means = [
        (entry.result.settings.get("multi", {}) | entry.result.bias).get(name)
        for name, entry in figures
    ]
    yield Text(GUIDE)
    yield Table(
        caption="In the multilingual pool, by query language",
        head="Query language",
        columns=tuple(
            measure_column(name, title=entry.label, group=mean_title(name))
            if len(entries) > 1
            else measure_column(name)
            for name, entry in figures
        ),
        rows=(*rows, Row(title="Mean over languages", cells=tuple(means), role="total")),
        best="across" if len(entries) > 1 else "none",
        note="Bold: the best of the models; values that print the same are all bold."
        if len(entries) > 1
        else "",
    )
