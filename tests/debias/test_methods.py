"""Each method against an implementation that is written differently, and what it has to achieve."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evenrank.debias.base import METHODS, fit_correction
from evenrank.debias.index import best_by_language
from evenrank.debias.rows import blocks_of
from evenrank.errors import ConfigError

LANGUAGES = ("de", "en", "fi", "th")
WIDTH = 12


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def rows_in(side, lang):
    return side.rows[side.langs == lang].astype(np.float64)


def naive_center(side, row, lang, *, to_mean=True):
    means = {name: rows_in(side, name).mean(axis=0) for name in LANGUAGES}
    target = sum(means.values()) / len(means) if to_mean else 0
    return row - means[lang] + target


def expected(side, change):
    """Apply a change to each row of the side on its own, and make its length 1."""
    changed = [
        change(row, lang)
        for row, lang in zip(side.rows.astype(np.float64), side.langs, strict=True)
    ]
    return np.array([row / np.sqrt(row @ row) for row in changed])


@pytest.mark.parametrize("to", ["mean", "zero"])
def test_center_subtracts_means_of_each_kind(fit, passages, queries, to):
    correction = fit("center", {"shrink": False, "to": to})
    for kind, side in (("query", queries), ("passage", passages)):

        def change(row, lang, side=side):
            return naive_center(side, row, lang, to_mean=to == "mean")

        corrected = correction.apply(side.rows, side.langs, kind)
        np.testing.assert_allclose(corrected, expected(side, change), atol=2e-6)


def test_center_leaves_no_offset(fit, passages):
    correction = fit("center", {"shrink": False, "unit": False})
    corrected = correction.apply(passages.rows, passages.langs, "passage")
    means = [corrected[passages.langs == lang].mean(axis=0) for lang in LANGUAGES]
    assert np.ptp(means, axis=0).max() < 1e-6


def test_shift_moves_passages_to_the_source_and_leaves_queries(fit, passages, queries):
    correction = fit("shift", {"source": "fi", "shrink": False})

    def change(row, lang):
        return row - (rows_in(passages, lang).mean(axis=0) - rows_in(passages, "fi").mean(axis=0))

    corrected = correction.apply(passages.rows, passages.langs, "passage")
    np.testing.assert_allclose(corrected, expected(passages, change), atol=2e-6)
    assert np.array_equal(correction.apply(queries.rows, queries.langs, "query"), queries.rows)


def test_project_removes_what_lsar_removes(fit, passages):
    """LSAR: the mean of each language is a common vector plus a part in a low-rank space."""
    correction = fit("project", both=False)
    means = np.stack([rows_in(passages, lang).mean(axis=0) for lang in LANGUAGES], axis=1)
    differences = means[:, 1:] - means[:, :1]  # the same span, by QR in place of an SVD
    basis, _ = np.linalg.qr(differences)

    def change(row, lang):
        return row - basis @ (basis.T @ row)

    corrected = correction.apply(passages.rows, None, "passage")
    np.testing.assert_allclose(corrected, expected(passages, change), atol=2e-6)


@pytest.mark.parametrize("rank", [4, 12, 200])
def test_project_removes_no_more_directions_than_languages_differ_in(fit, rank):
    assert fit("project", {"rank": rank}).maps["passage"].left.shape == (1, WIDTH, 3)


def test_lir_removes_leading_singular_vectors(fit, passages):
    """Those of a language's rows, after its covariance moved a little towards the mean of all."""
    correction = fit("lir", {"rank": 2}, both=False)
    covariances = {lang: np.cov(rows_in(passages, lang).T) for lang in LANGUAGES}
    pooled = sum(covariances.values()) / len(covariances)
    leading = {}
    for lang, own in covariances.items():
        mean = rows_in(passages, lang).mean(axis=0)
        # rows that have this mean and this covariance
        half = np.linalg.cholesky((60 * own + 32 * pooled) / 92) * np.sqrt(WIDTH)
        rows = np.concatenate([mean + half.T, mean - half.T])
        leading[lang] = np.linalg.svd(rows, full_matrices=False)[2][:2]

    def change(row, lang):
        return row - sum(direction * (direction @ row) for direction in leading[lang])

    corrected = correction.apply(passages.rows, passages.langs, "passage")
    np.testing.assert_allclose(corrected, expected(passages, change), atol=2e-5)


def one_hot(side):
    return torch.from_numpy((side.langs[:, None] == np.array(LANGUAGES)).astype(np.float64))


