"""A few questions, with what each model ranks first."""

from __future__ import annotations

from collections.abc import Iterator

from evenrank.report.content import (
    Answer,
    Answers,
    Block,
    Column,
    Quote,
    Rankings,
    Row,
    Table,
    Text,
)
from evenrank.report.entry import Entry
from evenrank.report.section import Entries, section
from evenrank.report.terms import passage_languages
from evenrank.results.schema import Example

ANSWERS = 5
LONGEST = 280


@section(
    "examples",
    "Examples",
    order=60,
    applies=lambda entries: any(entry.result.examples for entry in entries),
)
def examples(entries: Entries) -> Iterator[Block]:
    """Each question once, with the answers of every result that has it."""
    questions: dict[str, list[tuple[Entry, Example]]] = {}
    for entry in entries:
        for example in entry.result.examples:
            questions.setdefault(example.query_id, []).append((entry, example))
    yield Text(
        f"The {ANSWERS} best passages of the multilingual collection for each model, with a tick "
        "at those that hold the answer; then the rank of the answer in every language. Texts are "
        f"cut after {LONGEST} characters."
    )
    for answered in questions.values():
        yield _rankings(answered, passage_languages(entries))


def _rankings(answered: list[tuple[Entry, Example]], langs: tuple[str, ...]) -> Rankings:
    question = answered[0][1]
    return Rankings(
        question=Quote(question.lang, cut(question.text)),
        answers=tuple(_answers(entry, example) for entry, example in answered),
        ranks=_ranks(answered, langs),
    )


def _answers(entry: Entry, example: Example) -> Answers:
    best = sorted(example.answers, key=lambda answer: answer.rank)[:ANSWERS]
    return Answers(
        series=entry.series,
        answers=tuple(
            Answer(
                rank=answer.rank,
                score=answer.score,
                relevant=answer.relevant,
                passage=Quote(answer.lang, cut(answer.text)),
            )
            for answer in best
        ),
    )


def _ranks(answered: list[tuple[Entry, Example]], langs: tuple[str, ...]) -> Table:
    present = [lang for lang in langs if any(lang in ex.relevant_ranks for _, ex in answered)]
    columns = [Column(title=lang, better="lower", spec=",.0f") for lang in present]
    spread = Column(title="rank distance", better="lower", spec=",.0f")
    return Table(
        caption="Rank of the answer in each language",
        head="Model",
        columns=(*columns, spread),
        rows=tuple(
            Row(
                title=entry.label,
                cells=(
                    *(example.relevant_ranks.get(lang) for lang in present),
                    _spread(entry, example.relevant_ranks, langs),
                ),
            )
            for entry, example in answered
        ),
        best="down",
    )


def _spread(entry: Entry, ranks: dict[str, int], langs: tuple[str, ...]) -> int | None:
    if "run" in entry.result.config and not ranks.keys() >= set(langs):
        return None  # a run may have ended before the farthest one
    return max(ranks.values()) - min(ranks.values()) if len(ranks) > 1 else None


def cut(text: str, longest: int = LONGEST) -> str:
    """Return a text on one line, cut at a word's end where there is one nearby.

    >>> cut("one two three", 9)
    'one two …'
    """
    line = " ".join(text.split())
    if len(line) <= longest:
        return line
    kept = line[: longest - 1]
    at_word = kept.rpartition(" ")[0]
    return f"{at_word} …" if len(at_word) > longest // 2 else f"{kept}…"
