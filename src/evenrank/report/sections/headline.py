"""The figures to look at first: the paper's first table and its recalls (arXiv 2408.10536)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evenrank.report.content import Block, Text
from evenrank.report.entry import Entry
from evenrank.report.section import Entries, section
from evenrank.report.statistics import SMALL_PRINT, change_text, comparison_of, intervals_of
from evenrank.report.terms import (
    RANK_DISTANCE,
    RANK_DISTANCE_NORM,
    SETTING_TITLES,
    main_measure,
    mean_title,
    measure_column,
)
from evenrank.results.schema import Setting
from evenrank.tables import MARK, Cell, Column, Row, Table

MAIN_SETTINGS: tuple[Setting, ...] = ("mono", "cross", "multi")
RECALLS: tuple[tuple[str, Setting], ...] = (("R@1", "mono"), ("R@1", "cross"), ("R@10", "multi"))
GUIDE = (
    "How well each model finds the passages that answer a query, and how much the language of a "
    "passage changes its rank. Monolingual: query and passages are in the same language. "
    "Cross-lingual: they are in two different languages. Multilingual: the passages of all "
    "languages are ranked together; this is the multilingual pool. Rank distance: the number of "
    "ranks between passages that say the same in different languages; normalised, it is 0 at its "
    "minimum and 1 in a random order."
)
BOLD = "Bold: the best of its column; values that print the same are all bold."
TESTED = (
    f"Small print: 95 % bootstrap interval of the difference; {MARK} p of at most .05 in a paired "
    "permutation test, after Holm."
)
UNTESTED = "It is not tested whether these differences could be chance."
REFERENCES = {"minimum": "Minimum possible", "random": "Random order"}

Named = tuple[str, Setting]
"""A measure and a setting."""


@section("headline", "Quality and language bias", order=10)
def headline(entries: Entries) -> Iterator[Block]:
    """Quality in the three settings with rank distance, the recalls, and changes."""
    measure = main_measure(entries) or ""
    yield Text(GUIDE)
    yield _main_table(entries, measure)
    if any(_setting(entry, *recall) is not None for entry in entries for recall in RECALLS):
        yield Table(
            caption="Recall: the part of the relevant passages within the first ranks",
            head="Model",
            columns=tuple(
                measure_column(name, title=SETTING_TITLES[setting], group=name)
                for name, setting in RECALLS
            ),
            rows=tuple(_row(entry, measure, RECALLS) for entry in entries),
            best="down",
        )
    if len(entries) > 1:
        yield _change_table(entries, measure)


def _main_table(entries: Entries, measure: str) -> Table:
    title = mean_title(measure) if measure else "quality"
    figures: list[Named] = [(measure, setting) for setting in MAIN_SETTINGS]
    columns = [
        measure_column(measure, title=SETTING_TITLES[setting], group=title)
        for setting in MAIN_SETTINGS
    ]
    for name, short in ((RANK_DISTANCE, "in ranks"), (RANK_DISTANCE_NORM, "normalised")):
        figures.append((name, "multi"))
        columns.append(measure_column(name, title=short, group="Rank distance"))
    rows = [_row(entry, measure, figures) for entry in entries]
    small = any(cell.aside for row in rows for cell in row.full_cells)
    return Table(
        caption=f"{title} in the three settings, and rank distance",
        head="Model",
        columns=tuple(columns),
        rows=(*rows, *_references(entries)),
        best="down",
        note=" ".join([BOLD] * (len(entries) > 1) + [SMALL_PRINT] * small),
    )


def _row(entry: Entry, measure: str, figures: Sequence[Named]) -> Row:
    """Return the figures of a result, each with its interval if there is one."""
    intervals = intervals_of(entry, measure or None)
    return Row(
        title=entry.label,
        cells=tuple(
            Cell(_setting(entry, *figure), aside=intervals.get(figure, "")) for figure in figures
        ),
    )


def _references(entries: Entries) -> Iterator[Row]:
    """What rank distance is compared with; the same for all results on one benchmark."""
    references = entries[0].result.references.get(RANK_DISTANCE, {})
    for name, normalised in (("minimum", 0.0), ("random", 1.0)):
        if (value := references.get(name)) is not None:
            cells = (None, None, None, value, normalised)
            yield Row(title=REFERENCES[name], cells=cells, role="frame")


def _setting(entry: Entry, measure: str, setting: Setting) -> float | None:
    figures = entry.result.settings.get(setting, {})
    return (figures | entry.result.bias if setting == "multi" else figures).get(measure)


def _change_table(entries: Entries, measure: str) -> Table:
    first = entries[0]
    figures: list[Named] = [(measure, setting) for setting in MAIN_SETTINGS]
    figures.append((RANK_DISTANCE, "multi"))
    tests = _tests(entries)
    rows = []
    for number, entry in enumerate(entries[1:]):
        before, after = (one.result.bias.get(RANK_DISTANCE) for one in (first, entry))
        cells = [
            Cell(
                _minus(_setting(entry, *figure), _setting(first, *figure)),
                aside=tests[number].get(figure, "") if tests else "",
            )
            for figure in figures
        ]
        cells.append(Cell(_minus(after / before, 1) if after and before else None))
        rows.append(Row(title=entry.label, cells=tuple(cells)))
    title = mean_title(measure)
    return Table(
        caption=f"Change against {first.label}",
        head="Model",
        columns=(
            *(
                Column(title=short, group=title, spec="+.4f", term=measure)
                for short in (SETTING_TITLES[name] for name in MAIN_SETTINGS)
            ),
            Column(title="in ranks", group="Rank distance", spec="+,.1f", term=RANK_DISTANCE),
            Column(title="in percent", group="Rank distance", spec="+.1%"),
        ),
        rows=tuple(rows),
        note=TESTED if tests else UNTESTED,
    )


def _tests(entries: Entries) -> list[dict[Named, str]]:
    """Return the small print of each later result's changes; empty if they are not tested."""
    comparison = comparison_of(entries)
    if comparison is None:
        return []
    return [
        {
            (row.measure, row.setting): change_text(row)
            for row in comparison.select("setting", system=system)
        }
        for system in comparison.systems
    ]


def _minus(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other
