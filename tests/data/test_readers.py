"""Readers: each form of source gives the same corpus, and says what is wrong with a source."""

from __future__ import annotations

import gzip
import json

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evenrank.data.opening import open_corpus
from evenrank.data.readers.base import READERS, open_source
from evenrank.errors import DataError, UnknownNameError

SUPER_BOWL = {"id": "1", "lang": "en", "query": "Who won?", "passage": "The Broncos won."}


def by_language(rows):
    languages = dict.fromkeys(row["lang"] for row in rows)
    return {lang: [row for row in rows if row["lang"] == lang] for lang in languages}


def content(corpus):
    """What is in a corpus, whatever the order of its rows."""
    names = corpus.table.schema.names
    return sorted(
        str({name: corpus.column(name, np.array([row]))[0] for name in names})
        for row in corpus.rows[corpus.rows >= 0]
    )


@pytest.fixture
def folder(rows, write_lines, tmp_path):
    for lang, of_lang in by_language(rows).items():
        suffix = ".gz" if lang == "de" else ""
        write_lines(f"corpus/{lang}.jsonl{suffix}", of_lang)
    return tmp_path / "corpus"


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hub")


def test_the_forms_of_source_are_found_by_themselves():
    assert list(READERS) == ["folder", "hf", "jsonl", "parquet", "world-facts"]


def test_a_folder_has_a_file_for_each_language(folder):
    corpus = open_corpus(folder)
    assert corpus.name == "corpus"
    assert corpus.languages == ("de", "en", "fi")
    assert (corpus.rows >= 0).sum(axis=0).tolist() == [6, 6, 4]
    assert len(np.unique(corpus.groups)) == 3


def test_languages_are_those_of_the_file_names(write_lines, tmp_path):
    write_lines("zh_cn.jsonl", [{"id": 1, "question": "谁？", "context": "她。"}])
    write_lines("en_bt.jsonl.gz", [{"id": 1, "question": "Who?", "context": "She."}])
    write_lines(".hidden.jsonl", ["no corpus"])
    write_lines("README.md", ["no corpus"])
    assert open_corpus(tmp_path).languages == ("en-BT", "zh")


def test_every_form_gives_the_same_corpus(folder, rows, write_lines, tmp_path, hub_cache):
    write_lines("one.jsonl", rows)
    write_lines("two.jsonl.gz", rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "three.parquet", row_group_size=5)
    (tmp_path / "four").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "four" / "train.parquet")
    whole = open_corpus(folder)
    others = [
        open_corpus(tmp_path / "one.jsonl"),
        open_corpus(tmp_path / "two.jsonl.gz"),
        open_corpus(tmp_path / "three.parquet"),
        open_corpus(f"hf:{tmp_path / 'four'}"),
    ]
    assert [corpus.name for corpus in others] == ["one", "two", "three", "four"]
    assert len({corpus.fingerprint for corpus in others}) == 1
    for corpus in others:
        assert content(corpus) == content(whole)
        assert corpus.languages == whole.languages


def test_column_types_of_parquet_may_differ_where_they_hold_the_same(tmp_path):
    table = pa.table(
        {
            "id": pa.array([1, 2], pa.int32()),
            "context_id": pa.array([10, 10], pa.uint8()),
            "language": pa.array(["en", "en"]).dictionary_encode(),
            "question": pa.array(["Who?", "What?"], pa.large_string()),
            "context": pa.array(["Ada.", "Ada."], pa.string_view()),
            "title": pa.nulls(2),
            "negatives": pa.array([["no"], None], pa.large_list(pa.string())),
            "vector": pa.array([[0.5] * 4] * 2),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    corpus = open_corpus(tmp_path / "a.parquet")
    assert corpus.column("id", corpus.first_rows) == ["1", "2"]
    assert corpus.column("negatives", corpus.first_rows) == [["no"], None]
    assert corpus.groups.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"query": None}, "no column 'query' among id, lang, passage.*'query' or 'question'"),
        ({"passage": [1]}, "column 'passage' of type int64, expected a string"),
        ({"id": [0.5]}, "column 'id' of type double, expected a string .* or a whole number"),
        ({"lang": pa.nulls(1)}, "column 'lang' of type null, expected a string"),
        ({"negatives": ["no"]}, "column 'negatives' of type string, expected a list"),
        ({"negatives": [[1]]}, "column 'negatives' of type list<.*int64>, expected a list"),
    ],
)
@pytest.mark.parametrize("form", ["parquet", "hf"])
def test_columns_that_are_missing_or_cannot_hold_their_field(
    tmp_path, hub_cache, form, columns, message
):
    (tmp_path / "set").mkdir()
    path = tmp_path / "set" / "bad.parquet"
    good = {name: [value] for name, value in SUPER_BOWL.items()}
    merged = {name: column for name, column in (good | columns).items() if column is not None}
    pq.write_table(pa.table(merged), path)
    source = str(path) if form == "parquet" else f"hf:{tmp_path / 'set'}"
    with pytest.raises(DataError, match=message) as caught:
        open_corpus(source)
    assert caught.value.place == source


def test_a_damaged_parquet_file(tmp_path):
    path = tmp_path / "bad.parquet"
    pq.write_table(pa.Table.from_pylist([SUPER_BOWL] * 100), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"bad.parquet: found damage .*expected a whole Parquet"):
        open_corpus(path)


