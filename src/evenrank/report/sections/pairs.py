"""Every pair of a query language and a passage language, as heat maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evenrank.report.content import Block, Figure, Fold, Scale, Text
from evenrank.report.heatmap import Grid
from evenrank.report.section import Entries, section
from evenrank.report.statistics import comparison_of
from evenrank.report.terms import (
    language_title,
    main_measure,
    mean_title,
    passage_languages,
    query_languages,
)
from evenrank.tables import show

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
    langs = query_languages(entries), passage_languages(entries)
    grids = {entry.label: Grid.of(*langs, entry.result.pairs[measure]) for entry in entries}
    first = next(iter(grids.values()))
    same = "" if first.large else " (the diagonal: the same language)"
    yield Text(GUIDE.format(measure=title, same=same))
    yield from heat_maps(entries, title, grids, "pairs", _significant(entries, first))


def heat_maps(
    entries: Entries,
    title: str,
    grids: Mapping[str, Grid],
    name: str,
    marked: Sequence[NDArray[np.bool_] | None] = (),
) -> Iterator[Block]:
    """Yield the heat maps of a measure, and of its changes against the first result.

    Args:
        entries: The results.
        title: The measure.
        grids: Label to the figures of a result, in the order of the results.
        name: Start of the names of files with all numbers, which a page with many languages has.
        marked: For each later result, which changes carry a mark.
    """
    first = next(iter(grids))
    changes = {
        f"{label} − {first}": Grid(grid.rows, grid.columns, grid.values - grids[first].values)
        for label, grid in grids.items()
        if label != first
    }
    caption = f"Change in {title} against {first}"
    if not grids[first].large:
        yield _values(title, grids)
        if changes:
            yield _changes(caption, changes, marked)
        return
    yield Text(BY_SCRIPT)
    yield _values(title, {label: grid.by_script() for label, grid in grids.items()})
    if changes:
        yield _changes(caption, {label: grid.by_script() for label, grid in changes.items()}, [])
    for entry, (label, grid) in zip(entries, grids.items(), strict=True):
        each = grid.by_script(rows=False)
        each = replace(each, rows=[language_title(lang) for lang in each.rows])
        yield Fold(f"Each query language of {label}", (_values(title, {label: each}),))
        file = f"{name}-{entry.number + 1}.csv.gz"
        yield grid.download(f"All pairs of languages of {label}", file)


def _values(title: str, grids: Mapping[str, Grid]) -> Figure:
    low, high = _range(grids)
    width = (high - low) or 1.0
    return Figure(
        caption=f"{title} of each pair. All panels have the same colours.",
        panels=tuple(
            grid.table(label, (grid.values - low) / width) for label, grid in grids.items()
        ),
        scale=Scale(low=show(low, ".2f"), high=show(high, ".2f")),
    )


def _changes(
    caption: str, grids: Mapping[str, Grid], marked: Sequence[NDArray[np.bool_] | None]
) -> Figure:
    widest = max(map(abs, _range(grids)))
    return Figure(
        caption=f"{caption}; above zero is better.{DOT if marked else ''}",
        panels=tuple(
            grid.table(label, grid.values / (widest or 1.0), spec="+.2f", marked=marks)
            for (label, grid), marks in zip(
                grids.items(), marked or [None] * len(grids), strict=True
            )
        ),
        scale=Scale(
            low=show(-widest, "+.2f"), middle="0", high=show(widest, "+.2f"), diverging=True
        ),
    )


def _range(grids: Mapping[str, Grid]) -> tuple[float, float]:
    """Return the smallest and the largest number of all panels."""
    numbers = np.concatenate([grid.values[~np.isnan(grid.values)] for grid in grids.values()])
    return (float(numbers.min()), float(numbers.max())) if numbers.size else (0.0, 1.0)


def _significant(entries: Entries, grid: Grid) -> list[NDArray[np.bool_]]:
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
        np.array([[(system, row, column) in found for column in grid.columns] for row in grid.rows])
        for system in comparison.systems
    ]
