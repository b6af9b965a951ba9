"""Every measure that was computed, and what each one means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from evenrank.report.content import Block, Column, Row, Table
from evenrank.report.entry import Entry
from evenrank.report.section import Entries, section
from evenrank.report.sections.headline import BOLD, SETTING_TITLES
from evenrank.report.terms import TITLES, better, measure_column, summary
from evenrank.results.schema import Figures, Setting

DIRECTIONS = {"higher": "higher is better", "lower": "lower is better", "none": "neither"}


@section("measures", "Every measure", order=70)
def measures(entries: Entries) -> Iterator[Block]:
    """A table for each setting, one for language bias, and the definitions."""
    for setting, title in SETTING_TITLES.items():
        yield from _table(
            title.capitalize(), entries, [_setting(entry, setting) for entry in entries]
        )
    bias = [entry.result.bias for entry in entries]
    yield from _table("Language bias, in the multilingual collection", entries, bias)
    ranking = [_setting(entry, setting) for setting in SETTING_TITLES for entry in entries]
    yield _definitions([*_names(ranking), *_names(bias)])


def _setting(entry: Entry, setting: Setting) -> Figures:
    return entry.result.settings.get(setting, {})


def _names(figures: Iterable[Figures]) -> list[str]:
    """Return the names of measures, those that reports explain first."""
    names = dict.fromkeys(name for by_name in figures for name in by_name)
    return sorted(names, key=lambda name: (name not in TITLES, [*TITLES, name].index(name)))


def _definitions(names: list[str]) -> Table:
    """One row for each measure; cutoffs of one measure stand together."""
    together: dict[str, list[str]] = {}
    for name in names:
        together.setdefault(name.partition("@")[0], []).append(name)
    return Table(
        caption="Definitions",
        head="Measure",
        columns=(Column(title="what it is"), Column(title="which way is better")),
        rows=tuple(
            Row(title=", ".join(same), cells=(summary(same[0]), DIRECTIONS[better(same[0])]))
            for same in together.values()
        ),
    )


def _table(title: str, entries: Entries, figures: list[Figures]) -> Iterator[Table]:
    names = _names(figures)
    if not names:
        return
    rows = [
        Row(title=entry.label, cells=tuple(by_name.get(name) for name in names))
        for entry, by_name in zip(entries, figures, strict=True)
    ]
    yield Table(
        caption=title,
        head="Model",
        columns=tuple(measure_column(name, title=name) for name in names),
        rows=tuple(rows),
        best="down",
        note=BOLD if len(entries) > 1 else "",
    )
