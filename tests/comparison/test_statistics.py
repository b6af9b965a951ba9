from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from evenrank.comparison import statistics
from evenrank.comparison.statistics import exact_p_values, holm, sign_flip_p_values
from evenrank.errors import ConfigError

PARTS = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 9), st.integers(1, 4)),
    elements=st.sampled_from([-0.5, -0.3, -0.1, 0.0, 0.1, 0.2, 0.3]),
)


def brute_force(parts):
    """Try all signs, one after the other, in whole numbers, so that nothing is rounded."""
    whole = np.rint(parts * 10).astype(int)
    observed = np.abs(whole.sum(axis=0))
    reached = [
        np.abs((np.array(signs)[:, None] * whole).sum(axis=0)) >= observed
        for signs in product((1, -1), repeat=len(whole))
    ]
    return np.mean(reached, axis=0)


@given(PARTS)
def test_exact_p_values_are_those_of_all_signs(parts):
    assert exact_p_values(parts) == pytest.approx(brute_force(parts), abs=1e-12)


@given(PARTS)
def test_random_signs_come_near_the_exact_p_value(parts):
    exact = brute_force(parts)
    found = sign_flip_p_values(parts, permutations=4000, seed=1)
    assert found == pytest.approx(exact, abs=5 * 0.5 / np.sqrt(4000) + 1 / 4001)


def test_p_values_agree_with_scipy():
    rng = np.random.default_rng(0)
    before = rng.uniform(size=40)
    after = before + rng.normal(0.01, 0.1, size=40)

    def statistic(x, y, axis):
        return np.mean(x - y, axis=axis)

    theirs = stats.permutation_test(
        (before, after),
        statistic,
        permutation_type="samples",
        n_resamples=20_000,
        vectorized=True,
        rng=np.random.default_rng(1),
    )
    ours = sign_flip_p_values((after - before)[:, None], permutations=20_000, seed=1)
    assert 0.001 < theirs.pvalue < 0.5
    assert ours[0] == pytest.approx(theirs.pvalue, abs=4 * np.sqrt(2 * 0.25 / 20_000))
    few = slice(0, 12)  # where scipy tries all signs
    theirs = stats.permutation_test(
        (before[few], after[few]), statistic, permutation_type="samples", vectorized=True
    )
    assert exact_p_values((after - before)[few, None])[0] == pytest.approx(theirs.pvalue)


def test_many_cells_agree_with_a_loop_over_the_same_signs():
    """The signs of a block are the same in every cell, whatever the other cells are."""
    parts = np.random.default_rng(2).normal(0.02, 0.1, size=(70, 30))
    together = sign_flip_p_values(parts, permutations=500, seed=4)
    alone = [sign_flip_p_values(parts[:, [cell]], permutations=500, seed=4) for cell in range(30)]
    assert together == pytest.approx(np.concatenate(alone), abs=1e-12)
    rng = np.random.Generator(np.random.Philox(key=[4, 1]))
    reached = np.ones(30)
    for _ in range(500):
        signs = statistics._random_signs(rng, 1, 70)[0]
        assert set(signs) == {-1, 1}
        for cell in range(30):
            flipped = sum(sign * part for sign, part in zip(signs, parts[:, cell], strict=True))
            reached[cell] += abs(flipped) >= abs(parts[:, cell].sum())
    assert together == pytest.approx(reached / 501)


@pytest.mark.parametrize("chunk", [1, 100_000])
def test_p_values_do_not_depend_on_how_much_is_held_at_once(monkeypatch, chunk):
    parts = np.random.default_rng(2).normal(0.02, 0.1, size=(70, 3))
    usual = sign_flip_p_values(parts, permutations=999, seed=4)
    monkeypatch.setattr(statistics, "CHUNK", chunk)
    assert (sign_flip_p_values(parts, permutations=999, seed=4) == usual).all()
    assert (sign_flip_p_values(parts, permutations=999, seed=5) != usual).any()


def test_sums_that_only_rounding_tells_apart_are_equal():
    """Two thirds of the signs give a sum of one tenth; in floating point few are exactly that."""
    parts = np.array([[0.1], [0.1], [-0.1]])
    assert exact_p_values(parts)[0] == 1
    assert sign_flip_p_values(parts, permutations=1000, seed=0)[0] == 1
    large = np.concatenate([parts, [[1e6], [-1e6]]])
    assert exact_p_values(large)[0] == 1


@given(PARTS, st.integers(0, 2**64 - 1))
def test_swapping_the_systems_keeps_p(parts, seed):
    ours = sign_flip_p_values(parts, permutations=50, seed=seed)
    assert (ours == sign_flip_p_values(-parts, permutations=50, seed=seed)).all()
    assert ((ours >= 1 / 51) & (ours <= 1)).all()


def test_no_difference_has_p_one():
    parts = np.zeros((30, 2))
    assert (sign_flip_p_values(parts, permutations=99, seed=0) == 1).all()
    assert (exact_p_values(parts) == 1).all()


def test_p_values_are_uniform_where_the_systems_are_alike():
    """400 experiments without a difference, of blocks that vary by a factor of a hundred."""
    rng = np.random.default_rng(11)
    parts = rng.normal(size=(50, 400)) * np.geomspace(0.1, 10, 50)[:, None]
    # independent cells: each its own signs
    found = [
        sign_flip_p_values(parts[:, [cell]], permutations=199, seed=cell)[0] for cell in range(400)
    ]
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.035)


def test_too_many_blocks_for_all_signs_say_how_many():
    parts = np.ones((23, 2))
    parts[20:, 0] = 0
    assert exact_p_values(parts[:, [0]])[0] == 2 / 2**20
    with pytest.raises(ConfigError, match=r"23 blocks of 23 .*at most 20.*--exact"):
        exact_p_values(parts)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_is_the_step_down_procedure(p_values):
    """Rejecting adjusted values is stepping down until a value exceeds its share of the level."""
    values = np.array(p_values)
    adjusted = holm(values)
    for level in (0.01, 0.05, 0.5):
        rejected = set()
        for step, at in enumerate(sorted(range(len(values)), key=lambda at: values[at])):
            if values[at] * (len(values) - step) > level:
                break
            rejected.add(at)
        assert {at for at in range(len(values)) if adjusted[at] <= level} == rejected
    assert (adjusted >= values).all()
