"""No correction is measured on the texts of its fit."""

from __future__ import annotations

import pytest

from evenrank.debias.overlap import SIZE, refuse_overlap, sketch
from evenrank.errors import DataError


def test_texts_of_the_fit_are_recognised_however_they_are_spelt():
    fitted = sketch(["Der Rhein fließt.", "ＡＢＣ", "Wo?"])
    with pytest.raises(DataError, match="xquad-r: found 2 of 3 texts"):
        refuse_overlap(fitted, ["DER RHEIN  FLIESST.", "abc", "Wohin?"], "xquad-r")


def test_other_texts_pass():
    refuse_overlap(sketch(["Wo?", "Wann?"]), ["Wer?"], "xquad-r")


def test_an_unknown_origin_refuses_nothing():
    refuse_overlap(sketch([]), ["Wer?"], "xquad-r")


def test_a_large_fit_keeps_a_small_sketch_and_still_recognises_it():
    texts = [f"text {number}" for number in range(2 * SIZE)]
    fitted = sketch(iter(texts))
    assert len(fitted) == SIZE
    with pytest.raises(DataError, match=r"found \d+ of \d+ texts"):
        refuse_overlap(fitted, texts[:100], "the benchmark")
    refuse_overlap(fitted, (f"other {number}" for number in range(1000)), "the benchmark")
