import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.comparison.blocks import Cell, Grid, block_sums
from evenrank.comparison.statistics import standardised_difference


@st.composite
def grids(draw):
    """Queries of three languages with values in four pools, some missing."""
    count = draw(st.integers(1, 12))
    langs = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    blocks = draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))
    _, blocks = np.unique(blocks, return_inverse=True)
    value = st.one_of(st.none(), st.floats(-1, 1))
    rows = draw(st.lists(st.tuples(value, value, value, value), min_size=count, max_size=count))
    grid = Grid(("de", "en", "tr"), np.array(langs), blocks.astype(np.int64))
    return grid, np.array(rows, dtype=float)


@given(grids())
def test_figures_are_macro_means_over_the_queries_with_a_value(made):
    grid, values = made
    expected = {}
    for lang, code in enumerate(grid.languages):
        for pool in range(4):
            found = values[grid.query_langs == lang, pool]
            if (~np.isnan(found)).any():
                setting = "multi" if pool == 3 else "mono" if pool == lang else "cross"
                other = "multi" if pool == 3 else grid.languages[pool]
                kind = "query_lang" if pool == 3 else "pair"
                expected[Cell(kind, setting, code, other)] = np.nanmean(found)
    for setting in ("mono", "cross", "multi"):
        means = [mean for cell, mean in expected.items() if cell.setting == setting]
        if means:
            expected[Cell("setting", setting)] = np.mean(means)
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
