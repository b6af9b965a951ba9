"""Rows: the names of each field, what it may contain, and what the error says if it does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.data.corpus import SCHEMA
from evenrank.data.readers.base import Part
from evenrank.data.rows import FIELDS, Values, columns_of, values_of
from evenrank.errors import DataError

FILE = Part("corpus.jsonl", 0, lambda columns: iter(()))
GERMAN = Part("de.jsonl", 0, lambda columns: iter(()), lang="de")
GOOD = {"id": "1", "lang": "de", "query": "Wer?", "passage": "Ada."}


def test_fields_are_in_the_order_of_the_schema():
    assert [field.name for field in FIELDS] == list(Values._fields) == SCHEMA.names


def test_both_names_of_a_field_are_read():
    ours = {"passage_id": "p", "article": "a", "negatives": ["no"], **GOOD}
    theirs = {
        "id": "1",
        "context_id": "p",
        "title": "a",
        "language": "deu",
        "question": "Wer?",
        "context": "Ada.",
        "negatives": ["no"],
        "answer_start": 3,
    }
    expected = Values("1", "p", "a", "de", "Wer?", "Ada.", ["no"])
    assert values_of(ours, FILE, 1) == values_of(theirs, FILE, 1) == expected


def test_what_may_be_absent_may_be_null():
    nulls = {"passage_id": None, "article": None, "negatives": None}
    expected = Values("1", "1", None, "de", "Wer?", "Ada.", None)
    assert values_of(GOOD, FILE, 1) == values_of(GOOD | nulls, FILE, 1) == expected


def test_whole_numbers_are_ids():
    values = values_of(GOOD | {"id": 7, "passage_id": 8, "article": 9}, FILE, 1)
    assert (values.id, values.passage_id, values.article) == ("7", "8", "9")


def test_an_empty_article_is_an_unknown_article():
    assert values_of(GOOD | {"title": ""}, FILE, 1).article is None
    assert values_of(GOOD | {"article": " "}, FILE, 1).article is None


@pytest.mark.parametrize("field", ["id", "lang", "query", "passage"])
@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("", "with an empty string"),
        (" \n\u2003", "with nothing visible: ' \\n\\u2003'"),
        ("\u200b", "with nothing visible: '\\u200b'"),
        ("\x00\x1b\ufffe", "with nothing visible: '\\x00\\x1b\\ufffe'"),
        ("\u0301", "with nothing visible: '\\u0301'"),
        (None, "without a value"),
        (True, "with bool True"),
        (1.5, "with float 1.5"),
        (["a"], "with list ['a']"),
        ({"a": "b" * 99}, "with dict {'a': 'bbb"),
    ],
)
def test_a_bad_value_names_place_field_value_and_remedy(field, value, found):
    with pytest.raises(DataError) as caught:
        values_of(GOOD | {field: value}, FILE, 7)
    message = str(caught.value)
    assert message.startswith(f"corpus.jsonl:7: found field {field!r} {found}")
    assert "a visible" in message
    assert message.endswith("--skip-bad FILE to leave out bad rows.")
    assert len(message) < 280


def test_a_bad_text_names_id_and_language():
    with pytest.raises(DataError, match=r"nothing visible: '\\u200b' \(id '1', lang 'de'\),"):
        values_of(GOOD | {"passage": "\u200b"}, FILE, 7)


@pytest.mark.parametrize("text", ["?", "。", "\u200bA", "नमस्ते", "१", "😀", "NA\x00", "\ufffe1"])
def test_a_text_with_a_sign_is_kept_as_it_is_written(text):
    values = values_of(GOOD | {"query": text, "passage": f"{text} "}, FILE, 1)
    assert (values.query, values.passage) == (text, f"{text} ")


@pytest.mark.parametrize("key", ["a\x00b", "a\nb", "a\x1b[31m", "a\u2028", "a\ufffe", "a\x85"])
def test_an_id_has_no_control_character(key):
    for field in ("id", "passage_id"):
        with pytest.raises(DataError, match=f"field '{field}' with str 'a.* no control character"):
            values_of(GOOD | {field: key}, FILE, 1)


@pytest.mark.parametrize(
    ("row", "layout"),
    [
        ({"question": "?", "positive_ctxs": []}, "training data of DPR"),
        ({"anchor": "?", "positive": "."}, "pairs of Sentence Transformers"),
        ({"version": "1.1", "data": []}, "a SQuAD file"),
        ({"_id": "1", "text": "?"}, "one file of a BEIR folder"),
    ],
)
def test_other_layouts_are_recognised(row, layout):
    with pytest.raises(DataError, match=f"This looks like {layout}: write a row with id, lang"):
        values_of(row, FILE, 1)


@pytest.mark.parametrize("field", ["query", "passage", "lang"])
def test_a_number_is_not_a_text(field):
    with pytest.raises(DataError, match=f"field '{field}' with int 5"):
        values_of(GOOD | {field: 5}, FILE, 1)


@pytest.mark.parametrize("field", ["id", "lang", "query", "passage"])
def test_a_missing_field_lists_those_that_are_there(field):
    row = {name: value for name, value in GOOD.items() if name != field}
    with pytest.raises(DataError) as caught:
        values_of(row, FILE, 1)
    assert f"no field {field!r}" in caught.value.found
    assert f" among {', '.join(row)}" in caught.value.found


def test_a_bad_alias_is_named_as_it_is_written():
    row = {"id": "1", "lang": "de", "question": "", "context": "Ada."}
    with pytest.raises(DataError, match="field 'question' with an empty string"):
        values_of(row, FILE, 1)


def test_a_bad_optional_key_is_refused():
    with pytest.raises(DataError, match="field 'passage_id' with an empty string"):
        values_of(GOOD | {"passage_id": ""}, FILE, 1)


@pytest.mark.parametrize("negatives", ["no", ["no", ""], ["no", 1], [None], {"a": "b"}])
def test_negatives_are_a_list_of_texts(negatives):
    with pytest.raises(DataError, match="expected a list of strings with a visible character"):
        values_of(GOOD | {"negatives": negatives}, FILE, 1)


def test_negatives_may_be_an_empty_list():
    assert values_of(GOOD | {"negatives": []}, FILE, 1).negatives == []


def test_a_code_that_is_not_a_language_is_refused():
    with pytest.raises(DataError, match=r"corpus.jsonl:3: found language code 'qq-1234567890'"):
        values_of(GOOD | {"lang": "qq-1234567890"}, FILE, 3)


def test_a_row_agrees_with_the_name_of_its_file():
    assert values_of(GOOD | {"lang": "deu"}, GERMAN, 1).lang == "de"
    with pytest.raises(
        DataError, match=r"language 'fr' .*expected 'de', the name of the file.*open"
    ):
        values_of(GOOD | {"lang": "fr"}, GERMAN, 1)


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*GOOD, "title", "negatives", "context", "x"]), anything))
def test_any_row_is_good_or_a_data_error(row):
    try:
        values = values_of(row, FILE, 9)
    except DataError:
        return
    texts = [values.id, values.passage_id, values.query, values.passage]
    assert all(text.strip() for text in texts + (values.negatives or []))


some_text = st.sampled_from(["a", "?", "", " ", "\u200b", "a\x00", "\x00", "¿b", "é", "1"])
some_row = st.fixed_dictionaries(
    {
        "id": some_text | st.integers(0, 3) | st.booleans(),
        "query": some_text,
        "passage": some_text | st.none(),
        "lang": st.sampled_from(["de", "deu", "fr", "nonsense"]),
    },
    optional={
        "passage_id": some_text | st.integers(0, 3) | st.none(),
        "context_id": some_text,
        "title": some_text | st.integers(0, 3) | st.none(),
        "article": some_text,
        "context": some_text,
        "negatives": st.none() | st.lists(some_text, max_size=2),
    },
)


@given(st.lists(some_row, min_size=1, max_size=3), st.sampled_from([FILE, GERMAN]))
def test_rows_that_are_checked_together_are_checked_as_one_by_one(rows, part):
    try:
        values = [values_of(row, part, 1) for row in rows]
    except DataError:
        assert columns_of(rows, part) is None
        return
    assert columns_of(rows, part) == [list(column) for column in zip(*values, strict=True)]


def test_what_is_not_a_row_is_checked_alone():
    assert columns_of([GOOD, "no row"], FILE) is None
