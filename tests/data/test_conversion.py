"""Bad input: named with its place, or written down and left out. Nothing is dropped silently."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from evenrank.data import conversion
from evenrank.data.opening import open_corpus
from evenrank.errors import ConfigError, DataError

GOOD = {"id": "1", "lang": "en", "query": "Who won?", "passage": "The Broncos won."}
OTHER = GOOD | {"id": "2"}

BAD_LINES = {
    "no JSON": ('{"id": "1", ', "not JSON (unexpected end of data)"),
    "no object": ('["1", "en"]', "found list "),
    "no field": (json.dumps({"id": "9", "lang": "en", "query": "?"}), "no field 'passage'"),
    "empty text": (json.dumps(OTHER | {"query": ""}), "field 'query' with an empty string"),
    "number as text": (json.dumps(OTHER | {"passage": 3}), "field 'passage' with int 3"),
    "no language": (json.dumps(OTHER | {"lang": "english!"}), "language code 'english!'"),
    "repeated id": (json.dumps(GOOD | {"lang": "eng"}), "id '1' again in 'en', after "),
    "half a surrogate": ('{"id": "\\ud800"}', "not JSON (no low surrogate in string)"),
    "no UTF-8": (b'{"id": "caf\xe9"}', "byte 0xe9 at position 11, which is not UTF-8"),
}


@pytest.fixture(params=BAD_LINES)
def bad_line(request):
    return BAD_LINES[request.param]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_the_first_bad_row_is_an_error_that_names_its_line(bad_line, write_lines, name):
    line, found = bad_line
    path = write_lines(name, [GOOD, "", line])
    with pytest.raises(DataError) as caught:
        open_corpus(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:3: found ")
    assert found in message
    assert message.endswith(", or pass --skip-bad FILE to leave out bad rows.")
    assert "\n" not in message


def test_a_repeated_id_names_both_lines(write_lines):
    path = write_lines("a.jsonl", [GOOD, OTHER, GOOD | {"lang": "de"}, GOOD])
    with pytest.raises(DataError) as caught:
        open_corpus(path)
    assert caught.value.place == f"{path}:4"
    assert caught.value.found == f"id '1' again in 'en', after {path}:1"


BORDERS = [
    {},
    {"query": "Who won?T", "passage": "he Broncos won."},
    {"id": "1T"},
    {"passage_id": "2"},
    {"article": "a"},
    {"negatives": []},
    {"negatives": ["a", "b"]},
    {"negatives": ["ab"]},
    {"negatives": ["a"]},
]


def test_the_fingerprint_tells_every_difference_of_the_rows(write_lines):
    prints = [
        open_corpus(write_lines(f"{number}.jsonl", [GOOD | fields])).fingerprint
        for number, fields in enumerate(BORDERS)
    ]
    assert len(set(prints)) == len(BORDERS)
    same = write_lines("same.jsonl", [GOOD | {"article": None, "negatives": None, "year": 1}])
    assert open_corpus(same).fingerprint == prints[0]


def test_a_batch_is_limited_in_rows_and_in_characters(write_lines, monkeypatch):
    monkeypatch.setattr(conversion, "BATCH_ROWS", 3)
    monkeypatch.setattr(conversion, "BATCH_CHARACTERS", 100)
    rows = [GOOD | {"id": n, "passage": "p" * (1 if n < 7 else 100)} for n in range(9)]
    table = open_corpus(write_lines("a.jsonl", rows)).table
    assert [len(chunk) for chunk in table["id"].chunks] == [3, 3, 2, 1]


def test_bad_rows_are_written_and_counted_and_the_rest_is_read(write_lines, tmp_path, caplog):
    lines = [line for line, _ in BAD_LINES.values()]
    path = write_lines("a.jsonl", [GOOD, *lines, OTHER])
    opened = open_corpus(path, skip_bad=tmp_path / "out" / "bad.jsonl")
    corpus, counts = opened, opened.counts
    assert corpus.column("id", corpus.first_rows) == ["1", "2"]
    assert (counts.read, counts.skipped) == (len(lines) + 2, len(lines))
    records = list(map(json.loads, (tmp_path / "out" / "bad.jsonl").read_text().splitlines()))
    assert [set(record) for record in records] == [{"place", "reason", "raw"}] * len(lines)
    # in the order of the file, but repeated ids are known at the end only
    numbers = {record["place"].removeprefix(f"{path}:"): record for record in records}
    for number, (line, found) in enumerate(BAD_LINES.values(), 2):
        record = numbers[str(number)]
        assert found.removeprefix("found ") in record["reason"]
        if found.startswith(("not JSON", "found")):
            assert record["raw"] == line
    open_corpus(path, skip_bad=tmp_path / "bad.jsonl")
    assert "skipped 9 bad rows of 11" in caplog.text


def test_skipping_needs_to_skip_nothing(write_lines, tmp_path):
    path = write_lines("a.jsonl", [GOOD])
    corpus = open_corpus(path, skip_bad=tmp_path / "bad.jsonl")
    assert (tmp_path / "bad.jsonl").read_bytes() == b""
    assert corpus.fingerprint == open_corpus(path).fingerprint


def test_bad_rows_are_written_again_by_each_opening_and_stay_an_error_without(
    write_lines, tmp_path
):
    path = write_lines("a.jsonl", [GOOD, "no JSON"])
    for name in ("first.jsonl", "second.jsonl"):
        assert open_corpus(path, skip_bad=tmp_path / name).counts.skipped == 1
    assert (tmp_path / "first.jsonl").read_bytes() == (tmp_path / "second.jsonl").read_bytes()
    with pytest.raises(DataError, match=r"a.jsonl:2: found 'no JSON'"):
        open_corpus(path)


def test_where_all_rows_are_bad_the_first_is_named(write_lines, tmp_path):
    path = write_lines("a.jsonl", [{"text": "Ada."}, {"text": "Bob."}])
    with pytest.raises(DataError, match=r"no good row; the first bad one is .*a.jsonl:1 with no f"):
        open_corpus(path, skip_bad=tmp_path / "bad.jsonl")
    assert not (tmp_path / "bad.jsonl").exists()


@pytest.mark.parametrize("keep", [0.9, 0.5, 0.01])
def test_a_gzip_file_cut_short(tmp_path, keep):
    rng = np.random.default_rng(0)
    lines = [
        json.dumps(GOOD | {"id": str(n), "passage": rng.bytes(40).hex()}) + "\n"
        for n in range(2000)
    ]
    whole = gzip.compress("".join(lines).encode())
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(DataError, match=r"a.jsonl.gz:\d+: found the end of a gzip file cut short"):
        open_corpus(path)
    if keep > 0.1:  # a hundredth is less than gzip needs to give a line
        opened = open_corpus(path, skip_bad=tmp_path / "bad.jsonl")
        assert 0.7 * keep * 2000 < len(opened) < 2000
        assert opened.counts.skipped == 1


def test_a_gzip_file_that_is_not_one_or_is_damaged(write_lines, tmp_path):
    (tmp_path / "a.jsonl.gz").write_text(json.dumps(GOOD))
    with pytest.raises(DataError, match=r"a.jsonl.gz:1: found Not a gzipped file"):
        open_corpus(tmp_path / "a.jsonl.gz")
    path = write_lines("b.jsonl.gz", [GOOD])
    data = bytearray(path.read_bytes())
    data[-5] ^= 0xFF  # part of the checksum
    path.write_bytes(data)
    with pytest.raises(DataError, match="found CRC check failed"):
        open_corpus(path)


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file(write_lines, tmp_path, text):
    write_lines("c/de.jsonl", [GOOD | {"lang": "de"}])
    (tmp_path / "c" / "en.jsonl").write_text(text)
    with pytest.raises(DataError, match=r"c/en.jsonl: found no rows, expected at least one"):
        open_corpus(tmp_path / "c")
    opened = open_corpus(tmp_path / "c", skip_bad=tmp_path / "bad.jsonl")
    assert opened.languages == ("de",)
    assert opened.counts.skipped == 1


def test_a_filter_keeps_the_rows_that_pass_and_counts_the_others(write_lines):
    rows = [GOOD | {"id": str(n), "year": n} for n in range(5)] + [GOOD | {"id": "none"}]
    path = write_lines("a.jsonl", rows)
    opened = open_corpus(path, where="year >= 1 and year < 4 and id != '2'")
    assert opened.column("id", opened.first_rows) == ["1", "3"]
    assert (opened.counts.read, opened.counts.filtered) == (6, 4)
    assert len(open_corpus(path, where="year != 3")) == 5  # where it is missing, it is not 3


def test_a_filter_sees_rows_before_they_are_checked(write_lines):
    path = write_lines("a.jsonl", [GOOD, OTHER | {"query": ""}])
    assert len(open_corpus(path, where="query != ''")) == 1


def test_a_filter_of_a_folder_may_ask_for_the_language(write_lines, tmp_path):
    for lang in ("de", "en"):
        write_lines(f"c/{lang}.jsonl", [{"id": 1, "question": "?", "context": "."}])
    assert open_corpus(tmp_path / "c", where="lang != 'de'").languages == ("en",)


def test_a_filter_on_a_column_that_no_row_has(write_lines, tmp_path):
    path = write_lines("a.jsonl", [GOOD, OTHER | {"yera": 1}])
    with pytest.raises(ConfigError) as caught:
        open_corpus(path, where="year = 1")
    assert caught.value.found == "no column 'year' in any row"
    assert caught.value.expected == "one of id, lang, query, passage, yera"
    pq.write_table(pq.read_table(_parquet(tmp_path)), tmp_path / "b.parquet")
    with pytest.raises(ConfigError, match="expected one of id, lang, query, passage, vector"):
        open_corpus(tmp_path / "b.parquet", where="year = 1")


def test_a_filter_on_a_column_that_some_rows_have(write_lines):
    path = write_lines("a.jsonl", [GOOD, OTHER | {"year": 1}])
    assert len(open_corpus(path, where="year = 1")) == 1


def test_a_filter_that_leaves_nothing(write_lines):
    path = write_lines("a.jsonl", [GOOD, OTHER])
    with pytest.raises(DataError, match=r"no rows \(2 read, 2 left out by the filter\)"):
        open_corpus(path, where="lang = 'de'")


def test_languages_are_restricted_while_reading(write_lines, tmp_path):
    write_lines("c/de.jsonl", [GOOD | {"lang": "de"}])
    write_lines("c/en.jsonl", [GOOD])
    write_lines("c/fr.jsonl", ["not even looked at"])
    opened = open_corpus(tmp_path / "c", languages=["eng", "deu_Latn"])
    assert opened.languages == ("de", "en")
    one = write_lines("one.jsonl", [GOOD, GOOD | {"lang": "de"}])
    opened = open_corpus(one, languages=["de"])
    assert (opened.languages, opened.counts.other_languages) == (("de",), 1)


def test_a_requested_language_that_is_not_there(write_lines, tmp_path):
    write_lines("c/en.jsonl", [GOOD])
    one = write_lines("one.jsonl", [GOOD])
    for source in (tmp_path / "c", one):
        with pytest.raises(DataError, match="no rows in de, expected languages that it has: en"):
            open_corpus(source, languages=["en", "de"])
    with pytest.raises(DataError, match="languages: found language code 'x y'"):
        open_corpus(one, languages=["x y"])
    with pytest.raises(ConfigError, match="languages: found none"):
        open_corpus(one, languages=[])


def test_only_columns_that_matter_are_read_from_parquet(tmp_path):
    """A bad row is shown without the columns that do not matter."""
    path = _parquet(tmp_path, query="")
    with pytest.raises(DataError):
        open_corpus(path)
    other = tmp_path / "two.parquet"
    pq.write_table(_table([GOOD, OTHER | {"query": ""}]), other)
    open_corpus(other, skip_bad=tmp_path / "bad.jsonl")
    record = json.loads((tmp_path / "bad.jsonl").read_text())
    assert record["place"] == f"{other}, row 2"
    assert json.loads(record["raw"]) == OTHER | {"query": ""}


def _table(rows):
    import pyarrow as pa

    return pa.Table.from_pylist([row | {"vector": [0.5] * 8} for row in rows])


def _parquet(folder, **fields):
    path = folder / "one.parquet"
    pq.write_table(_table([GOOD | fields]), path)
    return path
