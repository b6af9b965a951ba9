"""Rows of other tools and data sets, in the very fields that these have."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evenrank.data.opening import open_corpus
from evenrank.data.writing import write_corpus
from evenrank.errors import DataError


def rows_of(corpus, *names):
    """Return the rows of a corpus, in their order in the source."""
    numbers = np.sort(corpus.rows[corpus.rows >= 0])
    return list(zip(*(corpus.column(name, numbers) for name in names), strict=True))


def tevatron(query_id, query, positives, negatives=()):
    def passages(some):
        return [{"docid": docid, "title": title, "text": text} for docid, title, text in some]

    return {
        "query_id": query_id,
        "query": query,
        "positive_passages": passages(positives),
        "negative_passages": passages(negatives),
    }


def write_parquet(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def write_json_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


WRITE = {"jsonl": write_json_lines, "parquet": write_parquet}


@pytest.mark.parametrize("suffix", WRITE)
def test_tevatron(tmp_path, suffix):
    write = WRITE[suffix]
    bob = ("7", "", "Bob.")
    write(tmp_path / f"c/de.{suffix}", [tevatron("1", "Wer?", [("5", "Ada", "Sie.")], [bob])])
    write(tmp_path / f"c/en.{suffix}", [tevatron("1", "Who?", [("5", "", "She.")], [bob, bob])])
    corpus = open_corpus(tmp_path / "c")
    names = ("id", "passage_id", "article", "lang", "query", "passage", "negatives")
    assert rows_of(corpus, *names) == [
        ("1", "5", "Ada", "de", "Wer?", "Ada Sie.", ["Bob."]),
        ("1", "5", None, "en", "Who?", "She.", ["Bob.", "Bob."]),
    ]


def test_several_positive_passages_are_items_of_one_group(tmp_path):
    """Queries 1 and 2 share passage b, so that a, b and c are never negatives of one another."""
    a, b, c, d = ((name, "", f"Text {name}.") for name in "abcd")
    rows = [tevatron("1", "1?", [a, b]), tevatron("2", "2?", [b, c]), tevatron("3", "3?", [d])]
    write_json_lines(tmp_path / "c/en.jsonl", rows)
    corpus = open_corpus(tmp_path / "c")
    assert corpus.column("id", corpus.first_rows) == ["1#a", "1#b", "2#b", "2#c", "3"]
    assert corpus.groups.tolist() == [0, 0, 0, 0, 1]
    write_corpus(corpus, tmp_path / "out")
    again = open_corpus(tmp_path / "out")
    assert again.groups.tolist() == corpus.groups.tolist()
    write_json_lines(tmp_path / "c/en.jsonl", [*rows[:1], tevatron("2", "2?", [c]), rows[2]])
    assert open_corpus(tmp_path / "c").fingerprint != corpus.fingerprint


def test_flagembedding(tmp_path):
    rows = [
        {"query": "Who?", "pos": ["Ada.", "She."], "neg": ["Bob."], "prompt": "Find:"},
        {"query": "And who?", "pos": ["Ada."], "neg": []},
        {"query": "What?", "pos": ["It."], "neg": ["No."], "id": "x", "lang": "en"},
    ]
    write_json_lines(tmp_path / "c/en.jsonl", rows)
    write_json_lines(tmp_path / "c/de.jsonl", [{"query": "Wer?", "pos": ["Ada."], "neg": ["Er."]}])
    corpus = open_corpus(tmp_path / "c")
    found = rows_of(corpus, "lang", "query", "passage", "negatives")
    assert found == [
        ("de", "Wer?", "Ada.", ["Er."]),
        ("en", "Who?", "Ada.", ["Bob."]),
        ("en", "Who?", "She.", ["Bob."]),
        ("en", "And who?", "Ada.", None),
        ("en", "What?", "It.", ["No."]),
    ]
    assert corpus.groups.tolist() == [0, 0, 0, 0, 1]  # the same text is the same passage
    assert (corpus.rows >= 0).sum(axis=1).tolist() == [1] * 5  # nothing says what is parallel
    assert corpus.column("id", corpus.first_rows)[-1] == "x"


def webfaq(lang1, lang2, n):
    sides = {1: lang1, 2: lang2}
    fields = ("language", "{}"), ("question", "{} " + f"{n}?"), ("answer", "{} " + f"{n // 2}.")
    texts = {f"{f}{s}": text.format(lang) for s, lang in sides.items() for f, text in fields}
    return texts | {"origin": "example.org", "labse_similarity": 0.9, "details": {"urls": ["u"]}}


def test_bitexts_of_webfaq(tmp_path):
    write_parquet(tmp_path / "deu-eng/a.parquet", [webfaq("deu", "eng", n) for n in range(3)])
    corpus = open_corpus(tmp_path / "deu-eng/a.parquet")
    assert corpus.languages == ("de", "en")
    assert corpus.rows.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert corpus.groups.tolist() == [0, 0, 1]
    assert rows_of(corpus, "lang", "query", "passage")[3] == ("en", "eng 1?", "eng 0.")


def test_entailment_of_xnli_in_all_languages(tmp_path):
    def row(n, label):
        texts = {lang: f"{lang} {n}" for lang in ("de", "en")}
        hypothesis = {"language": list(texts), "translation": [f"{t}." for t in texts.values()]}
        return {"premise": texts, "hypothesis": hypothesis, "label": label}

    rows = [row(0, 0), row(1, 1), row(2, 2), row(3, 0)]
    corpus = open_corpus(write_parquet(tmp_path / "all_languages.parquet", rows))
    assert rows_of(corpus, "lang", "query", "passage") == [
        (lang, f"{lang} {n}", f"{lang} {n}.") for n in (0, 3) for lang in ("de", "en")
    ]
    assert corpus.rows.tolist() == [[0, 1], [2, 3]]
    assert (corpus.counts.read, corpus.counts.filtered) == (4, 2)


def test_entailment_of_xnli_in_one_folder_for_each_language(tmp_path):
    for lang in ("de", "en"):
        rows = [{"premise": f"{lang} {n}", "hypothesis": f"{n}", "label": n % 3} for n in range(4)]
        write_parquet(tmp_path / f"c/{lang}/train-00000-of-00001.parquet", rows)
    corpus = open_corpus(tmp_path / "c")
    assert corpus.rows.tolist() == [[0, 2], [1, 3]]
    assert corpus.column("query", corpus.rows[1]) == ["de 3", "en 3"]


def test_rows_of_squad_share_a_passage_by_its_text(tmp_path):
    """As ``facebook/mlqa``, ``mlqa-translate-train.de``: no id of the paragraph."""
    for lang in ("de", "es"):
        rows = [
            {
                "context": f"{lang} {n // 2}.",
                "question": f"{lang} {n}?",
                "answers": {"answer_start": [0], "text": [lang]},
                "id": f"5733{n}",
            }
            for n in range(4)
        ]
        write_parquet(tmp_path / f"c/mlqa-translate-train.{lang}/train/0000.parquet", rows)
        write_parquet(tmp_path / f"d/{lang}.parquet", rows)
    corpus = open_corpus(tmp_path / "d")
    assert (corpus.rows.shape, corpus.groups.tolist()) == ((4, 2), [0, 0, 1, 1])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (tevatron("1", "?", []), "a query without a positive passage in training data of Tevatron"),
        (tevatron("1", "?", [("5", "", "")]), "field 'passage' with an empty string"),
        (tevatron(None, "?", [("5", "", "Ada.")]), "field 'id' without a value"),
        (
            {"query_id": "1", "query": "?", "positive_passages": ["x"]},
            "expected a list of passages",
        ),
        ({"query": "?", "pos": "Ada.", "neg": []}, r"field 'pos' with 'Ada.' in .*a list of texts"),
        ({"query": "?", "pos": ["Ada."], "neg": [1]}, "field 'negatives' with list"),
        ({"premise": "a", "hypothesis": "b", "label": 7}, "label 7 in pairs of XNLI, expected 0"),
        (webfaq("deu", "nonsense", 1), "language code 'nonsense'"),
    ],
)
def test_bad_rows_of_a_layout_are_named(tmp_path, row, message):
    path = write_json_lines(tmp_path / "en.jsonl", [row])
    with pytest.raises(DataError, match=message) as caught:
        open_corpus(tmp_path if "language1" not in row else path)
    assert caught.value.place == f"{path}:1"
