"""Every pair of a query language and a passage language, as heat maps."""

from __future__ import annotations

from collections.abc import Iterator

from evenrank.report.content import Block, Figure, HeatMap, Scale, show
from evenrank.report.entry import Entry
from evenrank.report.section import Entries, section
from evenrank.report.statistics import comparison_of
from evenrank.report.terms import main_measure, mean_title, passage_languages, query_languages

Matrix = tuple[tuple[float | None, ...], ...]
Marks = tuple[tuple[bool, ...], ...]


@section(
    "pairs",
    "Pairs of languages",
    order=30,
    applies=lambda entries: main_measure(entries) is not None,
)
def pairs(entries: Entries) -> Iterator[Block]:
    """Quality for each pair, and what changes against the first result."""
    measure = main_measure(entries)
    if measure is None:
        return
    matrices = [_matrix(entry, measure, entries) for entry in entries]
    yield _values(entries, matrices, mean_title(measure))
    if len(entries) > 1:
        yield _differences(entries, matrices, mean_title(measure))


def _values(entries: Entries, matrices: list[Matrix], title: str) -> Figure:
    present = _numbers(matrices)
    low, high = min(present, default=0.0), max(present, default=1.0)
    width = (high - low) or 1.0
    panels = tuple(
        _panel(
            entries,
            title=entry.label,
            values=matrix,
            shades=_map(matrix, low, width),
            spec=".2f",
        )
        for entry, matrix in zip(entries, matrices, strict=True)
    )
    return Figure(
        caption=f"{title} of each pair of query language and passage language; the diagonal is "
        "monolingual. One scale of colour for all panels; higher is better.",
        panels=panels,
        scale=Scale(low=show(low, ".2f"), high=show(high, ".2f")),
    )


def _differences(entries: Entries, matrices: list[Matrix], title: str) -> Figure:
    changes = [_minus(matrix, matrices[0]) for matrix in matrices[1:]]
    marks, legend = _significant(entries), ""
    if marks:
        legend = " A dot marks pairs whose change exceeds chance (p of at most .05 after Holm)."
    widest = max((abs(value) for value in _numbers(changes)), default=0.0)
    panels = tuple(
        _panel(
            entries,
            title=f"{entry.label} − {entries[0].label}",
            values=change,
            shades=_map(change, 0.0, widest or 1.0),
            spec="+.2f",
            marked=marked,
        )
        for entry, change, marked in zip(
            entries[1:], changes, marks or [()] * len(changes), strict=True
        )
    )
    return Figure(
        caption=f"Change in {title} of each pair against {entries[0].label}; above zero is better."
        f"{legend}",
        panels=panels,
        scale=Scale(
            low=show(-widest, "+.2f"), middle="0", high=show(widest, "+.2f"), diverging=True
        ),
    )


def _significant(entries: Entries) -> list[Marks]:
    """Return which pairs of each result but the first differ beyond chance; empty if untested."""
    comparison = comparison_of(entries)
    if comparison is None:
        return []
    found = {
        (row.system, row.query_lang, row.pool)
        for row in comparison.select("pair", measure=main_measure(entries))
        if row.significant
    }
    return [
        tuple(
            tuple((system, asked, lang) in found for lang in passage_languages(entries))
            for asked in query_languages(entries)
        )
        for system in comparison.systems
    ]


def _panel(
    entries: Entries, title: str, values: Matrix, shades: Matrix, spec: str, marked: Marks = ()
) -> HeatMap:
    return HeatMap(
        title=title,
        row_axis="query",
        column_axis="passages in",
        rows=query_languages(entries),
        columns=passage_languages(entries),
        values=values,
        shades=shades,
        spec=spec,
        marked=marked,
    )


def _matrix(entry: Entry, measure: str, entries: Entries) -> Matrix:
    figures = entry.result.pairs[measure]
    return tuple(
        tuple(figures.get(asked, {}).get(lang) for lang in passage_languages(entries))
        for asked in query_languages(entries)
    )


def _numbers(matrices: list[Matrix]) -> list[float]:
    return [value for matrix in matrices for row in matrix for value in row if value is not None]


def _minus(left: Matrix, right: Matrix) -> Matrix:
    return tuple(
        tuple(None if a is None or b is None else a - b for a, b in zip(row, other, strict=True))
        for row, other in zip(left, right, strict=True)
    )


def _map(matrix: Matrix, low: float, width: float) -> Matrix:
    return tuple(
        tuple(None if value is None else (value - low) / width for value in row) for row in matrix
    )
