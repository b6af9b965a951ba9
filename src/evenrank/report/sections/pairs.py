"""Every pair of a query language and a passage language, as heat maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from evenrank.report.content import Block, Download, Figure, Fold, Scale, Text
from evenrank.report.entry import Entry
from evenrank.report.heatmap import MANY, Matrix, heat_table, mean_by_script
from evenrank.report.section import Entries, section
from evenrank.report.statistics import comparison_of
from evenrank.report.terms import (
    language_title,
    main_measure,
    mean_title,
    passage_languages,
    query_languages,
)
from evenrank.tables import Column, Row, Table, show

GUIDE = (
    "How well a model finds passages in one language with queries in another. Each cell is the "
    "{measure} of queries in the language of its row, ranked against the passages in the language "
    "of its column{same}; higher is better."
)
BY_SCRIPT = (
    "With so many languages, the heat maps show means over all languages of a script; the number "
    "of languages is in brackets. The first column is for queries and passages in the same "
    "language, which the other columns leave out."
)
DOT = " A dot marks a change that is unlikely to be chance (p of at most .05 after Holm)."


@section(
    "pairs",
    "Pairs of languages",
    order=30,
    applies=lambda entries: main_measure(entries) is not None,
)
def pairs(entries: Entries) -> Iterator[Block]:
    """Quality for each pair, and what changes against the first result."""
    measure = main_measure(entries) or ""
    title = mean_title(measure)
    queries, passages = query_languages(entries), passage_languages(entries)
    matrices = [_matrix(entry, measure, queries, passages) for entry in entries]
    changes = [matrix - matrices[0] for matrix in matrices[1:]]
    names = [f"{entry.label} − {entries[0].label}" for entry in entries[1:]]
    many = max(len(queries), len(passages)) > MANY
    same = "" if many else " (the diagonal: the same language)"
    yield Text(GUIDE.format(measure=title, same=same))
    if not many:
        axes = ("query \\ passages", queries, passages)
        yield _values(title, [(e.label, axes, m) for e, m in zip(entries, matrices, strict=True)])
        if changes:
            marked = _significant(entries, queries, passages)
            panels = [(name, axes, change) for name, change in zip(names, changes, strict=True)]
            yield _changes(f"Change in {title} against {entries[0].label}", panels, marked)
        return
    yield Text(BY_SCRIPT)
    yield _values(title, _by_script([e.label for e in entries], matrices, queries, passages))
    if changes:
        caption = f"Change in {title} against {entries[0].label}, by script"
        yield _changes(caption, _by_script(names, changes, queries, passages))
    for entry, matrix in zip(entries, matrices, strict=True):
        panel = _by_script([entry.label], [matrix], queries, passages, rows=False)
        yield Fold(f"Each query language of {entry.label}", (_values(title, panel),))
        yield Download(f"pairs-{entry.number + 1}.csv.gz", _plain(entry, matrix, queries, passages))


Panel = tuple[str, tuple[str, Sequence[str], Sequence[str]], Matrix]


def _by_script(
    names: Sequence[str],
    matrices: Sequence[Matrix],
    queries: Sequence[str],
    passages: Sequence[str],
    *,
    rows: bool = True,
) -> list[Panel]:
    panels: list[Panel] = []
    for name, matrix in zip(names, matrices, strict=True):
        row_names, columns, values = mean_by_script(matrix, queries, passages, rows=rows)
        row_names = row_names if rows else [language_title(lang) for lang in row_names]
        panels.append((name, ("query \\ passages", row_names, columns), values))
    return panels


def _values(title: str, panels: Sequence[Panel]) -> Figure:
    low, high = _range(panels)
    width = (high - low) or 1.0
    return Figure(
        caption=f"{title} of each pair. All panels have the same colours.",
        panels=tuple(
            heat_table(name, axes, values, (values - low) / width) for name, axes, values in panels
        ),
        scale=Scale(low=show(low, ".2f"), high=show(high, ".2f")),
    )


def _changes(
    caption: str, panels: Sequence[Panel], marked: Sequence[NDArray[np.bool_]] = ()
) -> Figure:
    widest = max(map(abs, _range(panels)))
    return Figure(
        caption=f"{caption}; above zero is better.{DOT if marked else ''}",
        panels=tuple(
            heat_table(
                name,
                axes,
                values,
                values / (widest or 1.0),
                spec="+.2f",
                marked=marked[number] if marked else None,
            )
            for number, (name, axes, values) in enumerate(panels)
        ),
        scale=Scale(
            low=show(-widest, "+.2f"), middle="0", high=show(widest, "+.2f"), diverging=True
        ),
    )


def _range(panels: Sequence[Panel]) -> tuple[float, float]:
    """Return the smallest and the largest number of all panels."""
    numbers = np.concatenate([values[~np.isnan(values)] for _, _, values in panels])
    return (float(numbers.min()), float(numbers.max())) if numbers.size else (0.0, 1.0)


def _significant(
    entries: Entries, queries: Sequence[str], passages: Sequence[str]
) -> list[NDArray[np.bool_]]:
    """Return which pairs differ from the first result beyond chance; empty if untested."""
    comparison = comparison_of(entries)
    if comparison is None:
        return []
    found = {
        (row.system, row.query_lang, row.pool)
        for row in comparison.select("pair", measure=main_measure(entries))
        if row.significant
    }
    return [
        np.array([[(system, query, lang) in found for lang in passages] for query in queries])
        for system in comparison.systems
    ]


def _matrix(entry: Entry, measure: str, queries: Sequence[str], passages: Sequence[str]) -> Matrix:
    figures = entry.result.pairs[measure]
    rows = [[figures.get(query, {}).get(lang) for lang in passages] for query in queries]
    return np.array(rows, dtype=np.float64)


def _plain(entry: Entry, matrix: Matrix, queries: Sequence[str], passages: Sequence[str]) -> Table:
    return Table(
        caption=f"All pairs of languages of {entry.label}",
        head="query \\ passages",
        columns=tuple(Column(title=lang) for lang in passages),
        rows=tuple(
            Row(title=lang, cells=tuple(None if v != v else v for v in row))
            for lang, row in zip(queries, matrix.tolist(), strict=True)
        ),
    )