def test_leace_is_the_published_eraser(passages):
    erasure = pytest.importorskip("concept_erasure")
    uneven = passages.rows[30:].astype(np.float64), passages.langs[30:]
    z = torch.from_numpy((uneven[1][:, None] == np.array(LANGUAGES)).astype(np.float64))
    fitter = erasure.LeaceFitter.fit(
        torch.from_numpy(uneven[0]), z, shrinkage=False, constrain_cov_trace=False
    )
    theirs = fitter.eraser(torch.from_numpy(uneven[0])).numpy()
    ours = fit_correction("leace", blocks_of(*uneven)).apply(uneven[0], None, "passage")
    np.testing.assert_allclose(ours, unit(theirs), atol=2e-5)


def test_leace_leaves_nothing_to_a_linear_classifier(passages):
    correction = fit_correction("leace", blocks_of(*passages))
    matrix, shift = correction.matrix()
    erased = passages.rows @ matrix.T + shift
    z = one_hot(passages).numpy()
    covariance = (erased - erased.mean(axis=0)).T @ (z - z.mean(axis=0)) / len(z)
    before = (passages.rows - passages.rows.mean(axis=0)).T @ (z - z.mean(axis=0)) / len(z)
    assert abs(covariance).max() < 1e-5 * abs(before).max()


@pytest.mark.parametrize("name", ["project", "leace"])
def test_one_map_serves_queries_and_passages(fit, passages, queries, name):
    """It is that of the passages, whose offsets decide which language a query finds."""
    both, alone = fit(name), fit(name, both=False)
    for kind, side in (("query", queries), ("passage", passages)):
        found = both.apply(side.rows, None, kind)
        assert np.array_equal(found, alone.apply(side.rows, None, kind))


@pytest.mark.parametrize("by", ["mean", "z", "top"])
def test_calibration_against_a_loop(fit, passages, queries, by):
    correction = fit("calibrate", {"by": by, "k": 3, "shrink": False})
    asked = queries.rows[:7].astype(np.float64)
    best = best_by_language(queries.rows[:7], passages.rows, passages.langs, LANGUAGES, 5)
    form = correction.for_index(queries.rows[:7], queries.langs[:7], best)
    found = form.scores(passages.rows, passages.langs)
    for q, query in enumerate(asked):
        spread = {}
        for lang in LANGUAGES:
            scores = rows_in(passages, lang) @ query
            # the mean of the scores of a language is the query times its mean vector
            spread[lang] = {"z": np.std(scores, ddof=1)}.get(by, 1.0)
            level = sorted(scores)[-3:] if by == "top" else scores
            mine = (scores - np.mean(level)) / spread[lang]
            scale = np.ptp(found[q, passages.langs == lang]) / np.ptp(mine)
            np.testing.assert_allclose(found[q, passages.langs == lang], scale * mine, atol=1e-5)
            spread[lang] = scale
        assert np.ptp(list(spread.values())) < 1e-5  # one scale for all languages of a query


def test_flatten_against_a_loop(fit, passages, queries):
    correction = fit("flatten", {"k": 4, "hubs": 0.5, "common": 0.7})
    means = np.array(
        [passages.rows[passages.langs == lang].mean(axis=0) for lang in LANGUAGES], np.float64
    )
    mean = means.mean(axis=0)
    _, _, found = np.linalg.svd(means - mean)
    language = found[: len(LANGUAGES) - 1]
    outside = np.eye(len(mean)) - language.T @ language

    def flat(rows):
        changed = rows @ outside - 0.7 * mean @ outside
        return changed / np.linalg.norm(changed, axis=1, keepdims=True)

    near = flat(passages.rows) @ flat(correction.sample).T
    near[near > 0.9999] = -1
    density = np.sort(near, axis=1)[:, -4:].mean(axis=1)
    expected = flat(queries.rows) @ flat(passages.rows).T - 0.5 * density
    form = correction.for_index(queries.rows, None)
    scores = form.scores(passages.rows, None, correction.stored(passages.rows, None))
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    none = correction.with_strength(0).for_index(queries.rows, None)
    np.testing.assert_array_equal(none.vectors[:, 0], queries.rows.astype(np.float32))


