"""Tests over queries and seeds, on figures whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from evenrank.evaluation.evaluator import Figure
from evenrank.experiments.statistics import Parts, estimates, paired_tests

UP, DOWN = Figure("multi", "AP", True), Figure("bias", "rank_distance", False)
BLOCKS = 200


def parts(*means, noise=0.3, seeds=None, figures=1):
    """Return parts of one seed for each mean, with noise that the seeds share."""
    shared = np.random.default_rng(1).normal(scale=noise, size=(BLOCKS, figures))
    values = np.stack([(mean + shared) / BLOCKS for mean in means])
    return Parts(tuple(range(len(means))) if seeds is None else seeds, values)


def own_noise(*means, number, noise=0.1):
    """Return parts whose blocks differ from those of another system by chance."""
    random = np.random.default_rng(number)
    values = [mean + random.normal(scale=noise, size=(BLOCKS, 1)) for mean in means]
    return Parts(tuple(range(len(means))), np.stack(values) / BLOCKS)


def test_an_estimate_is_the_mean_with_an_interval_over_blocks_and_seeds():
    (one,) = estimates(parts(0.5))
    shared = np.random.default_rng(1).normal(scale=0.3, size=BLOCKS)
    assert one.mean == pytest.approx(0.5 + shared.mean())
    assert one.deviation is None
    half = 1.96 * shared.std() / np.sqrt(BLOCKS)
    assert one.low == pytest.approx(one.mean - half, abs=half / 5)
    assert one.high == pytest.approx(one.mean + half, abs=half / 5)
    (three,) = estimates(parts(0.4, 0.5, 0.6))
    assert three.mean == pytest.approx(one.mean)
    assert three.deviation == pytest.approx(0.1)
    assert three.high - three.low > one.high - one.low  # the seeds differ too


def test_a_difference_that_queries_and_seeds_agree_on_is_significant():
    base = own_noise(0.5, 0.5, 0.5, number=1)
    better = own_noise(0.60, 0.61, 0.59, number=2)
    found = paired_tests({"better": (base, better), "same": (base, base)}, [UP])
    (test,) = found["better"]
    assert test.significant
    assert test.gain == 1
    assert test.low < test.difference < test.high
    assert test.difference == pytest.approx(0.1, abs=0.02)
    (same,) = found["same"]
    assert (same.difference, same.p, same.gain) == (0, 1, 0)


def test_one_lucky_seed_is_not_enough_and_neither_are_few_queries():
    base = parts(0.5, 0.5, 0.5, 0.5)
    lucky = parts(0.5, 0.5, 0.5, 0.9)
    (test,) = paired_tests({"lucky": (base, lucky)}, [UP])["lucky"]
    assert test.p_queries < 0.001  # the mean over seeds is larger for every query
    assert test.p == test.p_seeds > 0.05
    few = Parts(base.seeds, base.values.copy())
    few.values[:, :2] += 1
    (test,) = paired_tests({"few": (base, few)}, [UP])["few"]
    assert test.p_seeds < 0.001  # the same in every seed
    assert test.p == test.p_queries > 0.05


def test_holm_is_over_the_systems_and_a_lower_figure_can_be_better():
    base = parts(5.0, figures=2)
    systems = {name: (base, own_noise_like(base, number)) for number, name in enumerate("abc")}
    found = paired_tests(systems, [UP, DOWN])
    for at in range(2):
        tests = [found[name][at] for name in "abc"]
        smallest = min(tests, key=lambda test: test.p)
        assert smallest.p_holm == pytest.approx(min(1, 3 * smallest.p))
        assert all(test.p_holm >= test.p for test in tests)
    first, second = found["a"]
    assert first.gain == np.sign(first.difference)
    assert second.gain == -np.sign(second.difference)


def own_noise_like(base, number):
    noise = np.random.default_rng(number).normal(scale=0.1, size=base.values.shape)
    return Parts(base.seeds, base.values + noise / BLOCKS)


def test_a_start_without_seed_is_compared_with_every_seed():
    start = parts(0.3, seeds=(None,))
    trained = parts(0.5, 0.52, 0.48)
    (test,) = paired_tests({"trained": (start, trained)}, [UP])["trained"]
    assert test.difference == pytest.approx(0.2)
    assert test.p_seeds is not None
    (back,) = paired_tests({"start": (trained, start)}, [UP])["start"]
    assert back.difference == pytest.approx(-test.difference)


def test_seeds_are_paired_and_those_of_one_system_alone_are_left_out():
    base, other = parts(0.1, 0.9), Parts((1, 2), parts(1.0, 5.0).values)
    (test,) = paired_tests({"other": (base, other)}, [UP])["other"]
    assert test.difference == pytest.approx(0.1)
    assert test.p_seeds is None
    nothing = Parts((7,), parts(1.0).values)
    assert paired_tests({"nothing": (base, nothing)}, [UP]) == {"nothing": [None]}
