"""Writing a corpus and reading it back."""

from __future__ import annotations

import gzip
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evenrank.benchmarks.export import export_benchmark
from evenrank.benchmarks.parallel_corpus import benchmark_from_corpus
from evenrank.data.corpus import SCHEMA, corpus_from_rows
from evenrank.data.opening import open_corpus
from evenrank.data.rows import is_visible
from evenrank.data.writing import write_corpus
from evenrank.errors import ConfigError, DataError


def rows_of(corpus):
    """The rows of a corpus by id and language."""
    numbers = corpus.rows[corpus.rows >= 0]
    columns = (corpus.column(name, numbers) for name in SCHEMA.names)
    rows = [dict(zip(SCHEMA.names, row, strict=True)) for row in zip(*columns, strict=True)]
    return {(row["id"], row["lang"]): row for row in rows}


text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6).filter(is_visible)
key = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1).filter(is_visible)
row = st.fixed_dictionaries(
    {
        "id": key,
        "passage_id": key,
        "article": st.none() | text,
        "lang": st.sampled_from(["de", "en-BT", "zh-TW"]),
        "query": text,
        "passage": text,
        "negatives": st.none() | st.lists(text, max_size=2),
    }
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.lists(row, min_size=1, max_size=5, unique_by=lambda row: (row["id"], row["lang"])))
def test_what_is_written_is_read_back(tmp_path, rows):
    corpus = corpus_from_rows(rows, "test")
    write_corpus(corpus, tmp_path / "out", overwrite=True)
    again = open_corpus(tmp_path / "out")
    assert rows_of(again) == rows_of(corpus)
    assert again.languages == corpus.languages


def test_a_file_for_each_language_in_the_order_of_items(rows, tmp_path):
    write_corpus(corpus_from_rows(rows, "test"), tmp_path / "out")
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == [".evenrank", "de.jsonl.gz", "en.jsonl.gz", "fi.jsonl.gz"]
    lines = gzip.decompress((tmp_path / "out" / "fi.jsonl.gz").read_bytes()).splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["q0", "q1", "q2", "q3"]
    assert json.loads(lines[0]) == {
        "id": "q0",
        "passage_id": "p0",
        "article": "a0",
        "query": "question 0 in fi?",
        "passage": "passage 0 in fi.",
    }


def test_the_same_corpus_is_the_same_bytes(rows, tmp_path):
    corpus = corpus_from_rows(rows, "test")
    for name in ("one", "two"):
        write_corpus(corpus, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    for path in (tmp_path / "one").glob("*.gz"):
        assert path.read_bytes()[3:8] == bytes(5)  # neither a name nor a time in the header


def test_only_selected_items_are_written(rows, tmp_path):
    corpus = corpus_from_rows(rows, "test")
    write_corpus(corpus.select(np.array([4, 5])), tmp_path / "out")
    again = open_corpus(tmp_path / "out")
    assert again.languages == ("de", "en")
    assert {id_ for id_, _ in rows_of(again)} == {"q4", "q5"}


def test_a_folder_that_exists_is_kept_unless_told(rows, tmp_path):
    corpus = corpus_from_rows(rows, "test")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="a folder of something else"):
        write_corpus(corpus, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
    with pytest.raises(ConfigError, match="a folder of something else"):
        write_corpus(corpus, tmp_path / "out", overwrite=True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
    write_corpus(corpus, tmp_path / "ours")
    write_corpus(corpus.select(np.array([4, 5])), tmp_path / "ours", overwrite=True)
    assert len(open_corpus(tmp_path / "ours")) == 2


def test_no_language_can_lead_out_of_the_folder(rows, tmp_path):
    corpus = corpus_from_rows([rows[0] | {"lang": "../../de"}], "test")
    with pytest.raises(DataError, match="language code"):
        write_corpus(corpus, tmp_path / "a" / "out")
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_every_language_of_flores_and_ntrex_is_written_and_read_back(tmp_path):
    """From the names of files to a corpus, and from there to folders of both kinds."""
    sets = tomllib.loads((Path(__file__).parent.parent / "language_sets.toml").read_text())
    for name in ("flores-200", "ntrex-128"):
        (tmp_path / name).mkdir()
        codes = sets[name].split()
        for code in codes:
            row = {"id": "1", "query": f"{code}?", "passage": f"{code}."}
            (tmp_path / name / f"{code}.jsonl").write_text(json.dumps(row))
        corpus = open_corpus(tmp_path / name)
        assert len(corpus.languages) == len(codes)
        write_corpus(corpus, tmp_path / "out" / name)
        assert rows_of(open_corpus(tmp_path / "out" / name)) == rows_of(corpus)
        export_benchmark(benchmark_from_corpus(corpus), tmp_path / "beir" / name, "beir")
        assert rows_of(open_corpus(tmp_path / "beir" / name)) == rows_of(corpus)
