import numpy as np
import pytest

from evenrank.comparison.blocks import Grid, block_sums
from evenrank.comparison.compare import setting_intervals
from evenrank.comparison.statistics import bootstrap_quantiles
from evenrank.errors import ConfigError
from evenrank.results.folder import read_evaluation

LANGUAGES = ("de", "en", "tr")


def test_intervals_hold_the_figures_and_follow_the_questions(folders, write, asked, values):
    found = setting_intervals(read_evaluation(folders[0]), ["AP"], resamples=200)
    assert set(found) == {("AP", "mono"), ("AP", "cross"), ("AP", "multi")}
    langs = np.array([lang for _, lang in asked])
    multi = np.mean([values[0][langs == lang, 3].mean() for lang in ("de", "en", "tr")])
    low, high = found["AP", "multi"]
    assert low < multi < high
    assert setting_intervals(read_evaluation(folders[0]), ["AP"], resamples=200) == found
    same = write("same", asked, np.full_like(values[0], 0.25))
    assert setting_intervals(read_evaluation(same), ["AP"], resamples=20)[
        "AP", "cross"
    ] == pytest.approx((0.25,) * 2)


def test_intervals_hold_95_percent(folders, asked, values):
    langs = np.array([LANGUAGES.index(lang) for _, lang in asked])
    grid = Grid(LANGUAGES, langs, np.array([question for question, _ in asked]))
    sums = block_sums(grid, values[0])
    ends = bootstrap_quantiles(sums, [0.025, 0.975], resamples=300, seed=2)
    found = setting_intervals(read_evaluation(folders[0]), ["AP"], resamples=300, seed=2)
    for at, cell in enumerate(sums.cells):
        if cell.kind == "setting":
            assert found["AP", cell.setting] == pytest.approx(ends[:, at])


def test_measures_that_were_not_taken_are_refused(folders):
    with pytest.raises(ConfigError, match="measure 'R@1'"):
        setting_intervals(read_evaluation(folders[0]), ["R@1"], resamples=9)
