"""The questions that each result answers worst, with the other results beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from evenrank.report.content import (
    Block,
    Column,
    Failure,
    Failures,
    Placed,
    Quote,
    Row,
    Table,
    Text,
    Value,
    show,
)
from evenrank.report.entry import Entry
from evenrank.report.section import Entries, section
from evenrank.report.sections.examples import LONGEST, cut
from evenrank.report.terms import passage_languages
from evenrank.results.schema import WorstQuery

BY_DISTANCE = (
    "For each model, the questions whose answers in different languages rank farthest apart in the "
    "multilingual collection; each question once, asked in the language that does worst."
)
BY_RANK = (
    "For each model, the questions whose best answer ranks lowest in the multilingual collection. "
    "Rank distance does not exist here: the answers to a question are in one language only."
)
READING = (
    "A question opens to the best answer in each language with its rank, after what stood first if "
    f"that is no answer. Texts are cut after {LONGEST} characters."
)
MARKS = "Bold: the best of its group of columns; ▼: the language whose answer ranks last."
CUT_OFF = (
    "Not in run: the run ends before this answer; +: so the distance is at least this. Questions "
    "of equal distance stand in the order of the benchmark."
)
WORST, AT_LEAST, NOT_IN_RUN = "▼", "+", "not in run"


@dataclass(frozen=True)
class _Standing:
    """How one result answers one query.

    Attributes:
        ranks: Rank of the best answer in each language, ``None`` if it is not in the run.
        distance: The rank distance, or the least that it can be.
    """

    ranks: Mapping[str, int | None]
    distance: int | None

    @cached_property
    def known(self) -> dict[str, int]:
        """The ranks that are known, the best first."""
        found = {lang: rank for lang, rank in self.ranks.items() if rank is not None}
        return dict(sorted(found.items(), key=lambda item: item[1]))

    @property
    def missing(self) -> bool:
        """Whether a run lacks an answer."""
        return len(self.known) < len(self.ranks)

    def cell(self, lang: str) -> Value:
        """Return the rank of the answer in a language, if there is one."""
        return self.known.get(lang, NOT_IN_RUN if lang in self.ranks else None)

    def mark(self, lang: str) -> str:
        """Return the mark of the answer that ranks last of several."""
        last = not self.missing and len(self.known) > 1 and [*self.known][-1] == lang
        return WORST if last else ""


Standings = Sequence[Mapping[str, _Standing]]
"""For each result, how it answers queries, by their ids."""


@section(
    "worst",
    "Worst questions",
    order=55,
    applies=lambda entries: any(entry.result.worst for entry in entries),
)
def worst(entries: Entries) -> Iterator[Block]:
    """For each result its worst questions, and how the other results answer them."""
    by_distance = any(_has_distance(entry) for entry in entries)
    yield Text(f"{BY_DISTANCE if by_distance else BY_RANK} {READING}")
    wanted = {query.query_id for entry in entries for query in entry.result.worst}
    looked_up = [_looked_up(entry, wanted) for entry in entries]
    for place, entry in enumerate(entries):
        if entry.result.worst:
            standings = [*looked_up]
            standings[place] = looked_up[place] | _own(entry)
            yield Failures(
                title=f"The worst {len(entry.result.worst)} of {entry.label}",
                overview=_overview(entries, place, standings),
                series=tuple(one.series for one in entries),
                questions=tuple(_failure(place, standings, query) for query in entry.result.worst),
            )


def _has_distance(entry: Entry) -> bool:
    return any(query.rank_distance is not None for query in entry.result.worst)


def _own(entry: Entry) -> dict[str, _Standing]:
    """Return what the result itself keeps of its worst queries."""
    return {
        query.query_id: _Standing(
            {answer.lang: answer.rank for answer in query.answers}, query.rank_distance
        )
        for query in entry.result.worst
    }


def _looked_up(entry: Entry, queries: set[str]) -> dict[str, _Standing]:
    """Return how a result answers queries, by its ranks of all of them."""
    run = entry.result.config.get("run")
    depth = run.get("depth") if isinstance(run, dict) else None
    return {
        query: _Standing(ranks, _distance(ranks, depth if isinstance(depth, int) else None))
        for query, ranks in entry.best_ranks(queries).items()
    }


def _distance(ranks: Mapping[str, int | None], depth: int | None) -> int | None:
    """Return the rank distance, with what a run lacks at the rank behind its depth."""
    known = [rank for rank in ranks.values() if rank is not None]
    if len(ranks) < 2 or not known:
        return None
    if len(known) == len(ranks):
        return max(known) - min(known)
    return None if depth is None else depth + 1 - min(known)


def _overview(entries: Entries, place: int, standings: Standings) -> Table:
    """Return a row for each question: how each result answers it, and its answers' ranks."""
    entry = entries[place]
    ids = [query.query_id for query in entry.result.worst]
    own = [standings[place][query_id] for query_id in ids]
    by_distance = _has_distance(entry)
    langs = [
        lang
        for lang in passage_languages(entries)
        if by_distance and any(lang in standing.ranks for standing in own)
    ]
    title = "Rank distance" if by_distance else "Rank of the best answer"
    caption = (
        f"{title.lower()}, and the rank of the answer in each language" if langs else title.lower()
    )
    rows = []
    for number, (query, standing) in enumerate(zip(entry.result.worst, own, strict=True), 1):
        cells = [_badness(answered.get(query.query_id), by_distance) for answered in standings]
        cells += [(standing.cell(lang), standing.mark(lang)) for lang in langs]
        rows.append(
            Row(
                title=f"{number}. {query.lang}",
                cells=tuple(value for value, _ in cells),
                asides=tuple(aside for _, aside in cells),
            )
        )
    notes = [MARKS] if langs else []
    cut_off = any(answered[one].missing for answered in standings for one in ids if one in answered)
    return Table(
        caption=f"{entry.label}, worst first: {caption}",
        head="Question",
        columns=(
            *(_column(one.label, title) for one in entries),
            *(_column(lang, "Rank of the answer") for lang in langs),
        ),
        rows=tuple(rows),
        best="across",
        note=" ".join([*notes, *([CUT_OFF] if cut_off else [])]),
    )


