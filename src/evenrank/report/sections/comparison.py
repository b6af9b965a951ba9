"""Every result against the first: differences, intervals, tests and effect sizes."""

from __future__ import annotations

from collections.abc import Iterator

from evenrank.comparison.comparison import Comparison
from evenrank.comparison.difference import Difference
from evenrank.report.content import MARK, Block, Column, Row, Table, Text
from evenrank.report.section import Entries, section
from evenrank.report.sections.headline import SETTING_TITLES
from evenrank.report.statistics import change_text, comparison_of
from evenrank.report.terms import RANK_DISTANCE, language_title, mean_title
from evenrank.results.schema import Setting

GUIDE = (
    "Paired permutation test ({permutations:,} permutations) and percentile bootstrap "
    "({resamples:,} resamples) over {blocks:,} questions, each with its translations: parallel "
    "questions are not independent. p is corrected after Holm within each model, measure and kind "
    "of figure; effect is Cohen’s d_z, the mean of the questions’ differences over their "
    "standard deviation."
)
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
    yield Text(
        GUIDE.format(permutations=found.permutations or 0, resamples=found.resamples, blocks=blocks)
    )
    yield _tests_table(entries, found)
    yield _languages_table(entries, found)


def _tests_table(entries: Entries, found: Comparison) -> Table:
    """Return p-value and effect size of each macro mean; the differences are in the headline."""
    rows = {(row.measure, row.setting, row.system): row for row in found.select("setting")}
    figures = list(dict.fromkeys((measure, setting) for measure, setting, _ in rows))
    excluded = sum(row.excluded for row in rows.values())
    return Table(
        caption=f"Tests of the differences from {entries[0].label}",
        head="Model",
        columns=tuple(
            Column(title=title, group=_title(*figure), spec=spec)
            for figure in figures
            for title, spec in (("p", ".4f"), ("effect", "+.2f"))
        ),
        rows=tuple(
            Row(
                title=entry.label,
                cells=tuple(
                    cell for figure in figures for cell in _test(rows.get((*figure, system)))
                ),
            )
            for entry, system in zip(entries[1:], found.systems, strict=True)
        ),
        note=f"{excluded:,} values that only one result has are left out." if excluded else "",
    )


def _test(row: Difference | None) -> tuple[float | None, float | None]:
    return (row.p_holm, row.effect) if row else (None, None)


def _title(measure: str, setting: Setting) -> str:
    title = mean_title(measure)
    return title if measure == RANK_DISTANCE else f"{title}, {SETTING_TITLES[setting]}"


def _languages_table(entries: Entries, found: Comparison) -> Table:
    """Return the difference of each query language in the pool of all languages."""
    rows = {(row.query_lang, row.measure, row.system): row for row in found.select("query_lang")}
    columns = [(measure, system) for measure in found.measures for system in found.systems]
    labels = dict(zip(found.systems, (entry.label for entry in entries[1:]), strict=True))
    langs = sorted({lang for lang, _, _ in rows if lang is not None})
    cells = {lang: [rows.get((lang, *column)) for column in columns] for lang in langs}
    return Table(
        caption=f"Difference from {entries[0].label} by language of the query, in the "
        "multilingual collection",
        head="Query",
        columns=tuple(
            Column(
                title=labels[system],
                group=mean_title(measure),
                spec="+,.1f" if measure == RANK_DISTANCE else "+.4f",
            )
            for measure, system in columns
        ),
        rows=tuple(
            Row(
                title=language_title(lang),
                cells=tuple(row.difference if row else None for row in cells[lang]),
                asides=tuple(change_text(row) if row else "" for row in cells[lang]),
            )
            for lang in langs
        ),
        note=NOTE,
    )
