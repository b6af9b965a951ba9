"""Answers that exist in one language only: how often they are found, by language."""

from __future__ import annotations

from collections.abc import Iterator

from evenrank.report.content import Block, Text
from evenrank.report.heatmap import Grid
from evenrank.report.section import Entries, section
from evenrank.report.sections.headline import BOLD
from evenrank.report.sections.pairs import heat_maps
from evenrank.report.statistics import SMALL_PRINT, intervals_of
from evenrank.report.terms import (
    RANK_DISTANCE,
    RANK_DISTANCE_NORM,
    SETTING_TITLES,
    main_measure,
    mean_title,
    measure_column,
    passage_languages,
    query_languages,
)
from evenrank.results.schema import GAP, MULTI, SINGLE, Result, Setting
from evenrank.tables import Cell, Column, Row, Table, show

FOUND = "R@10"
"""The measure of the section, if all results have it: anybody understands the first ten."""

GUIDE = (
    "Here the answer of a query exists in one language only: its relevant passages in all other "
    "languages are removed from the multilingual pool. {measure} is computed for each language of "
    "the answer. Own language: the answer is in the language of the query. Another language: it is "
    "in one other language. Any language: the mean over all pairs of languages. The access gap is "
    "own minus another language: 0 if the language of an answer makes no difference."
)
WHY = (
    "Rank distance is next to it because it assumes the opposite: that every answer exists in "
    "every language. Such a pool flatters a model that merely mixes the languages, which costs "
    "answers in the query’s own language."
)
CELLS = (
    "Each cell is the {measure} of queries in the language of its row if the answer exists in the "
    "language of its column only; higher is better."
)
NOT_HERE = (
    "No figures: no query of this benchmark has relevant passages in two languages, so there is "
    "nothing to remove. The multilingual figures are already those of answers in one language."
)


@section(
    "single",
    "An answer in one language only",
    order=15,
    applies=lambda entries: any(entry.result.single for entry in entries),
)
def single(entries: Entries) -> Iterator[Block]:
    """What is found in the first ten, the three means and the gap, and every pair of languages."""
    shown = [entry for entry in entries if entry.result.single]
    everywhere = all(FOUND in entry.result.single for entry in shown)
    measure = FOUND if everywhere else main_measure(shown) or ""
    if all(_figure(entry.result, "even", measure) is None for entry in shown):
        yield Text(NOT_HERE)
        return
    title = mean_title(measure)
    if measure == FOUND:
        for entry in shown:
            yield Text(_sentence(entry.label if len(shown) > 1 else "", entry.result))
    yield Text(GUIDE.format(measure=title))
    yield _table(shown, measure)
    yield Text(f"{WHY} {CELLS.format(measure=title)}")
    langs = query_languages(shown), passage_languages(shown)
    grids = {one.label: Grid.of(*langs, one.result.single[measure]) for one in shown}
    yield from heat_maps(shown, title, grids, "single")


def _sentence(label: str, result: Result) -> str:
    own, other = (
        show(_figure(result, name, FOUND), ".0%").replace("%", " %") for name in ("own", "other")
    )
    return (
        f"{label}{': ' if label else ''}An answer that exists only in another language is found in "
        f"the top 10 for {other} of the queries; one in the query’s own language for {own}."
    )


def _table(entries: Entries, measure: str) -> Table:
    title = mean_title(measure)
    distances = {RANK_DISTANCE: "in ranks", RANK_DISTANCE_NORM: "normalised"}
    rows = []
    for entry in entries:
        intervals = intervals_of(entry, main_measure(entries))
        figures = [
            (measure, setting, _figure(entry.result, setting, measure)) for setting in SINGLE
        ]
        figures += [(name, MULTI, entry.result.bias.get(name)) for name in distances]
        cells = [Cell(value, aside=intervals.get((name, at), "")) for name, at, value in figures]
        rows.append(Row(title=entry.label, cells=tuple(cells)))
    columns = [
        Column(
            title=SETTING_TITLES[setting],
            group=title,
            better="lower" if setting == GAP else "higher",
            spec=".4f",
            term=measure,
        )
        for setting in SINGLE
    ]
    columns += [
        measure_column(name, title=short, group="Rank distance")
        for name, short in distances.items()
    ]
    return Table(
        caption=f"{title} if the answer exists in one language only, and rank distance",
        head="Model",
        columns=tuple(columns),
        rows=tuple(rows),
        best="down",
        note=" ".join([BOLD] * (len(entries) > 1) + [SMALL_PRINT]),
    )


def _figure(result: Result, setting: Setting, measure: str) -> float | None:
    return result.settings.get(setting, {}).get(measure)
