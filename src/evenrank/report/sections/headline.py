"""The figures to look at first: the paper's first table and its recalls (arXiv 2408.10536)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evenrank.report.content import MARK, Block, Column, Row, Table, Text, Value
from evenrank.report.entry import Entry
from evenrank.report.section import Entries, section
from evenrank.report.statistics import SMALL_PRINT, change_text, comparison_of, intervals_of
from evenrank.report.terms import (
    RANK_DISTANCE,
    RANK_DISTANCE_NORM,
    main_measure,
    mean_title,
    measure_column,
)
from evenrank.results.schema import Setting

SETTING_TITLES: dict[Setting, str] = {
    "mono": "monolingual",
    "cross": "cross-lingual",
    "multi": "multilingual",
}
RECALLS: tuple[tuple[str, Setting], ...] = (("R@1", "mono"), ("R@1", "cross"), ("R@10", "multi"))
GUIDE = (
    "Monolingual: query and collection in one language. Cross-lingual: every ordered pair of "
    "different languages. Multilingual: one collection of all languages together. "
    "Every figure is a mean over queries, then over languages or pairs of languages. "
    "Rank distance: how far apart the answers to one query rank in the multilingual collection "
    "when they say the same in different languages; the normalised one is 0 at its least value "
    "and 1 for a random order."
)
BOLD = "Bold: the best of its column; values that print alike are all bold."
TESTED = (
    "Small print: 95 % bootstrap interval of the difference, over questions each with its "
    f"translations; {MARK} p of at most .05 in a paired permutation test, after Holm."
)
UNTESTED = "These are differences between means; whether they exceed chance is not tested here."
REFERENCES = {"least": "Least possible", "random": "Random order"}


@section("headline", "Quality and language bias", order=10)
def headline(entries: Entries) -> Iterator[Block]:
    """Quality in the three settings beside rank distance, and the recalls."""
    yield Text(GUIDE)
    yield _main_table(entries)
    if any(_setting(entry, *recall) is not None for entry in entries for recall in RECALLS):
        yield _recall_table(entries)
    if len(entries) > 1:
        yield _change_table(entries)


def _main_table(entries: Entries) -> Table:
    measure = main_measure(entries)
    title = mean_title(measure) if measure else "quality"
    columns = [
        measure_column(measure or "", title=SETTING_TITLES[setting], group=title)
        for setting in SETTING_TITLES
    ]
    columns += [
        measure_column(name, title=short, group="Rank distance")
        for name, short in ((RANK_DISTANCE, "in ranks"), (RANK_DISTANCE_NORM, "normalised"))
    ]
    figures: list[tuple[str, Setting]] = [(measure or "", setting) for setting in SETTING_TITLES]
    figures += [(RANK_DISTANCE, "multi"), (RANK_DISTANCE_NORM, "multi")]
    asides = [_asides(entry, measure, figures) for entry in entries]
    notes = [BOLD] if len(entries) > 1 else []
    notes += [SMALL_PRINT] if any(asides) else []
    rows = [
        Row(
            title=entry.label,
            cells=(
                *(_setting(entry, measure, setting) for setting in SETTING_TITLES),
                entry.result.bias.get(RANK_DISTANCE),
                entry.result.bias.get(RANK_DISTANCE_NORM),
            ),
            asides=small,
        )
        for entry, small in zip(entries, asides, strict=True)
    ]
    return Table(
        caption=f"{title} in the three settings, and rank distance",
        head="Model",
        columns=tuple(columns),
        rows=(*rows, *_frame(entries)),
        best="down",
        note=" ".join(notes),
    )


def _asides(
    entry: Entry, measure: str | None, figures: Sequence[tuple[str, Setting]]
) -> tuple[str, ...]:
    """Return the interval of each figure; nothing at all where a result has none."""
    found = intervals_of(entry, measure)
    return tuple(found.get(figure, "") for figure in figures) if found else ()


def _frame(entries: Entries) -> Iterator[Row]:
    """What rank distance stands against; the same for all results on one benchmark."""
    references = entries[0].result.references.get(RANK_DISTANCE, {})
    for name, normalised in (("least", 0.0), ("random", 1.0)):
        if (value := references.get(name)) is not None:
            cells: tuple[Value, ...] = (None, None, None, value, normalised)
            yield Row(title=REFERENCES[name], cells=cells, role="frame")


def _recall_table(entries: Entries) -> Table:
    columns: list[Column] = [
        measure_column(name, title=SETTING_TITLES[setting], group=name) for name, setting in RECALLS
    ]
    rows = [
        Row(
            title=entry.label,
            cells=tuple(_setting(entry, *recall) for recall in RECALLS),
            asides=_asides(entry, main_measure(entries), RECALLS),
        )
        for entry in entries
    ]
    return Table(
        caption="Recall at the top",
        head="Model",
        columns=tuple(columns),
        rows=tuple(rows),
        best="down",
    )


def _setting(entry: Entry, measure: str | None, setting: Setting) -> float | None:
    return entry.result.settings.get(setting, {}).get(measure or "")


def _change_table(entries: Entries) -> Table:
    first = entries[0]
    measure = main_measure(entries)
    columns = [
        Column(title=SETTING_TITLES[setting], group=mean_title(measure or ""), spec="+.4f")
        for setting in SETTING_TITLES
    ]
    columns += [
        Column(title="in ranks", group="Rank distance", spec="+,.1f"),
        Column(title="in percent", group="Rank distance", spec="+.1%"),
    ]
    rows = []
    changes = _changes(entries)
    for number, entry in enumerate(entries[1:]):
        before, after = (one.result.bias.get(RANK_DISTANCE) for one in (first, entry))
        cells = [
            _minus(_setting(entry, measure, setting), _setting(first, measure, setting))
            for setting in SETTING_TITLES
        ]
        cells += [_minus(after, before), _minus(after / before, 1) if after and before else None]
        small = changes[number] if changes else ()
        rows.append(Row(title=entry.label, cells=tuple(cells), asides=small))
    return Table(
        caption=f"Change against {first.label}",
        head="Model",
        columns=tuple(columns),
        rows=tuple(rows),
        note=TESTED if changes else UNTESTED,
    )


def _changes(entries: Entries) -> list[tuple[str, ...]]:
    """Return the small print of each row of the table of changes; empty if nothing is tested."""
    comparison = comparison_of(entries)
    if comparison is None:
        return []
    measure = main_measure(entries) or ""
    figures: list[tuple[str, Setting]] = [(measure, setting) for setting in SETTING_TITLES]
    tested = {
        (row.system, row.measure, row.setting): change_text(row)
        for row in comparison.select("setting")
    }
    return [
        (
            *(tested.get((system, *figure), "") for figure in figures),
            tested.get((system, RANK_DISTANCE, "multi"), ""),
            "",
        )
        for system in comparison.systems
    ]


def _minus(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other
