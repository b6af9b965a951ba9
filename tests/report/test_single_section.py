"""The section about answers that exist in one language only, against the result folders."""

import numpy as np
import pytest

from evenrank.comparison.compare import setting_intervals
from evenrank.report.content import Figure, Text
from evenrank.report.entry import read_entries
from evenrank.report.section import SECTIONS
from evenrank.report.statistics import RESAMPLES
from evenrank.results.folder import read_evaluation, read_result
from evenrank.tables import Table


def blocks(folders):
    return list(SECTIONS.get("single").content(read_entries(folders)))


def test_the_first_sentence_says_it_to_a_newcomer(samples):
    settings = read_result(samples[0]).settings
    own, other = (f"{100 * settings[name]['R@10']:.0f} %" for name in ("own", "other"))
    expected = (
        f"An answer that exists only in another language is found in the top 10 for {other} of the "
        f"queries; one in the query’s own language for {own}."
    )
    assert blocks(samples[:1])[0] == Text(expected)
    first, second, *_ = blocks(samples[:2])
    assert first == Text(f"x-x-mono: {expected}")
    assert second.text.startswith("x-y: An answer")


def test_figures_are_next_to_rank_distance_with_intervals(samples):
    (table,) = (one for one in blocks(samples[:3]) if isinstance(one, Table))
    assert [one.better for one in table.columns] == ["higher"] * 3 + ["lower"] * 3
    for folder, row in zip(samples[:3], table.rows, strict=True):
        result = read_result(folder)
        settings = ("own", "other", "even", "gap")
        expected = [result.settings[name]["R@10"] for name in settings]
        expected += [result.bias["rank_distance"], result.bias["rank_distance_norm"]]
        assert [cell.value for cell in row.full_cells] == pytest.approx(expected)
        intervals = setting_intervals(read_evaluation(folder), ["R@10"], resamples=RESAMPLES)
        low, high = intervals["R@10", "gap"]
        assert low < result.settings["gap"]["R@10"] < high
        assert all(cell.aside for cell in row.full_cells)


def test_heat_maps_show_every_pair_and_the_changes(samples):
    values, changes = (one for one in blocks(samples[:2]) if isinstance(one, Figure))
    first, second = (
        np.array([[*row.values()] for row in read_result(folder).single["R@10"].values()])
        for folder in samples[:2]
    )
    shown = [
        np.array([[cell.value for cell in row.full_cells] for row in panel.rows])
        for panel in (*values.panels, *changes.panels)
    ]
    for found, expected in zip(shown, (first, second, second - first), strict=True):
        np.testing.assert_allclose(found, expected)


def test_where_it_does_not_apply_the_section_says_why(samples, edited):
    result = read_result(samples[0])
    nothing = {name: dict.fromkeys(figures) for name, figures in result.settings.items()}
    bare = edited(samples[0], settings=nothing)
    (text,) = blocks([bare])
    assert "no query of this benchmark has relevant passages in two languages" in text.text


def test_without_recall_it_shows_the_main_measure(samples, edited):
    result = read_result(samples[0])
    bare = edited(samples[0], single={"AP": result.single["AP"]})
    assert blocks([bare])[0].text.startswith("Here the answer of a query exists in one")
    assert any(isinstance(one, Table) and one.caption.startswith("mAP") for one in blocks([bare]))
