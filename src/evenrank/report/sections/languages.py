"""Each query language by itself: the paper's second table (arXiv 2408.10536)."""

from __future__ import annotations

from collections.abc import Iterator

from evenrank.report.content import Block, Column, Row, Table
from evenrank.report.section import Entries, section
from evenrank.report.terms import (
    RANK_DISTANCE,
    language_title,
    main_measure,
    mean_title,
    measure_column,
    query_languages,
)


def _measures(entries: Entries) -> list[str]:
    wanted = [name for name in (main_measure(entries), RANK_DISTANCE) if name]
    return [name for name in wanted if any(name in entry.result.pool for entry in entries)]


@section(
    "languages", "By query language", order=20, applies=lambda entries: bool(_measures(entries))
)
def languages(entries: Entries) -> Iterator[Block]:
    """Quality and rank distance in the collection of all languages, for each query language."""
    measures = _measures(entries)
    columns: list[Column] = [
        measure_column(name, title=entry.label, group=mean_title(name))
        for name in measures
        for entry in entries
    ]
    rows = [
        Row(
            title=language_title(lang),
            cells=tuple(
                entry.result.pool.get(name, {}).get(lang) for name in measures for entry in entries
            ),
        )
        for lang in query_languages(entries)
    ]
    means = [
        (entry.result.settings.get("multi", {}) | entry.result.bias).get(name)
        for name in measures
        for entry in entries
    ]
    yield Table(
        caption="In the multilingual collection, by query language",
        head="Query language",
        columns=tuple(columns),
        rows=(*rows, Row(title="Mean over languages", cells=tuple(means), role="total")),
        best="across",
        note="Bold: the best of the models; values that print alike are all bold."
        if len(entries) > 1
        else "",
    )
