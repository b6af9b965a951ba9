"""Sentence boundaries, in all of the languages of MLQA, from one library.

The rules are those of sentencex (Wikimedia, https://github.com/wikimedia/sentencex), which knows
some 300 languages. ``docs/benchmarks.md`` compares it with the alternatives.
"""

from __future__ import annotations

from itertools import pairwise

from sentencex import get_sentence_boundaries


def sentence_spans(text: str, lang: str) -> list[tuple[int, int]]:
    """Split a text into sentences, as spans of characters that cover it without gap or overlap.

    A piece without a letter (a footnote mark, a single quotation mark) is not a sentence:
    it belongs to the sentence before it, or is the start of the first one.

    Args:
        text: The text; an empty one has no span.
        lang: Its language.

    >>> sentence_spans("It rains.[1] Does it? Yes!", "en")
    [(0, 12), (12, 22), (22, 26)]
    """
    starts = [int(piece["start_index"]) for piece in get_sentence_boundaries(lang, text)]
    spans: list[tuple[int, int]] = []
    for start, end in pairwise([*starts, len(text)]):
        if spans and not (_has_letter(text[start:end]) and _has_letter(text[slice(*spans[-1])])):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans


def _has_letter(text: str) -> bool:
    return any(character.isalpha() for character in text)
