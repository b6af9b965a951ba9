"""Statistics in one pass: right, small, and clear about what is wrong."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from evenrank.debias.base import fit_correction
from evenrank.debias.moments import gather
from evenrank.debias.rows import blocks_of
from evenrank.errors import ConfigError, DataError, UnknownNameError

LANGUAGES = ("de", "en", "fi", "th")


def test_moments_are_those_of_all_rows_at_once(passages):
    moments = gather(blocks_of(passages.rows, passages.langs, 31), "passage", covariances=True)
    assert moments.languages == LANGUAGES
    for at, lang in enumerate(LANGUAGES):
        own = passages.rows[passages.langs == lang].astype(np.float64)
        assert moments.counts[at] == len(own)
        np.testing.assert_allclose(moments.means[at], own.mean(axis=0), atol=1e-7)
        np.testing.assert_allclose(moments.covariances[at], np.cov(own.T), atol=1e-8)
        np.testing.assert_allclose(moments.spreads[at], np.trace(np.cov(own.T)), rtol=1e-6)


def test_a_row_far_from_zero_loses_no_digits():
    """Embeddings of real encoders have a mean much longer than their spread."""
    random = np.random.default_rng(0)
    rows = (random.normal(0, 1e-3, (2_000, 6)) + 1).astype(np.float32)
    langs = np.array(["de", "en"])[random.integers(0, 2, len(rows))]
    moments = gather(blocks_of(rows, langs), "passage", covariances=True)
    own = rows[langs == "de"].astype(np.float64)
    np.testing.assert_allclose(moments.covariances[0], np.cov(own.T), atol=1e-11)


def test_covariances_of_many_rows_come_from_rows_all_over_the_stream():
    """The second half of the rows spreads wider: rows of the beginning alone would not know."""
    random = np.random.default_rng(0)
    rows = random.normal(0, 0.1, (120_000, 5)) * [1, 2, 3, 1, 1] + 0.5
    rows[60_000:] *= 2
    langs = np.array(["de", "en", "en"])[random.integers(0, 3, len(rows))]
    moments = gather(blocks_of(rows.astype(np.float32), langs), "passage", covariances=True)
    for at, lang in enumerate(moments.languages):
        own = rows[langs == lang]
        np.testing.assert_allclose(moments.means[at], own.mean(axis=0), atol=1e-6)
        expected = np.cov(own.T)
        np.testing.assert_allclose(moments.spreads[at], np.trace(expected), rtol=0.05)
        np.testing.assert_allclose(
            moments.covariances[at], expected, atol=0.08 * abs(expected).max()
        )


def test_means_of_few_texts_move_towards_the_mean_of_all(passages):
    """On texts that the fit has not seen, shrunk means are nearer to the truth."""
    truth = gather(blocks_of(passages.rows, passages.langs), "passage")
    plain, shrunk = [], []
    for seed in range(30):
        few = np.concatenate(
            [
                np.random.default_rng(seed).choice(np.flatnonzero(passages.langs == lang), 3)
                for lang in LANGUAGES
            ]
        )
        moments = gather([(passages.rows[few], passages.langs[few])], "passage")
        plain.append(((moments.means - truth.means) ** 2).sum())
        shrunk.append(((moments.shrunk_means() - truth.means) ** 2).sum())
    assert np.mean(shrunk) < 0.95 * np.mean(plain)


def test_shrinkage_vanishes_with_many_texts(passages):
    many = gather([(np.tile(passages.rows, (300, 1)), np.tile(passages.langs, 300))], "passage")
    assert abs(many.shrunk_means() - many.means).max() < 1e-3 * abs(many.means).max()


def test_languages_without_any_difference_share_one_mean():
    rows = np.random.default_rng(0).normal(size=(400, 8))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    moments = gather([(rows, np.repeat(LANGUAGES, 100))], "passage")
    apart = np.ptp(moments.shrunk_means(), axis=0).max()
    assert apart < 0.5 * np.ptp(moments.means, axis=0).max()


def test_memory_does_not_grow_with_the_corpus():
    rows = np.random.default_rng(0).normal(size=(2_000, 64)).astype(np.float32)
    langs = np.repeat(np.array(["de", "en"]), 1_000)
    peaks = []
    for repeats in (2, 40):
        tracemalloc.start()
        gather(((rows, langs) for _ in range(repeats)), "passage", covariances=True, sample=100)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_a_sample_is_drawn_from_the_whole_stream():
    rows = np.arange(30_000, dtype=np.float32)[:, None] * np.full(2, 0.01, dtype=np.float32)
    langs = np.array(["de", "en"])[np.arange(len(rows)) % 2]
    sample = gather(blocks_of(rows, langs, 1_000), "query", sample=600).sample[:, 0]
    assert len(np.unique(sample)) == 600
    counts = np.histogram(sample, bins=6, range=(0, 300))[0]
    assert abs(counts - 100).max() < 40  # more than four standard deviations


def test_spellings_of_one_language_are_one_language(passages):
    spelt = np.where(passages.langs == "de", "deu_Latn", passages.langs)
    spelt[np.flatnonzero(passages.langs == "de")[:5]] = "DE"
    assert gather([(passages.rows, spelt)], "passage").languages == LANGUAGES


ROWS = np.eye(6, dtype=np.float32)
TAGS = ["de", "de", "de", "en", "en", "en"]


def changed(at, value):
    rows = ROWS.copy()
    rows[at] = value
    return rows


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([(ROWS, "de")], "one language only, 'de'"),
        ([(ROWS, ["de"] * 5 + ["sw"])], "1 passage in 'sw', expected 2 or more"),
        ([(ROWS, TAGS[:4])], "4 languages for 6 embeddings"),
        ([(ROWS, [*TAGS[:5], "xx-no"])], "'xx-no'"),
        ([(ROWS, TAGS), (changed((1, 2), np.nan), TAGS)], "embedding of passage 7"),
        ([(changed((4, 0), np.inf), TAGS)], "embedding of passage 4"),
        ([(changed((5, 1), 3e30), TAGS)], "embedding of passage 5.*above"),
        ([(ROWS, TAGS), (ROWS[:, :4], TAGS)], "width 4, expected width 6"),
        ([(ROWS.astype(int), TAGS)], "int64 .*expected rows of floats"),
        ([(ROWS[0], TAGS)], r"shape \(6,\)"),
        ([], "no rows"),
        ([(ROWS[:0], [])], "no rows"),
    ],
)
def test_embeddings_that_cannot_be_used(blocks, message):
    with pytest.raises(DataError, match=message) as caught:
        fit_correction("center", blocks)
    assert "\n" not in str(caught.value)


def test_queries_of_another_width():
    with pytest.raises(DataError, match="width 4, expected width 6"):
        fit_correction("center", [(ROWS, TAGS)], [(ROWS[:, :4], TAGS)])


@pytest.mark.parametrize(
    ("name", "settings", "error", "message"),
    [
        ("centre", {}, UnknownNameError, "'center'"),
        ("center", {"too": "mean"}, UnknownNameError, "'to'"),
        ("center", {"to": "median"}, ConfigError, "to.*'median'"),
        ("project", {"rank": 0}, ConfigError, "rank"),
        ("calibrate", {"k": "many"}, ConfigError, "k.*'many'"),
        ("shift", {"source": "fi"}, DataError, "'fi'.*de, en"),
        ("shift", {"source": "xx-no"}, DataError, "'xx-no'"),
    ],
)
def test_settings_that_cannot_be_used(name, settings, error, message):
    with pytest.raises(error, match=message) as caught:
        fit_correction(name, [(ROWS, TAGS)], settings=settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "langs", "message"),
    [
        (ROWS[:, :5], TAGS, "width 5, expected width 6"),
        (ROWS, [*TAGS[:5], "sw"], "'sw'.*de, en"),
        (ROWS, None, "no languages"),
        (changed((3, 3), np.nan), TAGS, "embedding of passage 3"),
    ],
)
def test_embeddings_that_cannot_be_corrected(rows, langs, message):
    correction = fit_correction("center", [(ROWS, TAGS)])
    with pytest.raises(DataError, match=message):
        correction.apply(rows, langs, "passage")


def test_a_vector_of_which_nothing_is_left():
    correction = fit_correction("center", [(ROWS, TAGS)], settings={"to": "zero", "shrink": False})
    mean = ROWS[:3].mean(axis=0, keepdims=True)
    with pytest.raises(DataError, match="nothing left"):
        correction.apply(mean, "de", "passage")


def test_another_encoder():
    correction = fit_correction("center", [(ROWS, TAGS)], encoder="0123456789abcdef")
    correction.require(encoder="0123456789abcdef", width=6)
    with pytest.raises(DataError, match=r"encoder fedc.*encoder 0123"):
        correction.require(encoder="fedcba9876543210")
    with pytest.raises(DataError, match="width 7"):
        correction.require(width=7)
