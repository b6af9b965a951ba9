"""Every result against the first: differences, intervals, tests and effect sizes."""

from __future__ import annotations

from collections.abc import Iterator

from evenrank.comparison.comparison import Comparison, Difference
from evenrank.report.content import Block, Text
from evenrank.report.section import Entries, section
from evenrank.report.statistics import change_text, comparison_of
from evenrank.report.terms import RANK_DISTANCE, SETTING_TITLES, SPECS, language_title, mean_title
from evenrank.results.schema import SINGLE, Setting
from evenrank.tables import MARK, Cell, Column, Row, Table

GUIDE = (
    "Whether the differences from the first result could be chance: p is the chance of a "
    "difference of this size between equally good models. A small p (at most .05) speaks for a "
    "real difference. Effect is the size of the difference in standard deviations over queries "
    "(Cohen’s d_z)."
)
METHOD = (
    "Method: paired permutation test ({permutations:,} permutations) and bootstrap intervals "
    "({resamples:,} resamples) over {blocks:,} blocks; a block is a query with its translations, "
    "which are not independent. p is corrected by Holm’s method within each model, measure and "
    "kind of figure."
)
Rows = dict[tuple[str, Setting, str], Difference]
"""By measure, setting and system."""
NOTE = f"Small print: 95 % interval; {MARK} p of at most .05 after Holm."


@section(
    "comparison",
    "Comparison with the first result",
    order=25,
    applies=lambda entries: comparison_of(entries) is not None,
)
def comparison(entries: Entries) -> Iterator[Block]:
    """The settings' p-values and effect sizes, then each query language."""
    found = comparison_of(entries)
    if found is None:
        return
    blocks = max(row.blocks for row in found.rows)
    yield Text(GUIDE)
    tested = {(row.measure, row.setting, row.system): row for row in found.select("setting")}
    for title, single in (("", False), (", answer in one language only", True)):
        rows = {key: row for key, row in tested.items() if (row.setting in SINGLE) == single}
        if rows:
            yield _tests_table(entries, found, title, rows)
    yield _languages_table(entries, found)
    yield Text(
        METHOD.format(
            permutations=found.permutations or 0, resamples=found.resamples, blocks=blocks
        )
    )


def _tests_table(entries: Entries, found: Comparison, title: str, rows: Rows) -> Table:
    """Return p-value and effect size of each setting; the headline has the other differences."""
    change = [("change", "+.4f")] if title else []
    figures = list(dict.fromkeys((measure, setting) for measure, setting, _ in rows))
    excluded = sum(row.excluded for row in rows.values())
    return Table(
        caption=f"Tests of the differences from {entries[0].label}{title}",
        head="Model",
        columns=tuple(
            Column(title=title, group=_title(*figure), spec=spec, term=figure[0])
            for figure in figures
            for title, spec in (*change, ("p", ".4f"), ("effect", "+.2f"))
        ),
        rows=tuple(
            Row(
                title=entry.label,
                cells=tuple(
                    cell
                    for figure in figures
                    for cell in _test(rows.get((*figure, system)))[-2 - len(change) :]
                ),
            )
            for entry, system in zip(entries[1:], found.systems, strict=True)
        ),
        note=f"{excluded:,} values that only one result has are left out." if excluded else "",
    )


def _test(row: Difference | None) -> tuple[float | None, ...]:
    return (row.difference, row.p_holm, row.effect) if row else (None, None, None)


def _title(measure: str, setting: Setting) -> str:
    title = mean_title(measure)
    return title if measure == RANK_DISTANCE else f"{title}, {SETTING_TITLES[setting]}"


def _languages_table(entries: Entries, found: Comparison) -> Table:
    """Return the difference of each query language in the multilingual pool."""
    rows = {(row.query_lang, row.measure, row.system): row for row in found.select("query_lang")}
    columns = [(measure, system) for measure in found.measures for system in found.systems]
    labels = dict(zip(found.systems, (entry.label for entry in entries[1:]), strict=True))
    langs = sorted({lang for lang, _, _ in rows if lang is not None})
    cells = {lang: [rows.get((lang, *column)) for column in columns] for lang in langs}
    return Table(
        caption=f"Difference from {entries[0].label} by query language, in the multilingual pool",
        head="Query language",
        columns=tuple(
            Column(
                title=labels[system],
                group=mean_title(measure),
                spec=f"+{SPECS.get(measure, '.4f')}",
                term=measure,
            )
            for measure, system in columns
        ),
        rows=tuple(
            Row(
                title=language_title(lang),
                cells=tuple(
                    Cell(row.difference, aside=change_text(row)) if row else None
                    for row in cells[lang]
                ),
            )
            for lang in langs
        ),
        note=NOTE,
    )
