"""Readers: each form of source gives the same corpus, and says what is wrong with a source."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import UTC, datetime

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


def test_the_forms_of_source_are_found_by_themselves():
    assert list(READERS) == ["beir", "file", "folder", "hf", "mmarco", "world-facts"]


def test_a_folder_has_a_file_for_each_language(folder):
    corpus = open_corpus(folder)
    assert corpus.name == "corpus"
    assert corpus.languages == ("de", "en", "fi")
    assert (corpus.rows >= 0).sum(axis=0).tolist() == [6, 6, 4]
    assert len(np.unique(corpus.groups)) == 3


def test_languages_are_those_of_the_file_names(write_lines, tmp_path):
    write_lines("zh_cn.jsonl", [{"id": 1, "question": "谁？", "context": "她。"}])
    write_lines("en_bt.jsonl.gz", [{"id": 1, "question": "Who?", "context": "She."}])
    write_lines(".hidden.jsonl", ["not a corpus"])
    write_lines("README.md", ["not a corpus"])
    assert open_corpus(tmp_path).languages == ("en-BT", "zh")


def test_a_folder_may_have_a_folder_for_each_language(write_lines, tmp_path):
    """As data sets of the Hub: ``de/train-00000-of-00002.parquet``."""
    for lang in ("de", "zh-TW"):
        (tmp_path / lang).mkdir()
        for part in (0, 1):
            row = {"id": str(part), "query": f"{lang}?", "passage": f"{lang} {part}."}
            pq.write_table(
                pa.table({k: [v] for k, v in row.items()}), tmp_path / lang / f"{part}.parquet"
            )
    corpus = open_corpus(tmp_path)
    assert corpus.languages == ("de", "zh-TW")
    assert corpus.table["passage"].to_pylist() == ["de 0.", "de 1.", "zh-TW 0.", "zh-TW 1."]
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match="Name a folder in it: de, train, zh-TW"):
        open_source(str(tmp_path))


def write_csv(path, rows):
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    return path


def written(form, rows, folder):
    """Write rows in one of the forms, and return the source."""
    name = form.removeprefix("hf:").removeprefix("folder of ")
    path = folder / f"train.{name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if form.startswith("folder of "):
        for lang, of_lang in by_language(rows).items():
            part = written(name, of_lang, folder / "parts")
            part.rename(part.parent / f"{lang}.{name}")
        return folder / "parts"
    if "csv" in name:
        write_csv(path, rows)
    elif "tsv" in name:
        lines = (rows[0], *(row.values() for row in rows))
        path.write_text("".join("\t".join(map(str, line)) + "\n" for line in lines))
    elif name == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=5)
    elif name == "json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(path.read_bytes()))
    return f"hf:{folder}" if form.startswith("hf:") else path


FORMS = [
    *("jsonl", "jsonl.gz", "json", "csv", "csv.gz", "tsv", "parquet"),
    *("hf:jsonl", "hf:json", "hf:csv", "hf:parquet"),
    *("folder of jsonl", "folder of csv", "folder of parquet"),
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_corpus(form, rows, folder, tmp_path):
    corpus = open_corpus(written(form, rows, tmp_path / "new"))
    whole = open_corpus(folder)
    assert content(corpus) == content(whole)
    assert corpus.languages == whole.languages


AS_WRITTEN = [
    *("007", "7", "1e5", "0x10", "1_000", "+1", "NA", "null", "None", "nan", "true", "False"),
    *("2026-11-25", "2026-11-25T12:00:00Z", "12:30", " leading", "trailing ", "1,5", "=1+1"),
    *("é", "e\u0301", "\ufeffx", "ID #1", "a/b", "'quoted'"),
]


@pytest.mark.parametrize("form", FORMS)
def test_ids_and_texts_arrive_as_they_are_written(form, tmp_path):
    rows = [
        {"id": text, "passage_id": text, "lang": "en", "query": text, "passage": text}
        for text in AS_WRITTEN
    ]
    corpus = open_corpus(written(form, rows, tmp_path / "new"))
    for name in ("id", "passage_id", "query", "passage"):
        assert corpus.column(name, corpus.first_rows) == AS_WRITTEN, name


@pytest.mark.parametrize("form", [form for form in FORMS if "sv" not in form])
def test_a_number_as_an_id_is_its_decimal_text(form, tmp_path):
    rows = [SUPER_BOWL | {"id": 7}, SUPER_BOWL | {"id": 2**53 + 1}]
    corpus = open_corpus(written(form, rows, tmp_path / "new"))
    assert corpus.column("id", corpus.first_rows) == ["7", "9007199254740993"]
    wrong = [SUPER_BOWL | {"id": 0.5}]
    with pytest.raises(DataError, match=r"'id' with float 0.5 .*a whole number"):
        open_corpus(written(form, wrong, tmp_path / "wrong"))


def test_csv_with_quotes_lines_and_missing_values(tmp_path):
    path = tmp_path / "a.csv"
    row = SUPER_BOWL | {"query": 'A "quoted", two\r\nline query?', "title": ""}
    path.write_bytes(b"\xef\xbb\xbf" + write_csv(path, [row, row | {"id": "2"}]).read_bytes())
    corpus = open_corpus(path)
    assert corpus.column("query", corpus.first_rows) == [row["query"]] * 2
    path.write_bytes(b'\xef\xbb\xbf"id","lang","query","passage"\r\n"1","en","?","."\r\n\r\n')
    assert len(open_corpus(path)) == 1
    assert corpus.column("article", corpus.first_rows) == [None, None]
    for text, place, message in [
        ("id,lang,query,passage\n1,en,?,.\n2,en,?\n", 3, "found 3 fields, expected 4"),
        ('id,lang,query,passage\n1,en,"a\nb",.\n2,en,"?,.\n', 4, "unexpected end of data"),
        ("id,lang,query,passage\n1,en,,.\n", 2, "field 'query' without a value"),
        ("id,lang,query\n1,en,?\n", 2, "no field 'passage' or 'context' among id, lang, query"),
        ("id,id,query\n1,en,?\n", 1, "column 'id' twice"),
    ]:
        path.write_text(text)
        with pytest.raises(DataError, match=rf"a.csv:{place}: .*{message}"):
            open_corpus(path)
    path.write_bytes(b"id,lang,query,passage\n1,en,caf\xe9,.\n2,en,?,.\n")
    with pytest.raises(DataError, match=r"a.csv:2: found bytes that are not UTF-8"):
        open_corpus(path)
    assert len(open_corpus(path, skip_bad=tmp_path / "bad.jsonl")) == 1


def test_nothing_is_quoted_in_tsv(tmp_path):
    (tmp_path / "en.tsv").write_text('id\tquery\tpassage\n1\t"Hamlet" is what?\t"A" play.\n')
    corpus = open_corpus(tmp_path)
    assert corpus.column("query", corpus.first_rows) == ['"Hamlet" is what?']
    assert corpus.column("passage", corpus.first_rows) == ['"A" play.']


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.csv", "a.tsv.gz"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_refused_in_one_line(tmp_path, name, encoding):
    data = json.dumps(SUPER_BOWL).encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    with pytest.raises(DataError, match=rf"{name}:1: found UTF-16 text.* iconv -f UTF-16 -t UTF-8"):
        open_corpus(tmp_path / name)


def test_column_types_of_parquet_may_differ_if_the_values_are_the_same(tmp_path):
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
        ({"query": None}, "no field 'query' or 'question' among .*vector"),
        ({"passage": [1]}, "field 'passage' with int 1 .*expected a string"),
        ({"id": [0.5]}, "field 'id' with float 0.5 .*expected a whole number, or a string"),
        ({"id": [datetime(2026, 11, 25, tzinfo=UTC)]}, "field 'id' with datetime datetime.*2026"),
        ({"lang": pa.nulls(1)}, "field 'lang' without a value .*expected a string"),
        ({"negatives": ["no"]}, "field 'negatives' with str 'no' .*expected a list"),
        ({"negatives": [[1]]}, "field 'negatives' with list .*expected a list"),
        ({"positive_ctxs": [["x"]], "passage": None}, "This looks like training data of DPR"),
    ],
)
@pytest.mark.parametrize("form", ["parquet", "hf"])
def test_columns_that_are_missing_or_of_another_type(tmp_path, form, columns, message):
    (tmp_path / "set").mkdir()
    path = tmp_path / "set" / "bad.parquet"
    good = {name: [value] for name, value in SUPER_BOWL.items()} | {"vector": [[0.5]]}
    merged = {name: column for name, column in (good | columns).items() if column is not None}
    pq.write_table(pa.table(merged), path)
    with pytest.raises(DataError, match=message) as caught:
        open_corpus(path if form == "parquet" else f"hf:{tmp_path / 'set'}")
    assert caught.value.place == f"{path}, row 1"


def test_a_damaged_parquet_file(tmp_path):
    path = tmp_path / "bad.parquet"
    pq.write_table(pa.Table.from_pylist([SUPER_BOWL] * 100), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"bad.parquet: found damage .*expected a complete Parquet"):
        open_corpus(path)


def test_invalid_utf_8_in_parquet_names_the_row(tmp_path):
    texts = pa.array([b"Good.", b"B\xffd.", b"Fine."]).view(pa.string())
    columns = {"id": ["1", "2", "3"], "lang": ["en"] * 3, "query": ["Who?"] * 3, "passage": texts}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a.parquet, row 2: found byte 0xff in a text"):
        open_corpus(tmp_path / "a.parquet")
    corpus = open_corpus(tmp_path / "a.parquet", skip_bad=tmp_path / "bad.jsonl")
    assert corpus.column("id", corpus.first_rows) == ["1", "3"]


def test_a_hugging_face_split_and_configuration(tmp_path):
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


def test_a_data_set_of_the_hub_is_found_in_its_cache_without_a_network(hub):
    folder = hub("someone/facts", "abc", "main")
    write_csv(folder / "train.csv", [SUPER_BOWL | {"id": "007"}])
    write_csv(folder / "test.csv", [SUPER_BOWL | {"id": "NA"}])
    for split, item in (("train", "007"), ("test", "NA")):
        corpus = open_corpus(f"hf:someone/facts::{split}")
        assert (corpus.name, corpus.column("id", corpus.first_rows)) == ("facts", [item])


def test_a_hugging_face_data_set_that_does_not_exist(tmp_path):
    with pytest.raises(DataError, match="expected a data set that can be loaded"):
        open_corpus(f"hf:{tmp_path / 'nothing'}")


def test_code_of_a_data_set_is_never_run(tmp_path):
    (tmp_path / "evil").mkdir()
    code = f"open({str(tmp_path / 'ran')!r}, 'w').close()\n"
    (tmp_path / "evil" / "evil.py").write_text(code)
    with pytest.raises(DataError):
        open_corpus(f"hf:{tmp_path / 'evil'}")
    assert not (tmp_path / "ran").exists()


def test_a_changed_data_set_is_read_again(tmp_path):
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
    (tmp_path / "a.txt").write_text("id,query\n")
    with pytest.raises(DataError, match="found a file that no reader knows"):
        open_source(str(tmp_path / "a.txt"))


def test_a_folder_without_files_of_rows(tmp_path):
    (tmp_path / "de.json").write_text("[]")
    with pytest.raises(DataError, match=r"found no file that ends in .jsonl, .csv,.* Correct the"):
        open_source(str(tmp_path))
    for name in ("train", "dev"):
        (tmp_path / name).mkdir()
    with pytest.raises(DataError, match="Name a folder in it: dev, train"):
        open_source(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("everything.jsonl", "Rename it; or open the file itself, if its rows have a lang field"),
        ("train.csv", "Rename it; or open the file itself, if its rows have a lang field"),
        ("english_collection.tsv", "This looks like mMARCO"),
        ("dutch_queries.train.tsv", "This looks like mMARCO"),
    ],
)
def test_a_file_in_a_folder_that_is_not_named_after_a_language(folder, name, remedy):
    (folder / name).write_text("{}")
    with pytest.raises(DataError, match=rf"{name}: found a name that is not a.*{remedy}"):
        open_source(str(folder))


def test_two_files_of_one_language_are_refused(write_lines, tmp_path):
    write_lines("c/en.jsonl", [SUPER_BOWL])
    write_lines("c/eng.jsonl.gz", [SUPER_BOWL | {"id": "3"}])
    with pytest.raises(
        DataError, match=r"eng.jsonl.gz: found a second name for English \(en\), af"
    ):
        open_corpus(tmp_path / "c")
    for twi, akan in (("twi_Latn", "aka_Latn"), ("eng-US", "eng"), ("por", "por-BR")):
        for lang in (twi, akan):
            write_lines(f"{twi}/{lang}.jsonl", [{"id": 1, "query": "?", "passage": "."}])
        assert len(open_corpus(tmp_path / twi).languages) == 2


def test_names_that_are_words_and_rare_languages_are_not_read_in_silence(
    write_lines, tmp_path, caplog
):
    for name in ("dev", "all", "new", "de"):
        write_lines(f"c/{name}.jsonl", [{"id": 1, "query": "?", "passage": "."}])
    assert open_corpus(tmp_path / "c").languages == ("all", "de", "dev", "new")
    assert "dev.jsonl is read as Domung (dev). If it is not: rename it, or open" in caplog.text
    assert "new.jsonl is read as Newari (new)" in caplog.text
    assert len(caplog.records) == 3
    write_lines("d/all.jsonl", [SUPER_BOWL])
    with pytest.raises(DataError, match=r"language 'en' .*expected 'all', the name of the file"):
        open_corpus(tmp_path / "d")


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_are_not_rows(tmp_path):
    line = json.dumps(SUPER_BOWL).encode()
    other = json.dumps(SUPER_BOWL | {"lang": "de"}).encode()
    data = b"\xef\xbb\xbf" + line + b"\r\n\r\n  \n" + other  # and no line end at the end
    (tmp_path / "a.jsonl").write_bytes(data)
    assert open_corpus(tmp_path / "a.jsonl").languages == ("de", "en")


def test_gzip_of_several_members_is_read_whole(tmp_path):
    lines = [json.dumps(SUPER_BOWL | {"id": str(n)}).encode() + b"\n" for n in range(3)]
    (tmp_path / "a.jsonl.gz").write_bytes(b"".join(map(gzip.compress, lines)))
    assert len(open_corpus(tmp_path / "a.jsonl.gz")) == 3
