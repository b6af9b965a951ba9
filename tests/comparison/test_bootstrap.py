import numpy as np
import pytest
from scipy import stats

from evenrank.comparison import statistics
from evenrank.comparison.blocks import Grid, block_sums
from evenrank.comparison.statistics import bootstrap_quantiles


def one_language(values):
    """Every query a block of its own, in the pool of all languages only."""
    grid = Grid(("en",), np.zeros(len(values), np.int64), np.arange(len(values)))
    return block_sums(grid, np.column_stack([np.full(len(values), np.nan), values]))


def irregular():
    """Two queries of six are in both languages (a resample may miss one); one is there 3 times."""
    langs = np.array([0, 1, 0, 1, 1, 1, 1, 1, 1, 1])
    blocks = np.array([0, 0, 1, 1, 2, 3, 4, 5, 5, 5])
    values = np.random.default_rng(1).normal(size=(10, 5))
    values[3, 1] = np.nan
    return Grid(("de", "en"), langs, blocks), values


def test_intervals_agree_with_scipy():
    values = np.random.default_rng(0).exponential(size=60)
    theirs = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(1),
    )
    sums = one_language(values)
    ours = bootstrap_quantiles(sums, [0.025, 0.975], resamples=20_000, seed=1)
    interval = theirs.confidence_interval
    assert ours.shape == (2, 2)  # the cell, and the setting that it is the mean of
    tolerance = 0.05 * theirs.standard_error
    assert ours[:, 0] == pytest.approx([interval.low, interval.high], abs=tolerance)
    assert (ours[:, 0] == ours[:, 1]).all()


def test_resamples_are_means_over_blocks_drawn_one_by_one():
    """The same draws, in plain loops over blocks, queries and pools."""
    grid, values = irregular()
    sums = block_sums(grid, values)
    resamples, blocks = 60, 6
    rng = np.random.Generator(np.random.Philox(key=[9, 2]))
    expected = []
    for _ in range(resamples):
        drawn = rng.integers(0, blocks, size=blocks)
        rows = [query for block in drawn for query in np.flatnonzero(grid.blocks == block)]
        figures = {}
        for lang in range(2):
            for pool in range(5):
                found = [values[query, pool] for query in rows if grid.query_langs[query] == lang]
                found = [value for value in found if not np.isnan(value)]
                figures[lang, pool] = np.mean(found) if found else np.nan
        own = [figures[0, 0], figures[1, 1]]
        other = [figures[0, 1], figures[1, 0]]
        everywhere = [figures[0, 2], figures[1, 2]]
        single = [figures[0, 3], figures[1, 4]], [figures[0, 4], figures[1, 3]]
        macros = [
            np.nanmean(means) if np.isfinite(means).any() else np.nan
            for means in (own, other, everywhere, *single, [*single[0], *single[1]])
        ]
        macros.append(macros[3] - macros[4])
        expected.append([*figures.values(), *macros])
    assert np.isnan(expected).any(axis=1).sum() >= 3  # German was not drawn at all
    levels = [0, 0.1, 0.5, 0.9, 1]
    found = bootstrap_quantiles(sums, levels, resamples=resamples, seed=9)
    assert found == pytest.approx(np.nanquantile(expected, levels, axis=0))
    macros = bootstrap_quantiles(sums, levels, resamples=resamples, seed=9, only_macros=True)
    np.testing.assert_array_equal(macros, found[:, -7:])


@pytest.mark.parametrize("chunk", [1, 1000])
def test_intervals_do_not_depend_on_how_much_is_held_at_once(monkeypatch, chunk):
    sums = block_sums(*irregular())
    usual = bootstrap_quantiles(sums, [0.1, 0.9], resamples=101, seed=3)
    monkeypatch.setattr(statistics, "CHUNK", chunk)
    again = bootstrap_quantiles(sums, [0.1, 0.9], resamples=101, seed=3)
    np.testing.assert_allclose(again, usual, rtol=1e-12)  # products of other shapes round otherwise
    assert (bootstrap_quantiles(sums, [0.1, 0.9], resamples=101, seed=4) != usual).any()


def test_translations_are_drawn_together():
    """Four copies of each question say no more than one of them."""
    values = np.random.default_rng(2).normal(size=40)
    single = one_language(values)
    langs, blocks = np.repeat(np.arange(4), 40), np.tile(np.arange(40), 4)
    nothing = np.full((160, 4), np.nan)
    grid = Grid(("de", "el", "en", "tr"), langs, blocks)
    copied = block_sums(grid, np.column_stack([nothing, np.tile(values, 4)]))
    levels = [0.025, 0.975]
    one = bootstrap_quantiles(single, levels, resamples=500, seed=0)[:, -1]
    four = bootstrap_quantiles(copied, levels, resamples=500, seed=0)[:, -1]
    assert four == pytest.approx(one)


def test_an_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(5)
    held = 0
    for seed in range(400):
        low, high = bootstrap_quantiles(
            one_language(rng.normal(size=80)), [0.05, 0.95], resamples=400, seed=seed
        )[:, 0]
        held += low <= 0 <= high
    assert held / 400 == pytest.approx(0.9, abs=0.04)
