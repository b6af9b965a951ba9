"""An index that keeps its vectors ranks as one with corrected vectors would."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evenrank.debias.base import fit_correction
from evenrank.debias.index import best_by_language, order
from evenrank.debias.rows import blocks_of
from evenrank.errors import ConfigError, DataError

LANGUAGES = ("de", "en", "fi", "th")


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_unchanged_passages_score_as_changed_ones(
    fit, queries, other_passages, vector_case, strength
):
    correction = fit(*vector_case, strength=strength)
    rows, langs = other_passages
    changed = correction.apply(queries.rows, queries.langs, "query").astype(np.float64)
    expected = changed @ correction.apply(rows, langs, "passage").T.astype(np.float64)
    form = correction.for_index(queries.rows, queries.langs)
    found = form.scores(rows, langs, correction.stored(rows, langs))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_an_index_has_to_keep(fit, queries, passages, case):
    """One vector, or one for each language; numbers per passage only where lengths change."""
    name, settings = case
    correction = fit(name, settings)
    best = best_by_language(queries.rows, passages.rows, passages.langs, LANGUAGES, 3)
    form = correction.for_index(queries.rows, queries.langs, best)
    assert form.vectors.shape[1] == (4 if name == "lir" else 1)
    keeps_lengths = name == "calibrate" or not settings.get("unit", True)
    asked_only = settings.get("sides") == "queries"
    stored = correction.stored(passages.rows, passages.langs)
    assert (stored is None) == (keeps_lengths or asked_only)
    tags = name in ("center", "shift", "lir", "calibrate")
    assert form.languages == (LANGUAGES if tags else ())


coordinates = st.floats(-1, 1, width=32, allow_subnormal=False)


@given(
    raw=arrays(np.float32, (3, 14), elements=st.floats(-1, 1, width=32)),
    asked=arrays(np.float32, (3, 12), elements=coordinates),
    by=st.sampled_from(["mean", "z", "top"]),
    bonus=st.floats(0, 1),
    strength=st.floats(0, 1),
)
def test_calibration_keeps_every_ranking_within_a_language(fit, raw, asked, by, bonus, strength):
    """Also for scores that differ in their last bit, and for those that round to one."""
    asked[~asked.any(axis=1)] = 1
    asked = unit(asked + np.float32(1e-3))
    codes = np.arange(14) % 4
    best = np.stack([-np.sort(-raw[:, codes == code], axis=1)[:, :3] for code in range(4)], axis=1)
    settings = {"by": by, "k": 3, "own_bonus": bonus}
    form = fit("calibrate", settings, strength=strength).for_index(asked, "en", best)
    slopes = np.broadcast_to(form.slopes, (3, 4))[:, codes]
    offsets = np.broadcast_to(form.offsets, (3, 4))[:, codes]
    ranked = order(raw.astype(np.float64) * slopes - offsets, raw)
    for q in range(3):
        for code in range(4):
            own = np.flatnonzero(codes == code)
            before = sorted(own, key=lambda d: (-raw[q, d], d))
            assert [d for d in ranked[q] if codes[d] == code] == before


@pytest.mark.parametrize("by", ["mean", "z", "top"])
def test_an_own_bonus_is_added_in_the_language_of_the_query_only(fit, queries, passages, by):
    best = best_by_language(queries.rows, passages.rows, passages.langs, LANGUAGES, 10)
    plain, more = (
        fit("calibrate", {"by": by, "own_bonus": bonus}, strength=0.5)
        .for_index(queries.rows, queries.langs, best)
        .scores(passages.rows, passages.langs)
        for bonus in (0, 0.2)
    )
    own = queries.langs[:, None] == passages.langs
    np.testing.assert_allclose(more - plain, 0.1 * own, atol=1e-12)


def test_an_own_bonus_needs_the_language_of_the_query(fit, queries):
    bonus = fit("calibrate", {"by": "mean", "own_bonus": 0.2})
    with pytest.raises(DataError, match="query languages"):
        bonus.for_index(queries.rows, None)
    # no passage is in Swahili, so no passage gets the bonus
    form = bonus.for_index(queries.rows, "sw")
    plain = fit("calibrate", {"by": "mean"}).for_index(queries.rows, "sw")
    np.testing.assert_array_equal(form.offsets, plain.offsets)


def test_calibration_by_top_needs_the_scores_of_a_balanced_search(fit, queries):
    with pytest.raises(ConfigError, match=r"best 10 scores .* 4 languages"):
        fit("calibrate").for_index(queries.rows, queries.langs)


def test_best_scores_of_languages_with_few_passages(queries, passages):
    few = np.concatenate([np.flatnonzero(passages.langs == lang)[:2] for lang in ("de", "th")])
    best = best_by_language(queries.rows, passages.rows[few], passages.langs[few], LANGUAGES, 3)
    scores = -np.sort(-queries.rows @ passages.rows[few[:2]].T, axis=1)
    np.testing.assert_allclose(best[:, 0, :2], scores, rtol=1e-6)
    assert np.isnan(best[:, 0, 2]).all()
    assert np.isnan(best[:, 1]).all()


def test_half_precision_passages(fit, passages, queries):
    correction = fit("center")
    halves = passages.rows.astype(np.float16)
    form = correction.for_index(queries.rows, queries.langs)
    found = form.scores(halves, passages.langs, correction.stored(halves, passages.langs))
    whole = form.scores(
        passages.rows, passages.langs, correction.stored(passages.rows, passages.langs)
    )
    np.testing.assert_allclose(found, whole, atol=3e-3)


def test_passages_in_a_language_that_the_fit_does_not_have(fit, queries, passages):
    form = fit("calibrate", {"by": "mean"}).for_index(queries.rows, queries.langs)
    with pytest.raises(DataError, match=r"'sw'.*de, en, fi, th"):
        form.scores(passages.rows[:2], ["de", "sw"])


def test_shift_from_one_fit_ranks_as_mean_calibration(fit, queries, passages):
    """The mean of a query's scores in a language is the query times the language's mean."""
    settings = {"sides": "passages", "unit": False, "to": "zero", "shrink": False}
    centred = fit("center", settings)
    changed = queries.rows @ centred.apply(passages.rows, passages.langs, "passage").T
    calibrated = fit("calibrate", {"by": "mean", "shrink": False})
    form = calibrated.for_index(queries.rows, queries.langs)
    np.testing.assert_allclose(form.scores(passages.rows, passages.langs), changed, atol=1e-5)


def test_float16_memory_maps_are_read_in_slices(tmp_path, passages):
    path = tmp_path / "rows.npy"
    np.save(path, passages.rows.astype(np.float16))
    stored = np.load(path, mmap_mode="r")
    half = fit_correction("center", blocks_of(stored, passages.langs, 37))
    whole = fit_correction("center", blocks_of(passages.rows, passages.langs))
    np.testing.assert_allclose(half.maps["passage"].offset, whole.maps["passage"].offset, atol=2e-4)


def test_z_of_a_language_whose_texts_are_all_equal(queries, passages):
    """Its scores do not spread; nothing becomes infinite."""
    rows = passages.rows.copy()
    rows[passages.langs == "de"] = rows[0]
    correction = fit_correction(
        "calibrate", [(rows, passages.langs)], settings={"by": "z", "shrink": False}
    )
    scores = correction.for_index(queries.rows, None).scores(rows, passages.langs)
    assert np.isfinite(scores).all()