def test_invalid_utf_8_in_parquet_names_the_row(tmp_path):
    texts = pa.array([b"Good.", b"B\xffd.", b"Fine."]).view(pa.string())
    columns = {"id": ["1", "2", "3"], "lang": ["en"] * 3, "query": ["Who?"] * 3, "passage": texts}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a.parquet, row 2: found byte 0xff in a text"):
        open_corpus(tmp_path / "a.parquet")
    corpus = open_corpus(tmp_path / "a.parquet", skip_bad=tmp_path / "bad.jsonl")
    assert corpus.column("id", corpus.first_rows) == ["1", "3"]


def test_a_hugging_face_split_and_configuration(tmp_path, hub_cache):
    for split, item in (("train", "1"), ("test", "2")):
        (tmp_path / "set").mkdir(exist_ok=True)
        line = json.dumps(SUPER_BOWL | {"id": item})
        (tmp_path / "set" / f"{split}.jsonl").write_text(line + "\n")
    corpus = open_corpus(f"hf:{tmp_path / 'set'}:default:test")
    assert corpus.column("id", corpus.first_rows) == ["2"]
    assert len(open_corpus(f"hf:{tmp_path / 'set'}::train")) == 1
    with pytest.raises(DataError, match="found several splits, expected one of train, test"):
        open_corpus(f"hf:{tmp_path / 'set'}")
    with pytest.raises(DataError, match="no split 'dev', expected one of train, test"):
        open_corpus(f"hf:{tmp_path / 'set'}::dev")
    with pytest.raises(DataError, match="'other' not found"):
        open_corpus(f"hf:{tmp_path / 'set'}:other")


def test_a_hugging_face_data_set_that_does_not_exist(tmp_path, hub_cache):
    with pytest.raises(DataError, match="expected a data set that can be loaded"):
        open_corpus(f"hf:{tmp_path / 'nothing'}")


def test_code_of_a_data_set_is_never_run(tmp_path, hub_cache):
    (tmp_path / "evil").mkdir()
    code = f"open({str(tmp_path / 'ran')!r}, 'w').close()\n"
    (tmp_path / "evil" / "evil.py").write_text(code)
    with pytest.raises(DataError):
        open_corpus(f"hf:{tmp_path / 'evil'}")
    assert not (tmp_path / "ran").exists()


def test_a_changed_data_set_is_read_again(tmp_path, hub_cache):
    (tmp_path / "set").mkdir()
    for item in ("1", "22"):
        line = json.dumps(SUPER_BOWL | {"id": item})
        (tmp_path / "set" / "train.jsonl").write_text(line + "\n")
        corpus = open_corpus(f"hf:{tmp_path / 'set'}")
        assert corpus.column("id", corpus.first_rows) == [item]


def test_world_facts_are_a_source():
    from evenrank.benchmarks.world_facts import world_facts

    made, opened = world_facts("dev"), open_corpus("world-facts:dev", languages=["de", "en"])
    assert opened.languages == ("de", "en")
    assert content(opened) == content(made.restrict(["de", "en"]))
    with pytest.raises(UnknownNameError, match="nearest is 'dev'"):
        open_corpus("world-facts:dew")


@pytest.mark.parametrize("source", ["nothing", "nothing.jsonl", "nothing.parquet"])
def test_a_source_that_does_not_exist(source):
    with pytest.raises(DataError) as caught:
        open_source(source)
    assert str(caught.value).startswith(f"{source}: found no such file or folder, expected a ")
    assert all(READERS.get(name).form in caught.value.expected for name in READERS)


def test_a_file_that_no_reader_knows(tmp_path):
    (tmp_path / "a.csv").write_text("id,query\n")
    with pytest.raises(DataError, match="found a file that no reader knows"):
        open_source(str(tmp_path / "a.csv"))


def test_a_folder_without_files_of_lines(tmp_path):
    (tmp_path / "de.json").write_text("[]")
    with pytest.raises(DataError, match=r"no .jsonl or .jsonl.gz file in the folder"):
        open_source(str(tmp_path))


def test_a_file_in_a_folder_that_is_named_after_no_language(folder):
    (folder / "everything.jsonl").write_text("{}")
    with pytest.raises(DataError, match=r"everything.jsonl: found language code 'everything'"):
        open_source(str(folder))


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_are_no_rows(tmp_path):
    line = json.dumps(SUPER_BOWL).encode()
    other = json.dumps(SUPER_BOWL | {"lang": "de"}).encode()
    data = b"\xef\xbb\xbf" + line + b"\r\n\r\n  \n" + other  # and no line end at the end
    (tmp_path / "a.jsonl").write_bytes(data)
    assert open_corpus(tmp_path / "a.jsonl").languages == ("de", "en")


def test_gzip_of_several_members_is_read_whole(tmp_path):
    lines = [json.dumps(SUPER_BOWL | {"id": str(n)}).encode() + b"\n" for n in range(3)]
    (tmp_path / "a.jsonl.gz").write_bytes(b"".join(map(gzip.compress, lines)))
    assert len(open_corpus(tmp_path / "a.jsonl.gz")) == 3
