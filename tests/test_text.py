"""Texts of others, as they may be shown."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.errors import DataError
from evenrank.text import printable


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_in_a_printed_text_acts_on_what_shows_it(text):
    shown = printable(text)
    for char in shown:
        assert unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp"), ascii(char)
        assert unicodedata.bidirectional(char) not in ("LRE", "RLE", "LRO", "RLO", "PDF"), ascii(
            char
        )
        assert ord(char) & 0xFFFE != 0xFFFE
    assert printable(shown) == shown
    shown.encode("utf-8")


@pytest.mark.parametrize(
    "text",
    ["Straße, naïve – 東京", "नमस्ते क्‍ष", "می‌خواهم", "👩‍👩‍👧", "\u200fשלום", "a\u200bb", "1\xa0000"],
)
def test_texts_of_all_scripts_stay_as_they_are(text):
    assert printable(text) == text


def test_what_acts_becomes_its_escape():
    assert printable("a\0\x1b[2J\x07\x9b31m\ufffe\U0001ffff\u202e") == (
        r"a\x00\x1b[2J\x07\x9b31m\ufffe\U0001ffff\u202e"
    )
    assert printable("one\r\ntwo\u2028three\tfour") == "one two three four"


def test_a_file_name_of_another_locale_is_readable():
    assert printable("Gr\udcc3\udcbc\udcc3\udc9fe") == "Grüße"
    assert printable("Gr\udcfcn") == r"Gr\udcfcn"  # Latin-1
    assert printable("half \ud800, \udcfc") == r"half \ud800, \udcfc"


def test_an_error_is_one_line_on_which_nothing_acts():
    error = DataError("de.jsonl:7", "'\x1b]0;title\x07\nnext'", "a\u2028text", "Correct it")
    assert str(error) == (
        r"de.jsonl:7: found '\x1b]0;title\x07 next', expected a text. Correct it."
    )
