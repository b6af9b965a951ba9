"""The worst questions, against the result folders and the ranks themselves."""

import pyarrow.parquet as pq
import pytest

from evenrank.benchmarks.benchmark import Card, Passage, Query, build_benchmark
from evenrank.evaluation.evaluate_run import evaluate_run
from evenrank.report.content import Failures, Text
from evenrank.report.entry import read_entries
from evenrank.report.section import SECTIONS
from evenrank.results.schema import read_result

CARD = Card(title="Colours", source="tests", licence="CC0", citation="none")
WORDS = {"de": ["rot", "grün", "blau"], "en": ["red", "green", "blue"], "es": ["rojo", "verde", ""]}


def content(folders):
    text, *found = SECTIONS.get("worst").content(read_entries(folders))
    assert isinstance(text, Text)
    assert all(isinstance(block, Failures) for block in found)
    return text.text, found


def cells(table, group=""):
    """The cells of each row by the columns' titles, of the columns whose group begins so."""
    return [
        {
            column.title: value
            for column, value in zip(table.columns, row.cells, strict=True)
            if column.group.startswith(group)
        }
        for row in table.rows
    ]


@pytest.fixture
def run_of(tmp_path):
    """A function that evaluates a run of three questions about colours, with or without texts.

    ``own`` says that only the passage in the query's language is judged, as in MIRACL.
    """

    def evaluated(lines, name="run", *, own=False, texts=True):
        queries = [
            Query(f"{lang}-q{n}", str(n), lang, f"{word}?" if texts else "")
            for lang, words in WORDS.items()
            for n, word in enumerate(words)
            if word
        ]
        passages = [
            Passage(f"{lang}-p{n}", lang, f"{word}." if texts else "")
            for lang, words in WORDS.items()
            for n, word in enumerate(words)
            if word
        ]
        qrels = [
            (query.id, passage.id)
            for query in queries
            for passage in passages
            if query.id[-1] == passage.id[-1] and (not own or query.lang == passage.lang)
        ]
        benchmark = build_benchmark("colours", CARD, queries, passages, qrels)
        path = tmp_path / f"{name}.trec"
        path.write_text(
            "".join(
                f"{query} Q0 {passage} {rank} {-rank} tag\n"
                for query, found in lines.items()
                for rank, passage in enumerate(found, 1)
            )
        )
        evaluate_run(path, benchmark, output=tmp_path / name, label=name)
        return tmp_path / name

    return evaluated


def test_each_result_shows_its_own_in_the_order_kept(samples):
    _, found = content(samples[:3])
    for folder, failures in zip(samples[:3], found, strict=True):
        result = read_result(folder)
        assert failures.title == f"The worst 20 of {result.model.label}"
        assert [one.question.text for one in failures.questions] == [
            query.text for query in result.worst
        ]
        titles = [f"{place}. {query.lang}" for place, query in enumerate(result.worst, 1)]
        assert [row.title for row in failures.overview.rows] == titles
        for row, query in zip(cells(failures.overview, "Rank of"), result.worst, strict=True):
            assert row == {
                lang: {answer.lang: answer.rank for answer in query.answers}.get(lang)
                for lang in ("ar", "de", "en", "tr")
            }


def test_the_other_results_answer_the_same_query_beside_it(samples):
    """Their ranks are looked up in the ranks of all queries, whatever their own worst ones are."""
    _, found = content(samples[:3])
    query = read_result(samples[0]).worst[0]
    best = []
    for folder in samples[:3]:
        ranks = pq.read_table(folder / "ranks.parquet").to_pandas()
        best.append(ranks[ranks["query_id"] == query.query_id].groupby("lang")["rank"].min())
    distances = [ranks.max() - ranks.min() for ranks in best]
    assert list(cells(found[0].overview, "Rank distance")[0].values()) == distances
    assert distances[0] == query.rank_distance
    answers = [one for one in found[0].questions[0].passages if not one.note]
    assert [one.passage.lang for one in answers] == list(best[0].sort_values().index)
    for one in answers:
        assert one.ranks == tuple(ranks[one.passage.lang] for ranks in best)


def test_best_and_worst_language_are_marked_and_named(samples):
    _, (failures,) = content(samples[:1])
    table = failures.overview
    assert "▼" in table.note
    for row, failure in zip(table.rows, failures.questions, strict=True):
        ranks = {
            column.title: (value, aside)
            for column, value, aside in zip(table.columns, row.cells, row.asides, strict=True)
            if column.group.startswith("Rank of") and value is not None
        }
        last = max(ranks, key=ranks.get)
        assert [lang for lang, (_, aside) in ranks.items() if aside] == [last]
        first = min(ranks, key=ranks.get)
        summary = f"best: {first} {ranks[first][0]}; worst: {last} {ranks[last][0]}"
        assert failure.summary == summary


