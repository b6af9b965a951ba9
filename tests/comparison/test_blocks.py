import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.comparison.blocks import Cell, Grid, block_sums
from evenrank.comparison.statistics import standardised_difference


@st.composite
def grids(draw):
    """Queries of three languages with values in seven pools, some missing."""
    count = draw(st.integers(1, 12))
    langs = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    blocks = draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))
    _, blocks = np.unique(blocks, return_inverse=True)
    value = st.one_of(st.none(), st.floats(-1, 1))
    rows = draw(st.lists(st.tuples(*[value] * 7), min_size=count, max_size=count))
    grid = Grid(("de", "en", "tr"), np.array(langs), blocks.astype(np.int64))
    return grid, np.array(rows, dtype=float)


def cell_of(lang, pool):
    """The cell of a query language in one of the seven pools."""
    codes = ("de", "en", "tr")
    if pool == 3:
        return Cell("query_lang", "multi", codes[lang], "multi")
    kind, same, differs = ("pair", "mono", "cross") if pool < 3 else ("single", "own", "other")
    other = pool % 4
    return Cell(kind, same if other == lang else differs, codes[lang], codes[other])


@given(grids())
def test_figures_are_macro_means_over_the_queries_with_a_value(made):
    grid, values = made
    expected = {}
    for lang in range(3):
        for pool in range(7):
            found = values[grid.query_langs == lang, pool]
            if (~np.isnan(found)).any():
                expected[cell_of(lang, pool)] = np.nanmean(found)
    cells = [(cell.setting, mean) for cell, mean in expected.items()]
    means = {}
    for setting in ("mono", "cross", "multi", "own", "other", "even"):
        names = ("own", "other") if setting == "even" else (setting,)
        if of_setting := [mean for name, mean in cells if name in names]:
            means[setting] = np.mean(of_setting)
    if {"own", "other"} <= means.keys():
        means["gap"] = means["own"] - means["other"]
    expected |= {Cell("setting", setting): mean for setting, mean in means.items()}
    sums = block_sums(grid, values)
    found = dict(zip(sums.cells, sums.means.tolist(), strict=True))
    assert found == pytest.approx(expected)


@given(grids())
def test_blocks_add_up_to_the_figures_and_know_where_they_take_part(made):
    grid, values = made
    sums = block_sums(grid, values)
    assert sums.parts.shape == sums.present.shape == (grid.blocks.max() + 1, len(sums.cells))
    assert (sums.parts[~sums.present] == 0).all()
    for column, cell in enumerate(sums.cells):
        if cell.kind == "query_lang":
            asked = grid.query_langs == grid.languages.index(cell.query_lang)
            there = set(grid.blocks[asked & ~np.isnan(values[:, 3])].tolist())
            assert set(np.flatnonzero(sums.present[:, column]).tolist()) == there


def test_effect_is_the_mean_over_the_deviation():
    grid = Grid(("en",), np.zeros(5, np.int64), np.arange(5))
    changes = np.array([0.1, 0.3, -0.1, 0.2, np.nan])
    sums = block_sums(grid, np.column_stack([np.full(5, np.nan), changes]))
    expected = np.nanmean(changes) / np.nanstd(changes, ddof=1)
    assert standardised_difference(sums) == pytest.approx([expected, expected])
    opposite = block_sums(grid, np.column_stack([np.full(5, np.nan), -changes]))
    assert standardised_difference(opposite) == pytest.approx([-expected, -expected])


@pytest.mark.parametrize(("change", "effect"), [(0.0, 0.0), (0.1, np.nan)])
def test_effect_without_variation(change, effect):
    grid = Grid(("en",), np.zeros(7, np.int64), np.arange(7))
    sums = block_sums(grid, np.full((7, 2), change))
    assert standardised_difference(sums) == pytest.approx([effect] * 4, nan_ok=True)
