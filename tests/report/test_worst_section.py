"""The worst queries, against the result folders and the ranks themselves."""

import pyarrow.parquet as pq
import pytest

from evenrank.benchmarks.benchmark import Card, Passage, Query, build_benchmark
from evenrank.evaluation.evaluate_run import evaluate_run
from evenrank.report.content import Fold, Text
from evenrank.report.entry import read_entries
from evenrank.report.section import SECTIONS
from evenrank.results.folder import read_result

CARD = Card(title="Colours", source="tests", licence="CC0", citation="none")
WORDS = {"de": ["rot", "grün", "blau"], "en": ["red", "green", "blue"], "es": ["rojo", "verde", ""]}


def content(folders):
    text, *found = SECTIONS.get("worst").content(read_entries(folders))
    assert isinstance(text, Text)
    assert all(isinstance(block, Fold) for block in found)
    return text.text, found


def passages(query):
    """The passages of a query with their facts."""
    ((title, found),) = query.rankings
    assert not title
    return found


def cells(table, group=""):
    """The cells of each row by the columns' titles, of the columns whose group begins so."""
    return [
        {
            column.title: cell.value
            for column, cell in zip(table.columns, row.cells, strict=True)
            if column.group.startswith(group)
        }
        for row in table.rows
    ]


@pytest.fixture
def run_of(tmp_path):
    """A function that evaluates a run of three queries about colours, with or without texts.

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
    assert [fold.open for fold in found] == [True, False, False]
    for folder, fold in zip(samples[:3], found, strict=True):
        result = read_result(folder)
        assert fold.title == f"The worst 20 of {result.model.label}"
        overview, *queries = fold.blocks
        assert [one.query.text for one in queries] == [query.text for query in result.worst]
        titles = [f"{place}. {query.lang}" for place, query in enumerate(result.worst, 1)]
        assert [row.title for row in overview.rows] == titles
        for row, query in zip(cells(overview, "Rank"), result.worst, strict=True):
            row = {lang: rank for lang, rank in row.items() if lang in ("ar", "de", "en", "tr")}
            assert row == {
                lang: {answer.lang: answer.rank for answer in query.answers}.get(lang)
                for lang in ("ar", "de", "en", "tr")
            }


def test_the_ranks_of_the_other_results_are_next_to_it(samples):
    """Their ranks are looked up in the ranks of all queries, whatever their own worst ones are."""
    _, found = content(samples[:3])
    query = read_result(samples[0]).worst[0]
    best = []
    for folder in samples[:3]:
        ranks = pq.read_table(folder / "ranks.parquet").to_pandas()
        best.append(ranks[ranks["query_id"] == query.query_id].groupby("lang")["rank"].min())
    distances = [ranks.max() - ranks.min() for ranks in best]
    overview, first, *_ = found[0].blocks
    assert list(cells(overview, "Rank distance")[0].values()) == distances
    assert distances[0] == query.rank_distance
    answers = [one for one in passages(first) if one.relevant]
    assert [one.passage.lang for one in answers] == list(best[0].sort_values().index)
    labels = ("x-x-mono", "x-y", "hybrid")
    for one in answers:
        ranks = [ranks[one.passage.lang] for ranks in best]
        assert one.facts == " · ".join(
            f"{label} {rank}" for label, rank in zip(labels, ranks, strict=True)
        )


def test_best_and_worst_language_are_marked_and_named(samples):
    _, (fold,) = content(samples[:1])
    table, *queries = fold.blocks
    assert "▼" in table.note
    for row, query in zip(table.rows, queries, strict=True):
        ranks = {
            column.title: cell
            for column, cell in zip(table.columns, row.cells, strict=True)
            if column.group == "Rank" and cell.value is not None
        }
        last = max(ranks, key=lambda lang: ranks[lang].value)
        assert [lang for lang, cell in ranks.items() if cell.aside] == [last]
        first = min(ranks, key=lambda lang: ranks[lang].value)
        summary = f"best: {first} {ranks[first].value}; worst: {last} {ranks[last].value}"
        assert query.summary == summary


def test_the_passage_at_rank_1_is_shown_if_it_is_not_relevant(samples):
    _, (fold,) = content(samples[:1])
    firsts = [query.first for query in read_result(samples[0]).worst]
    assert {first.relevant for first in firsts} == {True, False}
    for first, query in zip(firsts, fold.blocks[1:], strict=True):
        top = passages(query)[0]
        assert top.facts == ("rank 1" if first.relevant else "rank 1 · not relevant")
        assert top.relevant == first.relevant
        assert (top.passage.lang, top.passage.text) == (first.lang, first.text)


def test_a_result_without_worst_queries_has_no_table_and_is_looked_up(samples, edited):
    old = edited(samples[0], worst=[])
    assert not SECTIONS.get("worst").applies(read_entries([old]))
    _, (fold,) = content([old, samples[1]])
    assert fold.title == "The worst 20 of x-y"
    assert all(row["x-x-mono"] is not None for row in cells(fold.blocks[0], "Rank distance"))


def test_a_run_that_ends_shows_no_rank_that_is_not_known(run_of):
    """Its depth is 3: the English passage may have any later rank."""
    lines = {"de-q0": ["de-p0", "de-p1", "es-p0"], "en-q1": ["en-p1", "de-p1", "es-p1"]}
    _, (fold,) = content([run_of(lines)])
    table, query, _ = fold.blocks
    first, second = table.rows
    assert (first.title, second.title) == ("1. de", "2. en")
    assert [(cell.value, cell.aside) for cell in first.cells] == [
        (3, "+"),
        (1, ""),
        ("not in run", ""),
        (3, ""),
    ]
    assert [(cell.value, cell.aside) for cell in second.cells] == [
        (2, ""),
        (2, ""),
        (1, ""),
        (3, "▼"),
    ]
    assert "the run ends" in table.note
    assert query.summary == "best: de 1; worst: en not in run"
    assert [one.facts for one in passages(query)] == ["rank 1", "rank 3", "rank not in run"]


def test_another_run_is_looked_up_as_far_as_it_goes(run_of):
    one = run_of({"de-q0": ["de-p0", "en-p0", "es-p0"]}, "one")
    two = run_of({"de-q0": ["de-p1", "de-p0"], "en-q2": ["de-p2", "en-p2"]}, "two")
    _, (fold, _) = content([one, two])
    table, query, *_ = fold.blocks
    (row,) = [row for row in table.rows if row.title == "1. de"]
    found = [(cell.value, cell.aside) for cell in row.cells[:2]]
    assert found == [(2, ""), (1, "+")]  # its depth is 2
    own = content([two])[1][0].blocks[1]
    assert own.summary == "best: de 2; worst: 2 languages not in run"
    assert [one.facts for one in passages(query)] == [
        "one 1 · two 2",
        "one 2 · two not in run",
        "one 3 · two not in run",
    ]


def test_best_ranks_if_relevant_passages_are_in_one_language_only(run_of):
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
    text, (fold,) = content([run_of(lines, own=True)])
    assert "There is no rank distance" in text
    table, *queries = fold.blocks
    assert [column.title for column in table.columns] == ["run"]
    assert [(row.title, row.cells[0].value) for row in table.rows] == [
        ("1. en", "not in run"),
        ("2. de", 3),
        ("3. es", 2),
    ]
    summaries = [one.summary for one in queries]
    assert summaries == ["relevant: en not in run", "relevant: de 3", "relevant: es 2"]


def test_a_run_without_texts_names_its_queries(run_of):
    lines = {"de-q0": ["de-p0", "de-p1", "es-p0"]}
    _, (fold,) = content([run_of(lines, texts=False)])
    _, query = fold.blocks
    assert query.query.text == "de-q0"
    assert passages(query) == ()
