"""Language codes: many spellings, one tag."""

from __future__ import annotations

import pytest
from babel.localedata import locale_identifiers
from hypothesis import given
from hypothesis import strategies as st

from evenrank.errors import DataError
from evenrank.languages import is_right_to_left, language_name, normalise


def is_language(code: str) -> bool:
    try:
        return bool(normalise(code))
    except DataError:
        return False


XQUAD_R = ["ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"]


@pytest.mark.parametrize(
    ("code", "tag"),
    [
        ("zh_cn", "zh"),
        ("zho_Hans", "zh"),
        ("cmn", "zh"),
        ("zh-Hans-CN", "zh"),
        ("zho_Hant", "zh-TW"),
        ("zh-HK", "zh-HK"),
        ("EN", "en"),
        ("en-US", "en"),
        ("en_GB", "en-GB"),
        ("eng_Latn", "en"),
        ("en_bt", "en-BT"),
        ("deu", "de"),
        ("ger", "de"),
        ("arb_Arab", "ar"),
        ("ell", "el"),
        ("srp_Cyrl", "sr"),
        ("sr-Latn", "sr-Latn"),
        ("pt", "pt"),
        ("pt-BR", "pt"),
        ("pt-PT", "pt-PT"),
        ("iw", "he"),
        ("swh", "sw"),
        *((code, code) for code in XQUAD_R),
    ],
)
def test_spellings_meet_in_one_tag(code, tag):
    assert normalise(code) == tag


@pytest.mark.parametrize(
    "code", ["", " ", "klingonese", "123", "en de", "x" * 100, "../en", "en/.."]
)
def test_what_is_no_language_is_refused_with_its_place(code):
    with pytest.raises(DataError) as caught:
        normalise(code, "corpus.jsonl:3")
    assert caught.value.place == "corpus.jsonl:3"
    assert repr(code) in caught.value.found


def test_a_normalised_tag_stays_as_it_is():
    known = [identifier for identifier in locale_identifiers() if is_language(identifier)]
    assert len(known) > 1000
    for identifier in known:
        tag = normalise(identifier)
        assert normalise(tag) == normalise(tag.replace("-", "_").upper()) == tag


@given(st.text(max_size=12))
def test_any_text_is_a_safe_tag_or_an_error(text):
    try:
        tag = normalise(text)
    except DataError:
        return
    assert set(tag) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")


def test_names_are_english_and_unknown_codes_stay():
    assert language_name("sv") == "Swedish"
    assert language_name("qqq-nothing") == "qqq-nothing"


def test_direction_of_writing():
    written = {code: is_right_to_left(code) for code in ("ar", "he", "fa", "ur", "en", "zh", "qqq")}
    assert [code for code, left in written.items() if left] == ["ar", "he", "fa", "ur"]
