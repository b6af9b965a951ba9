"""Measures: no bias is said to be none, an offset is found with its size, formulas by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from evenrank.probing.base import Hits, Observed, Planted, probe_figures
from evenrank.probing.observe import Asked, observe

WITH_A_VALUE = (
    "access_gap",
    "decodability",
    "lift",
    "preference",
    "pull",
    "purity",
    "same_language",
    "score_offset",
    "swap_shift",
)


@pytest.mark.slow
def test_a_model_without_an_offset_is_not_biased(observed):
    """In 95 of 100 draws, the interval of each measure contains the value without bias."""
    said = Counter()
    for seed in range(100):
        said.update(name for name, one in probe_figures(observed(seed)).items() if not one.biased)
    said.pop("rank_distance")  # chance alone moves it
    assert set(said) == set(WITH_A_VALUE)
    assert min(said.values()) >= 95, said


def test_a_skewed_corpus_is_no_bias(observed):
    figures = probe_figures(observed(1, sizes=(400, 100, 60, 40)))
    assert not any(one.biased for one in figures.values())


def test_a_larger_offset_gives_larger_values(observed):
    small, large = (probe_figures(observed(3, offset)) for offset in (0.25, 0.6))
    for name in (*WITH_A_VALUE, "rank_distance"):
        if name != "pull":  # all languages have the same offset
            assert small[name].value < large[name].value, name
            assert large[name].biased in (True, None)
    assert not large["pull"].biased


def test_the_size_of_an_offset_is_found(world):
    """Vectors are not made unit vectors, so that the offset has the size that was put in."""
    random = np.random.default_rng(0)
    width, length = 64, 0.4
    langs = np.repeat([0, 1], 2_000).astype(np.int16)
    offsets = length * np.eye(width)[:2]
    rows = random.normal(size=(4_000, width)) / np.sqrt(width) + offsets[langs]
    asked = np.repeat([0, 1], 400)
    queries = random.normal(size=(800, width)) / np.sqrt(width) + offsets[asked]
    one = world(0)
    pool = replace(one.pool, rows=rows.astype(np.float32), langs=langs, languages=("de", "en"))
    sample = np.concatenate([np.arange(500), 2_000 + np.arange(500)])
    found = probe_figures(observe(pool, sample, Asked(queries.astype(np.float32), asked)))
    spread = np.linalg.norm(queries, axis=1) / np.sqrt(width)
    expected = float(
        np.mean(
            (queries[np.arange(800), asked] - queries[np.arange(800), 1 - asked]) * length / spread
        )
    )
    figure = found["score_offset"]
    assert figure.low < expected < figure.high
    assert figure.high - figure.low < 0.3 * expected


def hits(counts, k):
    """Passages that are found in the given numbers, with as many of each language as wished."""
    queries, languages = len(counts), len(counts[0])
    langs = np.repeat(np.arange(languages), 5_000).astype(np.int16)
    random, top = np.random.default_rng(1), []
    for row in counts:
        for _ in range(200):
            drawn = random.multinomial(k, np.array(row) / sum(row))
            places = [
                lang * 5_000 + random.choice(5_000, n, replace=False)
                for lang, n in enumerate(drawn)
            ]
            top.append(np.concatenate(places))
    asked = Hits(np.repeat(np.arange(queries), 200), np.array(top), leaves_out_itself=False)
    return Observed(("de", "en", "es"), langs, asked, None, None, None)


def test_pull_and_preference_are_told_apart():
    """Shares with known pulls and a known preference for the own language give both back."""
    pulls, preference = np.array([0.8, -0.3, -0.5]), 0.7
    found = probe_figures(hits(np.exp(pulls + preference * np.eye(3)), 10))
    assert found["same_language"].low < preference < found["same_language"].high
    assert list(found["pull"].by_language.values()) == pytest.approx(pulls, abs=0.1)
    assert found["pull"].value == pytest.approx(0.8, abs=0.1)
    assert found["pull"].biased
    assert found["same_language"].biased


def test_lift_by_hand():
    found = probe_figures(hits([[2, 1, 1], [1, 2, 1], [1, 1, 2]], 8))["lift"]
    assert found.value == pytest.approx(1.5, abs=0.05)
    assert found.matrix["de"]["en"] == pytest.approx(0.75, abs=0.05)


def planted(scores, above, mix=None):
    scores = np.array(scores, dtype=float)
    mix = np.full((len(scores), 2, 2), 0.5) if mix is None else np.array(mix, dtype=float)
    canaries = Planted(np.arange(2), scores, np.array(above), mix, pool=101)
    asked = Hits(np.array([0, 1]), np.array([[0, 1], [0, 1]]), leaves_out_itself=False)
    langs = np.array([0, 1] * 40, dtype=np.int16)
    return probe_figures(Observed(("de", "en"), langs, asked, None, None, canaries))


def test_access_gap_by_hand():
    """Nine passages above are found in the top 10, ten are not."""
    found = planted([[[0.9, 0.1], [0.1, 0.9]]] * 2, [[[9, 10], [10, 9]], [[0, 3], [30, 20]]])
    assert found["access_gap"].details == {"own": 0.75, "other": 0.25}
    assert found["access_gap"].value == 0.5
    assert found["access_gap"].matrix == {"de": {"de": 1, "en": 0.5}, "en": {"de": 0, "en": 0.5}}


def test_rank_distance_and_preference_by_hand():
    """Ranks 1 and 2 are next to each other; 1 and 52 are 50 more apart, of 33 by chance."""
    found = planted([[[0.9, 0.1], [0.9, 0.1]]], [[[0, 0], [0, 50]]])
    space = 102 / 3 - 1
    assert found["rank_distance"].by_language == {"de": 0, "en": pytest.approx(50 / space)}
    assert found["preference"].details["rate"] == 0.5


def test_equal_scores_share_the_first_place():
    found = planted([[[0.5, 0.5], [0.5, 0.5]]], [[[0, 0], [0, 0]]])
    assert found["preference"].value == 1
    assert found["rank_distance"].value == 0


def test_swap_shift_by_hand():
    """Queries in German find German only, those in English English only."""
    mix = [[[1, 0], [0, 1]]] * 100
    found = planted(np.ones((100, 2, 2)), np.zeros((100, 2, 2)), mix)["swap_shift"]
    assert found.matrix["de"]["en"] == 1
    assert 0.85 < found.value <= 1
    assert found.biased
