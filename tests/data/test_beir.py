"""BEIR folders as parallel corpora."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from evenrank.benchmarks.parallel_corpus import benchmark_from_corpus
from evenrank.cli.app import app
from evenrank.data.corpus import corpus_from_rows
from evenrank.data.opening import open_corpus
from evenrank.data.writing import write_corpus
from evenrank.errors import DataError

HEADER = "query-id\tcorpus-id\tscore"


@pytest.fixture
def write_beir(write_lines):
    """Write a BEIR folder; texts are pairs of id and text, or rows as they are."""

    def write(name, queries, passages, suffix="", **qrels):
        for file, texts in (("queries", queries), ("corpus", passages)):
            rows = [t if isinstance(t, dict | str) else {"_id": t[0], "text": t[1]} for t in texts]
            path = write_lines(f"{name}/{file}.jsonl{suffix}", rows)
        for split, lines in qrels.items():
            write_lines(f"{name}/qrels/{split}.tsv", [HEADER, *lines])
        return path.parent

    return write


def rows_of(corpus):
    names = ("id", "passage_id", "article", "lang", "query", "passage")
    numbers = np.sort(corpus.rows[corpus.rows >= 0])
    return list(zip(*(corpus.column(name, numbers) for name in names), strict=True))


def test_a_folder_for_each_language_is_joined_by_ids(write_beir, tmp_path):
    write_beir("c/de", [("q1", "Wer?"), ("q2", "Was?")], [("p", "Ada.")], test=["q1\tp\t1"])
    title = {"_id": "p", "title": "Lovelace", "text": "Ada.", "metadata": {}}
    write_beir("c/eng_Latn", [("q1", "Who?")], [title], ".gz", train=["q1\tp\t2"])
    corpus = open_corpus(tmp_path / "c")
    assert corpus.name == "c"
    assert rows_of(corpus) == [
        ("q1", "p", None, "de", "Wer?", "Ada."),
        ("q1", "p", "Lovelace", "en", "Who?", "Lovelace Ada."),
    ]
    assert len(corpus) == 1
    assert open_corpus(tmp_path / "c", languages="de").languages == ("de",)
    assert open_corpus(tmp_path / "c", where="split = 'train'").languages == ("en",)
    assert open_corpus(tmp_path / "c", where="score > 1").languages == ("en",)


def test_a_passage_that_is_judged_irrelevant_is_not_an_item(write_beir):
    qrels = ["q1\tp1\t1", "q1\tp2\t0", "", "q2\tp2\t1\r"]
    passages = [("p1", "One."), ("p2", "Two.")]
    folder = write_beir("c/de", [("q1", "1?"), ("q2", "2?")], passages, test=qrels)
    corpus = open_corpus(folder.parent)
    assert [row[:2] for row in rows_of(corpus)] == [("q1", "p1"), ("q2", "p2")]


def test_a_query_with_several_relevant_passages_is_several_items_of_one_group(write_beir, tmp_path):
    passages = [(f"p{n}", f"{n}.") for n in range(4)]
    for lang in ("de", "en"):
        queries = [("q1", f"1 {lang}?"), ("q2", f"2 {lang}?")]
        qrels = ["q1\tp1\t1", "q1\tp0\t1", "q2\tp3\t1"]
        write_beir(f"c/{lang}", queries, passages, test=qrels)
    corpus = open_corpus(tmp_path / "c")
    assert [row[:2] for row in rows_of(corpus)][:3] == [
        ("q1#p1", "p0"),
        ("q1#p0", "p0"),
        ("q2", "p3"),
    ]
    assert (corpus.rows >= 0).all()
    assert corpus.groups[0] == corpus.groups[1] != corpus.groups[2]
    relevance = benchmark_from_corpus(corpus).relevance
    assert np.diff(relevance.indptr).tolist() == [4, 4, 2, 4, 4, 2]


def test_passages_may_have_other_ids_in_each_language(write_beir, tmp_path):
    for lang in ("de", "en"):
        write_beir(f"c/{lang}", [("q", "?")], [(f"{lang}7", ".")], test=[f"q\t{lang}7\t1"])
    corpus = open_corpus(tmp_path / "c")
    assert (corpus.rows.shape, len(set(corpus.groups))) == ((1, 2), 1)


def test_one_folder_with_a_language_for_each_text(write_beir):
    def text(id_, text, **fields):
        return {"_id": id_, "text": text, **fields}

    folder = write_beir(
        "c",
        [text("de/q", "Wer?", lang="deu"), text("q_en", "Who?", metadata={"language": "en"})],
        [text("de/p", "Ada.", lang="de"), text("p_en", "Ada.", language="en")],
        test=["de/q\tde/p\t1", "de/q\tp_en\t1", "q_en\tp_en\t1", "q_en\tde/p\t1"],
    )
    assert rows_of(open_corpus(folder)) == [
        ("q", "p", None, "de", "Wer?", "Ada."),
        ("q", "p", None, "en", "Who?", "Ada."),
    ]


def test_equal_ids_of_passages_in_one_folder_are_no_translations(write_beir):
    """Only qrels say what belongs together: ``de/1`` and ``en/1`` are unrelated."""
    langs = ("de", "en")
    texts = [
        {"_id": f"{lang}/{n}", "text": f"{lang} {n}", "metadata": {"language": lang}}
        for lang in langs
        for n in range(4)
    ]
    pairs = {"de": [0, 1, 2, 3], "en": [1, 0, 3, 2]}  # the passage of each query
    own = [f"{lang}/{q}\t{lang}/{p}\t1" for lang in langs for q, p in enumerate(pairs[lang])]
    corpus = open_corpus(write_beir("c", texts, texts, test=own))
    assert (corpus.rows.shape, corpus.groups.tolist()) == ((4, 2), [0, 1, 2, 3])
    across = [f"de/{q}\ten/{p}\t1" for q, p in enumerate(pairs["en"])]
    only_de = [line for line in own if line.startswith("de")]
    corpus = open_corpus(write_beir("d", texts, texts, test=only_de + across[:2] + own[4:6]))
    assert corpus.groups.tolist() == [0, 1, 2, 3]
    shared = [*only_de, *own[4:], "de/0\ten/0\t1"]  # query 0 also has the passage of query 1
    corpus = open_corpus(write_beir("e", texts, texts, test=shared))
    assert corpus.groups.tolist() == [0, 0, 1, 2]


def test_parallel_queries_are_those_that_say_so(write_beir):
    def text(id_, lang, **metadata):
        return {"_id": id_, "text": id_, "metadata": {"language": lang, **metadata}}

    queries = [text("de/1", "de", parallel="a"), text("en/1", "en", parallel=7)]
    queries.append(text("en/2", "en", parallel="a"))
    passages = [text("de/p", "de"), text("en/p", "en"), text("en/r", "en")]
    qrels = ["de/1\tde/p\t1", "en/1\ten/p\t1", "en/2\ten/r\t1"]
    corpus = open_corpus(write_beir("c", queries, passages, test=qrels))
    assert corpus.column("id", corpus.first_rows) == ["a", "7"]
    assert corpus.rows.tolist() == [[0, 2], [-1, 1]]


def test_what_we_export_we_read(rows, tmp_path):
    corpus = corpus_from_rows([{**row, "article": None} for row in rows], "test")
    write_corpus(corpus, tmp_path / "c")
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["data", "export", f"corpus:{tmp_path / 'c'}", str(out)])
    assert done.exit_code == 0, done.output
    assert sorted(map(str, rows_of(open_corpus(out)))) == sorted(map(str, rows_of(corpus)))


@pytest.mark.parametrize(
    ("qrels", "queries", "passages", "message"),
    [
        ("q\tx\t1", [], [], r"qrels/test.tsv:2: found passage id 'x', expected an id of corpus"),
        ("x\tp\t1", [], [], r"qrels/test.tsv:2: found query id 'x', expected an id of queries"),
        ("q p 1", [], [], r"qrels/test.tsv:2: found 'q p 1', expected query id, passage id and"),
        ("q\tp\tyes", [], [], r"qrels/test.tsv:2: found .*, expected query id, passage id and a"),
        ("q\tp\t1", ["not JSON"], [], r"queries.jsonl:2: found 'not JSON', which is not JSON"),
        ("q\tp\t1", [("q", "again")], [], r"queries.jsonl:2: found id 'q' a second time"),
        ("q\tempty\t1", [], [("empty", "\u200b")], r"test.tsv:2: found field 'passage' with nothi"),
    ],
)
def test_bad_lines_are_named(write_beir, tmp_path, qrels, queries, passages, message):
    write_beir("c/de", [("q", "?"), *queries], [("p", "."), *passages], test=[qrels])
    write_beir("c/en", [("q", "?")], [("p", ".")], test=["q\tp\t1"])
    with pytest.raises(DataError, match=message):
        open_corpus(tmp_path / "c")
    assert open_corpus(tmp_path / "c", skip_bad=tmp_path / "bad.jsonl").languages[-1] == "en"
    assert json.loads((tmp_path / "bad.jsonl").read_text().splitlines()[0])["place"]


def test_queries_and_passages_that_cannot_be_rows_are_named(write_beir, tmp_path):
    queries = [{"_id": "q", "text": "?", "lang": "de"}, {"_id": "r", "text": "?"}]
    passages = [{"_id": "p", "text": ".", "lang": "en"}]
    folder = write_beir("c", queries, passages, test=["q\tp\t1"])
    with pytest.raises(DataError, match=r"test.tsv:2: found query 'q' with relevant passages in o"):
        open_corpus(folder)
    write_beir("c", queries, passages, test=["r\tp\t1"])
    with pytest.raises(DataError, match=r"queries.jsonl: found query 'r' without a language"):
        open_corpus(folder)


def test_an_incomplete_folder_is_refused(write_beir, tmp_path):
    write_beir("c/de", [("q", "?")], [("p", ".")], test=["q\tp\t1"])
    (tmp_path / "c" / "fr").mkdir()
    with pytest.raises(DataError, match=r"c/fr: found an incomplete BEIR folder, expected corpus"):
        open_corpus(tmp_path / "c")


def test_folders_of_one_language_or_none_are_refused(write_beir, tmp_path):
    for name in ("de", "deu_Latn"):
        write_beir(f"c/{name}", [("q", "?")], [("p", ".")], test=["q\tp\t1"])
    with pytest.raises(
        DataError, match=r"deu_Latn: found a second name for German \(de\), after de"
    ):
        open_corpus(tmp_path / "c")
    (tmp_path / "c" / "deu_Latn").rename(tmp_path / "c" / "everything")
    with pytest.raises(DataError, match=r"everything: found a name that is not a language code"):
        open_corpus(tmp_path / "c")


def test_a_changed_file_is_read_again(write_beir, tmp_path):
    for text in ("One.", "Second."):
        write_beir("c/de", [("q", "?")], [("p", text)], test=["q\tp\t1"])
        assert rows_of(open_corpus(tmp_path / "c"))[0][5] == text
