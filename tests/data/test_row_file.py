"""The file of rows: bounded batches, the place of each row, a fingerprint of the content."""

from __future__ import annotations

from contextlib import closing

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evenrank.data import row_file
from evenrank.data.corpus import SCHEMA
from evenrank.data.readers.base import Part
from evenrank.data.row_file import RowWriter
from evenrank.data.rows import Values

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
lists = st.none() | st.lists(texts, max_size=3)
rows = st.lists(
    st.builds(Values, texts, texts, st.none() | texts, texts, texts, texts, lists), max_size=6
)
PART = Part("a.jsonl", 0, lambda columns: iter(()))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rows.arrow"


def written(path, values) -> tuple[pa.Table, str]:
    with closing(RowWriter(path)) as writer:
        for number, row in enumerate(values, 1):
            writer.add(row, PART, number)
    return pa.ipc.open_file(path).read_all(), writer.fingerprint


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(rows)
def test_what_is_written_is_read(path, values):
    table, _ = written(path, values)
    assert table.schema == SCHEMA
    assert [tuple(row.values()) for row in table.to_pylist()] == [tuple(row) for row in values]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(rows, rows)
def test_fingerprints_are_equal_where_rows_are(path, left, right):
    assert (written(path, left)[1] == written(path, right)[1]) == (left == right)


def test_borders_between_texts_count(path):
    one = Values("1", "1", None, "de", "ab", "c", None)
    assert written(path, [one])[1] != written(path, [one._replace(query="a", passage="bc")])[1]
    assert written(path, [one])[1] != written(path, [one._replace(negatives=[])])[1]
    assert written(path, [one])[1] != written(path, [one._replace(article="")])[1]


def test_a_batch_is_bounded_by_rows_and_by_characters(path, monkeypatch):
    monkeypatch.setattr(row_file, "BATCH_ROWS", 3)
    monkeypatch.setattr(row_file, "BATCH_CHARACTERS", 100)
    short = Values("1", "1", None, "de", "q", "p", None)
    table, _ = written(path, [short] * 7 + [short._replace(passage="p" * 100)] * 2)
    assert [len(chunk) for chunk in table["id"].chunks] == [3, 3, 2, 1]


def test_the_place_of_a_row_is_its_part_and_number(path):
    other = Part("b.parquet", 0, lambda columns: iter(()), counts="row")
    row = Values("1", "1", None, "de", "q", "p", None)
    with closing(RowWriter(path)) as writer:
        for part, number in ((PART, 1), (PART, 4), (other, 1), (other, 2)):
            writer.add(row, part, number)
    assert [writer.place(row) for row in range(4)] == [
        "a.jsonl:1",
        "a.jsonl:4",
        "b.parquet, row 1",
        "b.parquet, row 2",
    ]
    assert writer.languages == {"de"}
