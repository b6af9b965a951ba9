"""Every measure that was computed."""

from __future__ import annotations

from collections.abc import Iterator

from evenrank.report.content import Block, Text
from evenrank.report.section import Entries, section
from evenrank.report.sections.headline import BOLD
from evenrank.report.terms import SETTING_TITLES, measure_column, measure_names
from evenrank.results.schema import SINGLE, Figures
from evenrank.tables import Row, Table


@section("measures", "Every measure", order=70)
def measures(entries: Entries) -> Iterator[Block]:
    """A table for each setting, and one for language bias."""
    yield Text("All figures that were computed. The name of a measure leads to its definition.")
    for setting, title in SETTING_TITLES.items():
        figures = [entry.result.settings.get(setting, {}) for entry in entries]
        only = "Answer in one language only: " if setting in SINGLE else ""
        yield from _table((only + title).capitalize(), entries, figures)
    bias = [entry.result.bias for entry in entries]
    yield from _table("Language bias, in the multilingual pool", entries, bias)


def _table(title: str, entries: Entries, figures: list[Figures]) -> Iterator[Table]:
    names = measure_names(figures)
    if not names:
        return
    yield Table(
        caption=title,
        head="Model",
        columns=tuple(measure_column(name, title=name) for name in names),
        rows=tuple(
            Row(title=entry.label, cells=tuple(by_name.get(name) for name in names))
            for entry, by_name in zip(entries, figures, strict=True)
        ),
        best="down",
        note=BOLD if len(entries) > 1 else "",
    )
