"""Policies of balanced search: what each finds, by where the answer is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evenrank.report.content import Block, Figure, Points, Series, Text
from evenrank.report.entry import Entry
from evenrank.report.section import Entries, section
from evenrank.report.sections.single import FOUND
from evenrank.report.terms import main_measure, mean_title

_NAMED = 12
"""Points that still have room for their labels."""


def _merged(entries: Entries) -> list[Entry]:
    """Return the results of policies."""
    return [entry for entry in entries if "policy" in entry.result.config]


@section(
    "policies",
    "Policies",
    order=16,
    applies=lambda entries: len(_merged(entries)) > 1,
)
def policies(entries: Entries) -> Iterator[Block]:
    """The front of answers in the query language against answers in another one."""
    shown = _merged(entries)
    everywhere = all(FOUND in entry.result.single for entry in shown)
    measure = FOUND if everywhere else main_measure(shown) or ""
    points = _points(shown, measure)
    if not points:
        return
    title = mean_title(measure)
    yield Text(
        "A policy merges the lists of all languages into one ranking. It can find more answers in "
        "other languages at the price of answers in the query’s own language. A policy that is on "
        "the front cannot be improved in one of the two without a loss in the other."
    )
    chart = Points(
        title=f"{title}, by where the answer is",
        x_axis="own language",
        y_axis="another language",
        points=points,
        named=len(points) <= _NAMED,
    )
    yield Figure(
        caption="Each point is a policy; the line joins those on the front.",
        panels=(chart,),
        legend=tuple(entry.series for entry in shown),
    )


def _points(entries: Sequence[Entry], measure: str) -> tuple[tuple[Series, float, float], ...]:
    found = []
    for entry in entries:
        settings = entry.result.settings
        own, other = (settings.get(name, {}).get(measure) for name in ("own", "other"))
        if own is not None and other is not None:
            found.append((entry.series, own, other))
    return tuple(found)