def test_what_stood_first_is_shown_where_it_is_no_answer(samples):
    _, (failures,) = content(samples[:1])
    firsts = [query.first for query in read_result(samples[0]).worst]
    assert {first.relevant for first in firsts} == {True, False}
    for first, failure in zip(firsts, failures.questions, strict=True):
        top = failure.passages[0]
        assert top.ranks == (1,)
        assert top.note == ("" if first.relevant else "no answer")
        assert (top.passage.lang, top.passage.text) == (first.lang, first.text)


def test_old_results_lack_their_part_and_are_looked_up_all_the_same(samples, edited):
    old = edited(samples[0], worst=[])
    assert not SECTIONS.get("worst").applies(read_entries([old]))
    _, (failures,) = content([old, samples[1]])
    assert failures.title == "The worst 20 of x-y"
    assert all(row["x-x-mono"] is not None for row in cells(failures.overview, "Rank distance"))
    (old / "ranks.parquet").unlink()
    _, (failures,) = content([old, samples[1]])
    assert all(row["x-x-mono"] is None for row in cells(failures.overview, "Rank distance"))
    assert all(one.ranks[0] is None for one in failures.questions[0].passages)


def test_a_result_needs_no_other_file_for_its_own(samples, edited):
    alone = edited(samples[0])
    (alone / "ranks.parquet").unlink()
    assert content([alone]) == content(samples[:1])


def test_a_run_that_ends_shows_no_rank_that_is_not_known(run_of):
    """Its depth is 3: the English answer may stand anywhere behind."""
    lines = {"de-q0": ["de-p0", "de-p1", "es-p0"], "en-q1": ["en-p1", "de-p1", "es-p1"]}
    _, (failures,) = content([run_of(lines)])
    first, second = failures.overview.rows
    assert (first.title, second.title) == ("1. de", "2. en")
    assert first.cells == (3, 1, "not in run", 3)
    assert first.asides == ("+", "", "", "")
    assert second.cells == (2, 2, 1, 3)
    assert second.asides == ("", "", "", "▼")
    assert "the run ends" in failures.overview.note
    assert failures.questions[0].summary == "best: de 1; worst: en not in run"
    assert [one.ranks for one in failures.questions[0].passages] == [(1,), (3,), ("not in run",)]


def test_another_run_is_looked_up_as_far_as_it_goes(run_of):
    one = run_of({"de-q0": ["de-p0", "en-p0", "es-p0"]}, "one")
    two = run_of({"de-q0": ["de-p1", "de-p0"], "en-q2": ["de-p2", "en-p2"]}, "two")
    _, (failures, _) = content([one, two])
    (row,) = [row for row in failures.overview.rows if row.title == "1. de"]
    assert (row.cells[:2], row.asides[:2]) == ((2, 1), ("", "+"))  # behind its depth of 2
    assert content([two])[1][0].questions[0].summary == "best: de 2; worst: 2 languages not in run"
    ranks = [one.ranks for one in failures.questions[0].passages]
    assert ranks == [(1, 2), (2, "not in run"), (3, "not in run")]


def test_best_ranks_where_answers_are_in_one_language_only(run_of):
    lines = {
        "de-q0": ["de-p1", "en-p0", "de-p0"],
        "en-q0": ["en-p0"],
        "es-q0": ["de-p0", "es-p0"],
        "de-q1": ["de-p1"],
        "en-q1": ["en-p1"],
        "es-q1": ["en-p1", "es-p1"],
        "de-q2": ["de-p2"],
        "en-q2": ["de-p0"],
    }
    text, (failures,) = content([run_of(lines, own=True)])
    assert "Rank distance does not exist here" in text
    table = failures.overview
    assert [column.title for column in table.columns] == ["run"]
    assert [(row.title, *row.cells) for row in table.rows] == [
        ("1. en", "not in run"),
        ("2. de", 3),
        ("3. es", 2),
    ]
    summaries = [one.summary for one in failures.questions]
    assert summaries == ["answer: en not in run", "answer: de 3", "answer: es 2"]


def test_a_run_without_texts_names_its_queries(run_of):
    lines = {"de-q0": ["de-p0", "de-p1", "es-p0"]}
    _, (failures,) = content([run_of(lines, texts=False)])
    assert [one.question.text for one in failures.questions] == ["de-q0"]
    assert failures.questions[0].passages == ()
