"""Alpha over training: what each curve passes, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from evenrank.batching.schedule import CURVES, Schedule
from evenrank.batching.strategies import make_strategy
from evenrank.errors import ConfigError, UnknownNameError

PROGRESS = np.linspace(0, 1, 201)


def test_each_curve_goes_its_way():
    at = np.array([0.0, 0.125, 0.25, 0.5, 0.75, 1.0])
    three = (1.0, 0.5, 0.0)
    np.testing.assert_allclose(Schedule((0.3,), "cosine").at(at), 0.3)
    np.testing.assert_allclose(Schedule(three).at(at), 1 - at)
    np.testing.assert_allclose(Schedule(three, "steps").at(at), [1, 1, 1, 0.5, 0, 0])
    half_wave = (1 + np.cos(np.pi * at)) / 2
    np.testing.assert_allclose(Schedule((1.0, 0.0), "cosine").at(at), half_wave, atol=1e-12)
    np.testing.assert_allclose(Schedule(three, "cosine").at(at)[[0, 3, 5]], three, atol=1e-12)


@pytest.mark.parametrize("curve", CURVES)
def test_a_schedule_stays_between_its_values(curve):
    shares = Schedule((0.9, 0.2, 0.6), curve).at(PROGRESS)
    assert (shares.min(), shares.max()) == (0.2, 0.9)
    assert (shares[0], shares[-1]) == (0.9, 0.6)


def test_a_strategy_follows_its_schedule_and_says_so():
    strategy = make_strategy("hybrid-any", (0.8, 0.2), schedule="cosine")
    assert strategy.name == "hybrid-any(0.8 to 0.2, cosine)"
    shares = strategy.mixture(PROGRESS)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(shares[:, 0], Schedule((0.8, 0.2), "cosine").at(PROGRESS))


@pytest.mark.parametrize("alpha", [-0.1, 1.5, float("nan"), (0.5, 2.0), (0.5, 0.5, -1), ()])
def test_alpha_outside_its_range_is_refused(alpha):
    with pytest.raises(ConfigError, match=r"alpha: .* expected a share of batches in 0\.\.1"):
        make_strategy("hybrid", alpha)


def test_an_unknown_curve_offers_the_nearest():
    with pytest.raises(UnknownNameError, match=r"alpha_schedule: .* nearest is 'cosine'"):
        make_strategy("hybrid", (1, 0), schedule="cosin")
