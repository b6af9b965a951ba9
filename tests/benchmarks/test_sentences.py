from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.benchmarks.sentences import sentence_spans
from evenrank.benchmarks.squad import read_squad

MLQA = ("ar", "de", "en", "es", "hi", "vi", "zh")


@pytest.mark.parametrize(
    ("lang", "sentences"),
    [
        ("ar", ["هل هطل المطر؟ ", "نعم."]),
        ("de", ["Es regnet z. B. heute. ", "Es schneit!"]),
        ("en", ["Mr. Smith paid 3.50. ", "Why? ", "😀 Nobody knows."]),
        ("es", ["Llueve. ", "¿Nieva?[1]\u200b[2]\u200b"]),
        ("hi", ["बारिश हो रही है। ", "क्या बर्फ़ गिर रही है?"]),
        ("vi", ["Trời mưa. ", "Tuyết rơi!"]),
        ("zh", ["下雨了。", "下雪了吗？", "没有！"]),
    ],
)
def test_sentences_of_every_language_of_mlqa(lang, sentences):
    text = "".join(sentences)
    assert [text[start:end] for start, end in sentence_spans(text, lang)] == sentences


@given(st.text(alphabet="aB1. !?。।؟\n\u200b[]\"'é😀", max_size=60), st.sampled_from(MLQA))
def test_spans_cover_the_text_and_every_sentence_has_a_letter(text, lang):
    spans = sentence_spans(text, lang)
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(start < end for start, end in spans)
    if any(character.isalpha() for character in text):
        assert all(any(c.isalpha() for c in text[start:end]) for start, end in spans)


@pytest.mark.parametrize("lang", MLQA)
def test_boundaries_agree_with_those_of_lareqa(real_data, lang):
    """On XQuAD-R, whose boundaries are published; F1 over boundaries inside of paragraphs."""
    ours, theirs = set(), set()
    data = (real_data / "xquad-r" / f"{lang}.json").read_bytes()
    for number, paragraph in enumerate(read_squad(data, lang)):
        text = paragraph.context
        spans = sentence_spans(text, lang)
        ours |= {(number, len(text[:end].rstrip())) for _, end in spans[:-1]}
        theirs |= {(number, len(text[: s.end].rstrip())) for s in paragraph.sentences[:-1]}
    assert 2 * len(ours & theirs) / (len(ours) + len(theirs)) > 0.95
