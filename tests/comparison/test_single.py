"""Comparing results by answers that exist in one language only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from evenrank.comparison.compare import compare, setting_intervals
from evenrank.comparison.tables import comparison_tables
from evenrank.errors import ConfigError
from evenrank.results.folder import read_evaluation

RUNS = {"permutations": 99, "resamples": 200}
LANGUAGES = ("de", "en", "tr")


def with_single(values):
    """Add the values of the setting ``single``: ``(query, passage language)``."""
    column = np.concatenate([*values.T, np.full(len(values), np.nan)])

    def edit(table):
        return table.append_column("single AP", pa.array(column, from_pandas=True))

    return edit


@pytest.fixture
def single(asked):
    """Values of two systems: the second finds more in other languages, and less in the own one."""
    own = np.array([[lang == other for other in LANGUAGES] for _, lang in asked])
    rng = np.random.default_rng(4)
    before = np.where(own, 0.9, 0.3) + rng.normal(0, 0.02, own.shape)
    after = np.where(own, 0.8, 0.5) + rng.normal(0, 0.02, own.shape)
    before[3, 0] = after[3, 0] = np.nan
    return before, after


@pytest.fixture
def results(write, asked, values, single):
    names = ("even", "uneven")
    return [
        write(name, asked, values[0], with_single(one))
        for name, one in zip(names, reversed(single), strict=True)
    ][::-1]


def macro_means(asked, values):
    """The settings in plain loops over queries."""
    cells = {}
    for (_, lang), row in zip(asked, values, strict=True):
        for other, value in zip(LANGUAGES, row, strict=True):
            if not np.isnan(value):
                cells.setdefault((lang, other), []).append(value)
    means = {pair: np.mean(some) for pair, some in cells.items()}
    own = np.mean([mean for (lang, other), mean in means.items() if lang == other])
    other = np.mean([mean for (lang, other), mean in means.items() if lang != other])
    return {"own": own, "other": other, "even": np.mean([*means.values()]), "gap": own - other}


def test_settings_are_differences_of_macro_means(results, asked, single):
    found = compare(results, gates=["AP other +0.1", "AP own -0.05", "AP gap +0.2"], **RUNS)
    before, after = (macro_means(asked, one) for one in single)
    rows = {row.setting: row for row in found.select("setting")}
    for setting, value in after.items():
        assert rows[setting].baseline_value == pytest.approx(before[setting])
        assert rows[setting].value == pytest.approx(value)
        assert rows[setting].low <= rows[setting].difference <= rows[setting].high
        assert rows[setting].blocks == 8
    sure = {setting: replace(row, p_holm=0.01).outcome for setting, row in rows.items()}
    assert sure["other"] == sure["gap"] == "better"  # a smaller gap is a gain
    assert sure["own"] == "worse"
    assert [one.verdict for one in found.gate_results] == ["passed", "failed", "passed"]
    assert found.gate_results[2].gain == pytest.approx(before["gap"] - after["gap"])
    singles = list(found.select("single"))
    assert {(row.query_lang, row.pool) for row in singles if row.setting == "own"} == {
        (lang, lang) for lang in LANGUAGES
    }
    assert len(singles) == 9  # a family of its own: Holm counts nine tests
    smallest = min(singles, key=lambda row: row.p)
    assert smallest.p_holm == pytest.approx(min(1, 9 * smallest.p))
    captions = [table.caption for table in comparison_tables(found)]
    assert "the same pairs if the answer exists in the passage language only" in captions


def test_intervals_of_one_result(results, asked, single):
    found = setting_intervals(read_evaluation(results[0]), ["AP"], resamples=200)
    for setting, value in macro_means(asked, single[0]).items():
        low, high = found["AP", setting]
        assert low < value < high


def test_a_result_of_an_earlier_version_is_compared_by_what_it_has(results, write, asked, values):
    earlier = write("earlier", asked, values[1])
    found = compare([earlier, results[0]], **RUNS)
    settings = [row.setting for row in found.select("setting", measure="AP")]
    assert settings == ["mono", "cross", "multi"]
    with pytest.raises(ConfigError, match=r"'AP other \+0\.1': found no AP other in the results"):
        compare([earlier, results[0]], gates=["AP other +0.1"], **RUNS)
