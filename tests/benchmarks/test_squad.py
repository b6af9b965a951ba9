from __future__ import annotations

import pytest

from evenrank.benchmarks.benchmark import Card
from evenrank.benchmarks.squad import Question, Sentence, answer_benchmark, read_squad
from evenrank.errors import DataError

CARD = Card("Rain", "this file", "CC0-1.0", "none")
ENGLISH = {"sentences": ["It rains.", "It snows."], "sentence_breaks": [[0, 9], [10, 19]]}
GERMAN = {"sentences": ["Es regnet."], "sentence_breaks": [[0, 10]]}


@pytest.fixture
def english(paragraph, squad):
    """Two paragraphs; the second one's questions are the German one's too."""
    return read_squad(
        squad(
            paragraph("It rains. It snows.", ("q1", "Snow?", 13), **ENGLISH),
            paragraph("It rains. It snows.", ("q2", "Rain?", 3), ("q3", "And?", 10), **ENGLISH),
        ),
        "en.json",
    )


@pytest.fixture
def german(paragraph, squad):
    return read_squad(squad(paragraph("Es regnet.", ("q2", "Regen?", 3), **GERMAN)), "de.json")


def test_a_file_is_read_in_its_order(english):
    assert [p.questions for p in english] == [
        (Question("q1", "Snow?", 13),),
        (Question("q2", "Rain?", 3), Question("q3", "And?", 10)),
    ]
    assert english[0].sentences == (Sentence(0, 9, "It rains."), Sentence(10, 19, "It snows."))


def test_the_sentence_with_the_answer_is_relevant_in_every_language(english, german):
    benchmark = answer_benchmark("rain", CARD, {"en": english, "de": german})
    ids = benchmark.passages.ids.to_pylist()
    assert ids == ["de/0/0", "en/0/0", "en/0/1", "en/1/0", "en/1/1"]
    indptr, passages = benchmark.relevance.indptr, benchmark.relevance.passages
    relevant = {
        query: [ids[at] for at in passages[indptr[place] : indptr[place + 1]]]
        for place, query in enumerate(benchmark.queries.ids.to_pylist())
    }
    assert relevant == {
        "de/q2": ["de/0/0", "en/1/0"],
        "en/q1": ["en/0/1"],
        "en/q2": ["de/0/0", "en/1/0"],
        "en/q3": ["en/1/1"],
    }
    assert benchmark.parallel.tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize("start", [9, 19])
def test_an_answer_outside_of_all_sentences(paragraph, squad, start):
    read = read_squad(squad(paragraph("It rains. It snows.", ("q7", "?", start), **ENGLISH)), "f")
    with pytest.raises(DataError, match=f"f, question q7: found .* character {start}, outside"):
        answer_benchmark("rain", CARD, {"en": read})


def test_a_paragraph_without_sentence_breaks(paragraph, squad):
    read = read_squad(squad(paragraph("It rains.", ("q7", "?", 0))), "en.json")
    with pytest.raises(DataError, match=r"en.json, paragraph of question q7: found no sentence br"):
        answer_benchmark("rain", CARD, {"en": read})


def test_sentences_and_breaks_that_do_not_match(paragraph, squad):
    broken = squad(paragraph("It rains.", ("q7", "?", 0), **ENGLISH | {"sentences": ["It rains."]}))
    with pytest.raises(DataError, match="question q7: found 1 sentences and 2 sentence_breaks"):
        read_squad(broken, "en.json")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "en.json: found Invalid JSON"),
        (b"\xff", "en.json: found Invalid JSON"),
        (b"[]", "en.json: found .*, expected JSON in the layout of SQuAD"),
        (b'{"data": [{}]}', r"en.json, data.0.paragraphs: found Field required"),
        (
            b'{"data": [{"paragraphs": [{"context": "", "qas": [{"id": "1", "question": "?", '
            b'"answers": []}]}]}]}',
            r"en.json, data.0.paragraphs.0.qas.0.answers: found .* at least 1 item",
        ),
    ],
)
def test_a_file_in_another_layout(data, message):
    with pytest.raises(DataError, match=message):
        read_squad(data, "en.json")