def _column(title: str, group: str) -> Column:
    return Column(title=title, group=group, better="lower", spec=",.0f")


def _badness(standing: _Standing | None, by_distance: bool) -> tuple[Value, str]:
    """Return what decides how bad an answer is, and its mark."""
    if standing is None:
        return None, ""
    if by_distance:
        at_least = standing.distance is not None and standing.missing
        return standing.distance, AT_LEAST if at_least else ""
    return next(iter(standing.known.values()), NOT_IN_RUN), ""


def _failure(place: int, standings: Standings, query: WorstQuery) -> Failure:
    return Failure(
        question=Quote(query.lang, cut(query.text) or query.query_id),
        summary=_summary(standings[place][query.query_id]),
        passages=tuple(_passages(place, standings, query)),
    )


def _summary(standing: _Standing) -> str:
    """Return the best and the worst answer in a few words."""
    found = [f"{lang} {show(rank, ',d')}" for lang, rank in standing.known.items()]
    lacking = [f"{lang} {NOT_IN_RUN}" for lang, rank in standing.ranks.items() if rank is None]
    if len(standing.ranks) < 2:
        return f"answer: {', '.join(found + lacking)}"
    if len(lacking) > 1:
        lacking = [f"{len(lacking)} languages {NOT_IN_RUN}"]
    return f"best: {(found or lacking)[0]}; worst: {(lacking or found)[-1]}"


def _passages(place: int, standings: Standings, query: WorstQuery) -> Iterator[Placed]:
    """What stood first if it is no answer, then the answers, the best first."""
    first = query.first
    if first and first.text and not first.relevant:
        ranks: list[Value] = [None] * len(standings)
        ranks[place] = 1
        yield Placed(
            passage=Quote(first.lang, cut(first.text)), ranks=tuple(ranks), note="no answer"
        )
    for answer in sorted(query.answers, key=lambda one: (one.rank is None, one.rank or 0)):
        if answer.text:
            yield Placed(
                passage=Quote(answer.lang, cut(answer.text)),
                ranks=tuple(
                    answered[query.query_id].cell(answer.lang)
                    if query.query_id in answered
                    else None
                    for answered in standings
                ),
            )
