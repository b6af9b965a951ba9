"""Language codes: many spellings, one tag; and every language of the sets that people have."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from babel.localedata import locale_identifiers
from hypothesis import given
from hypothesis import strategies as st

from evenrank.errors import ConfigError, DataError
from evenrank.languages import (
    is_right_to_left,
    language_name,
    normalise,
    parse_languages,
    script_of,
)

SETS = {
    name: codes.split()
    for name, codes in tomllib.loads(
        (Path(__file__).parent / "language_sets.toml").read_text(encoding="utf-8")
    ).items()
}
SIZES = {
    "flores-200": 204,
    "ntrex-128": 128,
    "tico-19": 32,
    "miracl": 18,
    "mmarco": 14,
    "mmarco-names": 14,
    "mkqa": 26,
    "xquad-r": 11,
}


def is_language(code: str) -> bool:
    try:
        return bool(normalise(code))
    except DataError:
        return False


@pytest.mark.parametrize("name", SIZES)
def test_every_language_of_a_set_stays_a_language_of_its_own(name):
    tags = list(map(normalise, SETS[name]))
    assert len(tags) == len(set(tags)) == SIZES[name]
    assert [normalise(tag) for tag in tags] == tags


@pytest.mark.parametrize("name", SIZES)
def test_every_language_of_a_set_has_a_name(name):
    names = {tag: language_name(tag) for tag in map(normalise, SETS[name])}
    assert [tag for tag, named in names.items() if named.startswith(tag)] == []
    assert len(set(names.values())) == len(names)


def test_sets_agree_on_what_they_have_in_common():
    flores = set(map(normalise, SETS["flores-200"]))
    others = set(map(normalise, SETS["miracl"] + SETS["mmarco"] + SETS["xquad-r"]))
    assert others <= flores
    assert set(map(normalise, SETS["mmarco"])) == set(map(normalise, SETS["mmarco-names"]))


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
        ("en-US", "en-US"),
        ("en_GB", "en-GB"),
        ("eng_Latn", "en"),
        ("en_bt", "en-BT"),
        ("deu", "de"),
        ("ger", "de"),
        ("German", "de"),
        ("arb_Arab", "ar"),
        ("arb_Latn", "ar-Latn"),
        ("acm_Arab", "acm"),
        ("ell", "el"),
        ("kor_Hang", "ko"),
        ("srp_Cyrl", "sr"),
        ("sr_RS", "sr"),
        ("sr-Latn", "sr-Latn"),
        ("pt", "pt"),
        ("pt-BR", "pt-BR"),
        ("pt-PT", "pt-PT"),
        ("iw", "he"),
        ("swh", "sw"),
        ("aka", "ak"),
        ("twi", "tw"),
        ("prs", "fa-AF"),
        ("dt", "nl"),
    ],
)
def test_spellings_meet_in_one_tag(code, tag):
    assert normalise(code) == tag


@pytest.mark.parametrize(
    "code", ["", " ", "klingonese", "123", "en de", "x" * 100, "../en", "en/.."]
)
def test_what_is_not_a_language_is_refused_with_its_place(code):
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


def test_a_list_of_languages_may_be_one_text():
    for languages in ("de,en", ["de", "en"], ["de,en"], " deu , en,", ("de", "eng", "de")):
        assert parse_languages(languages) == ["de", "en"]
    for nothing in ("", ",", [], [" "]):
        with pytest.raises(ConfigError, match="expected at least one"):
            parse_languages(nothing)
    with pytest.raises(DataError, match="--languages: found language code 'x y'"):
        parse_languages("de,x y", "--languages")


def test_names_are_english_and_unknown_codes_stay():
    assert language_name("sv") == "Swedish"
    assert language_name("ar-Latn") == "Arabic (Latin)"
    assert language_name("qqq-nothing") == "qqq-nothing"


def test_direction_follows_the_script():
    codes = {code: normalise(code) for code in SETS["flores-200"] + SETS["ntrex-128"]}
    arabic = {code for code in SETS["flores-200"] if code.endswith("_Arab")}
    hebrew = {"heb_Hebr", "ydd_Hebr"}
    ntrex = {"arb", "ckb-Arab", "div", "fas", "heb", "prs", "pus", "snd-Arab", "uig", "urd"}
    written = {code for code, tag in codes.items() if is_right_to_left(tag)}
    assert written == arabic | hebrew | ntrex
    assert all(map(is_right_to_left, ["syr", "nqo", "ff-Adlm", "dv", "rhg", "ku-Arab", "pa-PK"]))
    assert not any(map(is_right_to_left, ["qqq", "", "not a code", "ar-Latn"]))


def test_the_script_of_a_normalised_code_is_the_one_that_flores_names():
    same = {"Hang": "Kore"}
    for code in SETS["flores-200"]:
        script = code.partition("_")[2]
        assert script_of(normalise(code)) == same.get(script, script), code
    assert script_of("qqq") == "Zzzz"
