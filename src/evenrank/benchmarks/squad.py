"""Files in the layout of SQuAD, and the retrieval benchmark that LAReQA builds from them.

Every sentence of every paragraph is a passage. It is relevant for a query if it contains the start
of the answer to that query or to a parallel query (Roy et al. 2020, arXiv 2004.05484,
section 3.1).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import BaseModel, Field, ValidationError

from evenrank.benchmarks.benchmark import Benchmark, Card, Passage, Query, build_benchmark
from evenrank.errors import DataError

REMEDY = "Replace the file with the released one"


class Question(NamedTuple):
    """A question; ``answer_start`` is a position in its paragraph's context, in characters."""

    id: str
    text: str
    answer_start: int


class Sentence(NamedTuple):
    """A sentence: the characters ``start:end`` of the context, and the text to be searched."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    """A paragraph with its questions; ``place`` names its file, for messages."""

    place: str
    context: str
    questions: tuple[Question, ...]
    sentences: tuple[Sentence, ...] = ()


class _Answer(BaseModel):
    answer_start: int = Field(ge=0)


class _Question(BaseModel):
    id: str
    question: str
    answers: list[_Answer] = Field(min_length=1, max_length=1)


class _Paragraph(BaseModel):
    context: str
    qas: list[_Question]
    sentences: list[str] = []
    sentence_breaks: list[tuple[int, int]] = []


class _Article(BaseModel):
    paragraphs: list[_Paragraph]


class _File(BaseModel):
    data: list[_Article]


def read_squad(data: bytes, place: str) -> list[Paragraph]:
    """Read the paragraphs of a file in the layout of SQuAD, in the order of the file.

    LAReQA's fields ``sentences`` and ``sentence_breaks`` are read where they are there.

    Args:
        data: The file's bytes.
        place: The file's name, for messages.

    Raises:
        DataError: The file is not JSON, or breaks the layout.

    >>> read_squad(b'{"data": [{"paragraphs": [{"context": "It rains.", "qas": []}]}]}', "en.json")
    [Paragraph(place='en.json', context='It rains.', questions=(), sentences=())]
    """
    try:
        file = _File.model_validate_json(data)
    except ValidationError as cause:
        first = cause.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(
            f"{place}, {where}" if where else place,
            first["msg"],
            "JSON in the layout of SQuAD with one answer for each question",
            REMEDY,
        ) from cause
    return [
        _paragraph(paragraph, place) for article in file.data for paragraph in article.paragraphs
    ]


def _paragraph(read: _Paragraph, place: str) -> Paragraph:
    if len(read.sentences) != len(read.sentence_breaks):
        raise DataError(
            _name(place, [question.id for question in read.qas]),
            f"{len(read.sentences)} sentences and {len(read.sentence_breaks)} sentence_breaks",
            "as many of both",
            REMEDY,
        )
    return Paragraph(
        place,
        read.context,
        tuple(Question(q.id, q.question, q.answers[0].answer_start) for q in read.qas),
        tuple(
            Sentence(start, end, text)
            for (start, end), text in zip(read.sentence_breaks, read.sentences, strict=True)
        ),
    )


def answer_benchmark(
    name: str, card: Card, paragraphs: Mapping[str, Sequence[Paragraph]]
) -> Benchmark:
    """Build the benchmark of finding the sentence with the answer, in every language.

    A query is called ``<language>/<question>``; a passage ``<language>/<paragraph>/<sentence>``,
    where both numbers count from 0.

    Args:
        name: Name of the benchmark.
        card: Where it comes from.
        paragraphs: The paragraphs of each language, with their sentences.

    Raises:
        DataError: A paragraph has no sentences, or an answer starts outside of them.

    >>> snow = Paragraph(
    ...     "en.json",
    ...     "It rains. It snows.",
    ...     (Question("q1", "What falls when it is cold?", 13),),
    ...     (Sentence(0, 9, "It rains."), Sentence(10, 19, "It snows.")),
    ... )
    >>> card = Card("Snow", "this page", "CC0-1.0", "none")
    >>> benchmark = answer_benchmark("snow", card, {"en": [snow]})
    >>> benchmark.passages.ids.take(benchmark.relevance.passages).to_pylist()
    ['en/0/1']
    """
    queries: list[Query] = []
    passages: list[Passage] = []
    answers: defaultdict[str, list[str]] = defaultdict(list)
    for lang in sorted(paragraphs):
        for number, paragraph in enumerate(paragraphs[lang]):
            passages += [
                Passage(f"{lang}/{number}/{position}", lang, sentence.text)
                for position, sentence in enumerate(_sentences(paragraph))
            ]
            for question in paragraph.questions:
                queries.append(Query(f"{lang}/{question.id}", question.id, lang, question.text))
                answers[question.id].append(
                    f"{lang}/{number}/{_answer_sentence(paragraph, question)}"
                )
    qrels = [(query.id, answer) for query in queries for answer in answers[query.parallel_id]]
    return build_benchmark(name, card, queries, passages, qrels)


def _sentences(paragraph: Paragraph) -> tuple[Sentence, ...]:
    if not paragraph.sentences:
        raise DataError(
            _name(paragraph.place, [question.id for question in paragraph.questions]),
            "no sentence breaks",
            "at least one sentence",
            REMEDY,
        )
    return paragraph.sentences


def _name(place: str, questions: Sequence[str]) -> str:
    """Name a paragraph by its file and its first question."""
    return f"{place}, paragraph of question {questions[0]}" if questions else place


def _answer_sentence(paragraph: Paragraph, question: Question) -> int:
    """Return the number of the sentence that contains the start of the answer."""
    for position, sentence in enumerate(paragraph.sentences):
        if sentence.start <= question.answer_start < sentence.end:
            return position
    raise DataError(
        f"{paragraph.place}, question {question.id}",
        f"an answer that starts at character {question.answer_start}, outside of all sentences",
        "a start inside of one of the paragraph's sentences",
        REMEDY,
    )
