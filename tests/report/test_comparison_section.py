"""Tests and intervals in the report, against the comparison itself."""

import re

import pytest

from evenrank.comparison.compare import compare, setting_intervals
from evenrank.report.content import Figure, Part, Report, SectionContent
from evenrank.report.entry import read_entries
from evenrank.report.page import render_html
from evenrank.report.section import SECTIONS
from evenrank.report.statistics import RESAMPLES, comparison_of
from evenrank.results.folder import read_evaluation
from evenrank.results.schema import SINGLE
from evenrank.tables import Cell, Column, Row, Table


def blocks(name, folders):
    return list(SECTIONS.get(name).content(read_entries(folders)))


def tables(name, folders):
    return {block.caption: block for block in blocks(name, folders) if isinstance(block, Table)}


def row_of(table, title):
    return next(row for row in table.rows if row.title == title)


@pytest.fixture
def comparison(samples):
    return compare(samples[:3], measures=["AP", "rank_distance"], resamples=RESAMPLES)


def ends(text):
    """The ends of an interval as it is printed."""
    numbers = text.replace("−", "-").replace(",", " ")
    return [float(number) for number in re.findall(r"[-+]?\d*\.\d+", numbers)]


def test_rank_distance_is_not_compared_across_depths(samples, edited):
    run = edited(samples[1], config={"run": {"depth": 10}})
    assert comparison_of(read_entries(samples[:2])).measures == ("AP", "rank_distance")
    mixed = read_entries([samples[0], run])
    assert comparison_of(mixed).measures == ("AP",)
    (tests, single, _) = tables("comparison", [samples[0], run]).values()
    assert len(tests.columns) == 6  # AP in three settings
    assert len(single.columns) == 12
    assert tables("headline", [samples[0], run])  # shown, without a mark of significance


def test_every_headline_figure_has_its_interval(samples):
    found = tables("headline", samples[:3])
    main = row_of(found["mAP in the three settings, and rank distance"], "hybrid")
    recalls = row_of(
        found["Recall: the part of the relevant passages within the first ranks"], "hybrid"
    )
    names = ["AP", "R@1", "R@10", "rank_distance", "rank_distance_norm"]
    intervals = setting_intervals(read_evaluation(samples[2]), names, resamples=RESAMPLES)
    expected = [("AP", "mono"), ("AP", "cross"), ("AP", "multi"), ("rank_distance", "multi")]
    expected += [("rank_distance_norm", "multi")]
    for figure, cell in zip(expected, main.cells, strict=True):
        assert ends(cell.aside) == pytest.approx(intervals[figure], abs=0.05)
        assert intervals[figure][0] < cell.value < intervals[figure][1]
    assert ends(recalls.cells[1].aside) == pytest.approx(intervals["R@1", "cross"], abs=5e-4)


def test_changes_carry_the_interval_of_the_difference_and_a_mark(samples, comparison):
    change = row_of(tables("headline", samples[:3])["Change against x-x-mono"], "hybrid")
    for place, setting in enumerate(("mono", "cross", "multi")):
        (row,) = (
            row
            for row in comparison.select("setting", system="hybrid", measure="AP")
            if row.setting == setting
        )
        assert ends(change.cells[place].aside) == pytest.approx([row.low, row.high], abs=5e-5)
        assert change.cells[place].aside.endswith("•") == row.significant
    assert change.cells[4].aside == ""


def test_the_section_shows_what_compare_finds(samples, comparison):
    tests, single, languages = tables("comparison", samples[:3]).values()
    rows = list(comparison.select("setting", system="x-y"))
    only = [row for row in rows if row.setting in SINGLE]
    expected = [value for row in rows if row not in only for value in (row.p_holm, row.effect)]
    assert row_of(tests, "x-y").cells == pytest.approx(expected)
    expected = [value for row in only for value in (row.difference, row.p_holm, row.effect)]
    assert row_of(single, "x-y").cells == pytest.approx(expected)
    assert [column.group for column in tests.columns[::2]] == [
        "mAP, monolingual",
        "mAP, cross-lingual",
        "mAP, multilingual",
        "Rank distance",
    ]
    arabic = row_of(languages, "Arabic (ar)")
    (row,) = (
        row
        for row in comparison.select("query_lang", system="hybrid", measure="rank_distance")
        if row.query_lang == "ar"
    )
    assert arabic.cells[3].value == pytest.approx(row.difference)
    assert ends(arabic.cells[3].aside) == pytest.approx([row.low, row.high], abs=0.05)


def test_one_result_has_intervals_and_nothing_to_compare(samples):
    (entry,) = read_entries(samples[:1])
    assert comparison_of([entry]) is None
    main = tables("headline", samples[:1])["mAP in the three settings, and rank distance"]
    assert all(cell.aside for cell in main.rows[0].cells)


def test_small_print_is_text_in_the_page():
    cell = Cell(0.5, aside="<script>", shade=0.5)
    table = Table(
        caption="<b>", head="", columns=(Column(title=""),), rows=(Row(title="", cells=(cell,)),)
    )
    section = SectionContent(
        name="s", title="S", blocks=(table, Figure(caption="", panels=(table,)))
    )
    page = render_html(
        Report(title="T", lead="", parts=(Part(title="P", lead="", sections=(section,)),))
    )
    assert page.count("&lt;script&gt;</small>") == 2
    assert "<script>" not in page
