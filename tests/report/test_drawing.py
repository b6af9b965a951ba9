import re
from xml.etree import ElementTree

import matplotlib
import pytest

from evenrank.report.content import Boxes, Curve, Lines, Points, Series
from evenrank.report.drawing import draw
from evenrank.tables import Column, Row, Table

HOSTILE = '</title><script>alert(1)</script>"&$x^2$'
SERIES = (Series(0, "plain"), Series(9, HOSTILE))


def boxes(rows, limits, series=SERIES[:1], caption=""):
    table = Table(
        caption=caption,
        head="",
        columns=tuple(Column(title=str(n), spec=",.0f") for n in range(6 * len(series))),
        rows=tuple(Row(title=title, cells=cells) for title, cells in rows.items()),
    )
    return Boxes(axis="rank distance", series=series, limits=limits, table=table)


CHARTS = [
    boxes(
        {
            HOSTILE: (1, 2, 3, 4, 5, 3, 10, 20, 300, 4000, 5000, 900),
            "de": (1, 2, 3, 4, 5, 3, *[None] * 6),
        },
        (1, 5000),
        SERIES,
        HOSTILE,
    ),
    Lines(
        title=HOSTILE,
        x_axis="step",
        y_axis="loss",
        curves=tuple(Curve(series, (1.0, 2.0, 3.0), (3.0, 2.0, 1.5)) for series in SERIES),
    ),
    Points(
        title=HOSTILE,
        x_axis="own",
        y_axis="other",
        points=((SERIES[0], 0.9, 0.2), (SERIES[1], 0.8, 0.5)),
    ),
]
each_chart = pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.kind)


def texts(chart):
    return [element.text for element in ElementTree.fromstring(parsable(chart)).iter("text")]


def parsable(chart, key="p"):
    """The element as XML: in HTML, the prefix needs no declaration."""
    return draw(chart, key).replace("xlink:href", "href")


@each_chart
def test_titles_reach_the_page_as_text_only(chart):
    root = ElementTree.fromstring(parsable(chart))
    title = root.find("title")
    assert title.text.startswith(HOSTILE)
    assert root.get("aria-labelledby") == title.get("id")
    assert not list(root.iter("script"))


@each_chart
def test_colours_and_fonts_are_the_pages(chart):
    drawing = draw(chart, "p")
    assert not re.search(r"#[0-9a-f]{6}\b", drawing)
    assert "var(--series-0)" in drawing
    assert "var(--series-1)" in drawing  # number 9: colours repeat
    assert not {word for word in ("font-family", "metadata", "<style", "<?xml") if word in drawing}


@each_chart
def test_ids_are_unique_in_a_page_and_references_stay_in_their_chart(chart):
    first, second = (re.findall(r' id="([^"]*)"', draw(chart, key)) for key in "pq")
    assert len(first) == len(set(first)) >= 1
    assert not set(first) & set(second)
    used = re.findall(r'url\(#([^)]*)\)|href="#([^"]*)"', draw(chart, "p"))
    assert {name for pair in used for name in pair if name} <= set(first)


@each_chart
def test_the_users_own_settings_change_nothing_and_are_kept(chart):
    expected = draw(chart, "p")
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.grid": True}):
        assert draw(chart, "p") == expected
        assert matplotlib.rcParams["font.size"] == 30


def test_every_row_has_its_name_and_every_box_the_mean_as_a_number():
    assert {HOSTILE, "de", "3", "900", "1", "10", "100", "1,000"} <= set(texts(CHARTS[0]))


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ((30, 40, 60, 90, 240, 70), {"50", "100", "200"}),
        ((0, 0, 1, 20, 120, 70), {"0", "1", "10", "100"}),
        ((11000, 11200, 11500, 12000, 12400, 11600), {"10,500", "12,000", "13,500"}),
        ((50, 60, 300, 2000, 30_000, 9000), {"100", "1,000", "10,000"}),
        ((0, 0, 0, 0, 0, 0), {"0", "1"}),
    ],
)
def test_the_axis_suits_the_range(values, ticks):
    assert ticks <= set(texts(boxes({"ar": values}, (min(values), max(values)))))


def test_a_single_value_has_one_tick():
    assert texts(boxes({"ar": (7,) * 6}, (7, 7))).count("7") == 2  # and the mean


def test_points_on_the_front_are_those_that_no_other_point_beats_in_both():
    places = {"a": (0.9, 0.2), "b": (0.8, 0.5), "c": (0.8, 0.4), "d": (0.5, 0.5), "e": (0.1, 0.9)}
    points = tuple((Series(n, name), *at) for n, (name, at) in enumerate(places.items()))
    chart = Points(title="", x_axis="own", y_axis="other", points=points)
    assert [points[at][0].label for at in chart.front] == ["e", "b", "a"]
    marked = [row.title for row in chart.table.rows if row.cells[-1] == "yes"]
    assert marked == ["a", "b", "e"]
