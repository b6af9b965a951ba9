import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from evenrank.text import printable

ATTACKS = "\x00\x07\x08\r\x1b\x7f\x85\x9b\u061c\u200e\u202e\u2028\u2066\ufeff\ufffe\ud800\U0001ffff"


def test_every_character_that_controls_a_display_becomes_a_visible_escape():
    for attack in ATTACKS:
        shown = printable(f"a{attack}b")
        assert shown.isascii(), ascii(attack)
        assert shown.isprintable(), ascii(attack)
        assert f"{ord(attack):x}" in shown


def test_letters_marks_joiners_and_emoji_stay():
    for text in ("कानून", "می‌خواهم", "👩‍🔬", "a\tb\nc", "ไทย", "\u00a0"):
        assert printable(text) == text


@given(st.text(st.characters()))
def test_no_text_leaves_a_control_character(text):
    shown = printable(text)
    kinds = {unicodedata.category(one) for one in shown if one not in "\t\n"}
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
    assert not {unicodedata.bidirectional(one) for one in shown} & {"RLO", "LRO", "RLE", "LRE"}
