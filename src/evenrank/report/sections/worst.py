"""The queries with the worst results of each model, next to the other models' results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from evenrank.report.content import Block, Fold, Found, QueryResults, Quote, Text
from evenrank.report.entry import Entry
from evenrank.report.heatmap import MANY
from evenrank.report.section import Entries, section
from evenrank.report.sections.examples import LONGEST, cut
from evenrank.report.terms import RANK_DISTANCE, passage_languages
from evenrank.results.folder import QueryRanks
from evenrank.results.schema import WorstQuery
from evenrank.tables import Cell, Column, Row, Table, show

BY_DISTANCE = (
    "For each model, the queries whose relevant passages in different languages have the most "
    "different ranks in the multilingual pool. Of parallel queries only the worst is shown."
)
BY_RANK = (
    "For each model, the queries whose first relevant passage has the lowest rank in the "
    "multilingual pool. There is no rank distance: the relevant passages of a query are in one "
    "language only."
)
READING = (
    "Open a query to read the relevant passages with their ranks, after the passage at rank 1 if "
    f"that is not relevant. Texts are cut after {LONGEST} characters."
)
MARKS = "Bold: the best of its group of columns; ▼: the language with the last rank."
CUT_OFF = (
    "Not in run: the run ends before this passage; +: the distance is at least this. Queries of "
    "equal distance are in the order of the benchmark."
)
WORST, AT_LEAST, NOT_IN_RUN = "▼", "+", "not in run"
ENDS = 5
"""Of more than ``MANY`` languages, this many first and last passages are shown."""


Outcomes = Sequence[Mapping[str, QueryRanks]]
"""For each model, its results by the ids of queries."""


@section(
    "worst",
    "Worst queries",
    order=55,
    applies=lambda entries: any(entry.result.worst for entry in entries),
)
def worst(entries: Entries) -> Iterator[Block]:
    """The worst queries of each model, with the results of the other models."""
    by_distance = any(_has_distance(entry) for entry in entries)
    yield Text(f"{BY_DISTANCE if by_distance else BY_RANK} {READING}")
    wanted = {query.query_id for entry in entries for query in entry.result.worst}
    looked_up = [entry.evaluation.query_ranks(wanted) for entry in entries]
    shown = [place for place, entry in enumerate(entries) if entry.result.worst]
    for place in shown:
        worst_queries = entries[place].result.worst
        outcomes = [*looked_up]
        outcomes[place] = looked_up[place] | _own(entries[place])
        queries = (
            _query(entries, place, outcomes, number, query)
            for number, query in enumerate(worst_queries, 1)
        )
        yield Fold(
            f"The worst {len(worst_queries)} of {entries[place].label}",
            (_overview(entries, place, outcomes), *queries),
            open=place == shown[0],
        )


def _has_distance(entry: Entry) -> bool:
    return any(query.rank_distance is not None for query in entry.result.worst)


def _own(entry: Entry) -> dict[str, QueryRanks]:
    """Return what a result contains about its own worst queries."""
    return {
        query.query_id: QueryRanks(
            {answer.lang: answer.rank for answer in query.answers}, query.rank_distance
        )
        for query in entry.result.worst
    }


def _overview(entries: Entries, place: int, outcomes: Outcomes) -> Table:
    """Return a row for each query: its result under each model, and the ranks by language."""
    entry = entries[place]
    own = [outcomes[place][query.query_id] for query in entry.result.worst]
    by_distance = _has_distance(entry)
    langs = [
        lang
        for lang in passage_languages(entries)
        if by_distance and any(lang in outcome.ranks for outcome in own)
    ]
    langs = langs if len(langs) <= MANY else []
    title = "Rank distance" if by_distance else "First relevant rank"
    rows = []
    for number, (query, outcome) in enumerate(zip(entry.result.worst, own, strict=True), 1):
        cells = [_badness(answered.get(query.query_id), by_distance) for answered in outcomes]
        cells += [_cell(outcome, lang) for lang in langs]
        rows.append(Row(title=f"{number}. {query.lang}", cells=tuple(cells)))
    notes = [MARKS] if langs else []
    ids = [query.query_id for query in entry.result.worst]
    if any(answered[one].missing for answered in outcomes for one in ids if one in answered):
        notes.append(CUT_OFF)
    return Table(
        caption=f"{title}{', and the rank of the relevant passage by language' if langs else ''}",
        head="Query",
        columns=(
            *(_column(one.label, title) for one in entries),
            *(_column(lang, "Rank") for lang in langs),
        ),
        rows=tuple(rows),
        best="across",
        note=" ".join(notes),
    )


def _column(title: str, group: str) -> Column:
    term = RANK_DISTANCE if group == "Rank distance" else ""
    return Column(title=title, group=group, better="lower", spec=",.0f", term=term)


def _cell(outcome: QueryRanks, lang: str) -> Cell:
    """Return the rank in a language, if there is one, with a mark if it is the last."""
    last = not outcome.missing and len(outcome.known) > 1 and [*outcome.known][-1] == lang
    rank = outcome.known.get(lang, NOT_IN_RUN if lang in outcome.ranks else None)
    return Cell(rank, aside=WORST if last else "")


def _badness(outcome: QueryRanks | None, by_distance: bool) -> Cell:
    """Return what decides how bad a result is, with its mark."""
    if outcome is None:
        return Cell(None)
    if by_distance:
        at_least = outcome.rank_distance is not None and outcome.missing
        return Cell(outcome.rank_distance, aside=AT_LEAST if at_least else "")
    return Cell(next(iter(outcome.known.values()), NOT_IN_RUN))


def _query(
    entries: Entries, place: int, outcomes: Outcomes, number: int, query: WorstQuery
) -> QueryResults:
    text = cut(query.text) or query.query_id
    return QueryResults(
        query=Quote(query.lang, text),
        number=f"{number}.",
        summary=_summary(outcomes[place][query.query_id]),
        rankings=(("", tuple(_passages(entries, place, outcomes, query))),),
    )


def _summary(outcome: QueryRanks) -> str:
    """Return the first and the last rank in a few words."""
    found = [f"{lang} {show(rank, ',d')}" for lang, rank in outcome.known.items()]
    missing = [f"{lang} {NOT_IN_RUN}" for lang, rank in outcome.ranks.items() if rank is None]
    if len(outcome.ranks) < 2:
        return f"relevant: {', '.join(found + missing)}"
    if len(missing) > 1:
        missing = [f"{len(missing)} languages {NOT_IN_RUN}"]
    return f"best: {(found or missing)[0]}; worst: {(missing or found)[-1]}"


def _passages(
    entries: Entries, place: int, outcomes: Outcomes, query: WorstQuery
) -> Iterator[Found]:
    """What is at rank 1 if it is not relevant, then the relevant passages, the best first."""
    labels = [entry.label for entry in entries] if len(entries) > 1 else ["rank"]
    first = query.first
    if first and first.text and not first.relevant:
        facts = f"{labels[place]} 1 · not relevant"
        yield Found(Quote(first.lang, cut(first.text)), facts, relevant=False)
    answers = sorted(query.answers, key=lambda one: (one.rank is None, one.rank or 0))
    if len(answers) > MANY:
        answers = answers[:ENDS] + answers[-ENDS:]
    for answer in answers:
        cells = [
            _cell(answered[query.query_id], answer.lang).value
            if query.query_id in answered
            else None
            for answered in outcomes
        ]
        facts = " · ".join(
            f"{label} {show(value, ',d')}"
            for label, value in zip(labels, cells, strict=True)
            if value is not None
        )
        if answer.text:
            yield Found(Quote(answer.lang, cut(answer.text)), facts, relevant=True)