def test_csls_against_a_loop(fit, passages, queries):
    correction = fit("csls", {"k": 4})
    form = correction.for_index(queries.rows, queries.langs)
    found = form.scores(
        passages.rows, passages.langs, correction.stored(passages.rows, passages.langs)
    )
    for d, passage in enumerate(passages.rows):
        near = sorted((float(query @ passage) for query in queries.rows), reverse=True)[:4]
        expected = 2 * queries.rows @ passage - np.mean(near)
        np.testing.assert_allclose(found[:, d], expected, atol=1e-5)


def test_strength_zero_changes_nothing_to_the_last_bit(fit, passages, queries, vector_case):
    name, settings = vector_case
    correction = fit(name, settings, strength=0)
    for kind, side in (("query", queries), ("passage", passages)):
        assert np.array_equal(correction.apply(side.rows, side.langs, kind), side.rows)


def test_scores_at_strength_zero_are_the_raw_scores(fit, passages, queries, case):
    name, settings = case
    correction = fit(name, settings, strength=0)
    best = best_by_language(queries.rows, passages.rows, passages.langs, LANGUAGES, 3)
    form = correction.for_index(queries.rows, queries.langs, best)
    stored = correction.stored(passages.rows, passages.langs)
    raw = queries.rows @ passages.rows.T
    assert np.array_equal(form.scores(passages.rows, passages.langs, stored), raw)


def test_strength_is_a_dial(fit, passages, vector_case):
    """Half of the strength moves a vector half of the way, before its length is made 1."""
    name, settings = vector_case
    whole = fit(name, settings)
    if whole.unit:
        half = whole.with_strength(0.5).apply(passages.rows, passages.langs, "passage")
        full = whole.apply(passages.rows, passages.langs, "passage")
        stored = whole.stored(passages.rows, passages.langs)
        before = full / (1 if stored is None else stored.scale[:, None])
        np.testing.assert_allclose(half, unit((before + passages.rows) / 2), atol=2e-6)


@pytest.mark.parametrize("name", ["project", "lir", "leace"])
def test_erasing_twice_is_erasing_once(fit, passages, name):
    correction = fit(name)
    once = correction.apply(passages.rows, passages.langs, "passage")
    if name == "leace":
        matrix, shift = correction.matrix()
        once = (passages.rows @ matrix.T + shift).astype(np.float32)
        np.testing.assert_allclose(once @ matrix.T + shift, once, atol=1e-5)
    else:
        np.testing.assert_allclose(
            correction.apply(once, passages.langs, "passage"), once, atol=1e-5
        )


def test_a_rotated_space_gives_rotated_results(fit, passages, queries, vector_case):
    name, settings = vector_case
    rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(WIDTH, WIDTH)))[0]
    turned = fit_correction(
        name,
        blocks_of(passages.rows @ rotation, passages.langs),
        blocks_of(queries.rows @ rotation, queries.langs),
        settings=settings,
    )
    straight = fit(name, settings).apply(passages.rows, passages.langs, "passage")
    found = turned.apply(passages.rows @ rotation, passages.langs, "passage")
    np.testing.assert_allclose(found, straight @ rotation, atol=1e-4)


@pytest.mark.parametrize("name", ["center", "shift", "project", "leace", "lir"])
def test_other_texts_lose_their_offset_too(fit, other_passages, name):
    """Fitted on some texts, measured on others: the means of languages come closer."""
    correction = fit(name)
    rows, langs = other_passages
    corrected = correction.apply(rows, langs, "passage")
    assert spread_of_means(corrected, langs) < 0.35 * spread_of_means(rows, langs)


def spread_of_means(rows, langs):
    means = np.stack([rows[langs == lang].mean(axis=0) for lang in LANGUAGES])
    return float(np.linalg.norm(means - means.mean(axis=0)))


def test_without_queries_passages_stand_for_them(fit, passages):
    correction = fit("center", both=False)
    assert np.array_equal(
        correction.apply(passages.rows, passages.langs, "query"),
        correction.apply(passages.rows, passages.langs, "passage"),
    )


def test_every_method_says_what_it_does():
    assert set(METHODS) == {
        *("calibrate", "center", "csls", "flatten", "leace", "lir", "project", "shift")
    }
    assert all(len(METHODS.get(name).summary) > 20 for name in METHODS)


@pytest.mark.parametrize("strength", [-0.1, 1.01, float("nan")])
def test_strength_outside_of_its_range(fit, strength):
    with pytest.raises(ConfigError, match=r"strength.*0 to 1"):
        fit("center").with_strength(strength)
