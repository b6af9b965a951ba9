import re
from dataclasses import replace
from xml.etree import ElementTree

import matplotlib
import pytest

from evenrank.report.content import Bars, Boxes, Curve, HeatMap, Lines, Series, Spread
from evenrank.report.drawing.panels import draw_panel

HOSTILE = '</title><script>alert(1)</script>"&$x^2$'
SERIES = (Series(0, "plain"), Series(9, HOSTILE))

PANELS = [
    HeatMap(
        title=HOSTILE,
        row_axis="query",
        column_axis="collection",
        rows=("ar", "zh-Hant-TW"),
        columns=("ar", "zh-Hant-TW"),
        values=((0.5, None), (-0.25, 1.0)),
        shades=((0.5, None), (-0.25, 1.0)),
    ),
    Bars(
        title=HOSTILE,
        axis="rank distance",
        categories=("ar", "de"),
        series=SERIES,
        values=((10.0, None), (1234.5, 0.0)),
    ),
    Boxes(
        title=HOSTILE,
        axis="rank distance",
        categories=("ar", "de"),
        series=SERIES,
        values=((Spread(1, 2, 3, 4, 5, 3), None), (Spread(10, 20, 300, 4000, 5000, 900), None)),
    ),
    Lines(
        title=HOSTILE,
        x_axis="step",
        y_axis="loss",
        curves=tuple(Curve(series, (1.0, 2.0, 3.0), (3.0, 2.0, 1.5)) for series in SERIES),
    ),
]
each_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.kind)


@each_panel
def test_titles_reach_the_page_as_text_only(panel):
    root = ElementTree.fromstring(draw_panel(panel, "p"))
    title = root.find("title")
    assert title.text.startswith(HOSTILE)
    assert root.get("aria-labelledby") == title.get("id")
    assert not list(root.iter("script"))


@each_panel
def test_colours_and_fonts_are_the_pages(panel):
    drawing = draw_panel(panel, "p")
    assert not re.search(r"#[0-9a-f]{6}\b", drawing)
    assert "var(--" in drawing
    assert "font-family" not in drawing
    assert "metadata" not in drawing
    assert "<style" not in drawing


@each_panel
def test_ids_of_two_drawings_do_not_meet(panel):
    first, second = (set(re.findall(r' id="([^"]*)"', draw_panel(panel, key))) for key in "pq")
    assert first
    assert not first & second


@each_panel
def test_references_point_into_the_same_drawing(panel):
    drawing = draw_panel(panel, "p")
    ids = re.findall(r' id="([^"]*)"', drawing)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'url\(#([^)]*)\)|href="#([^"]*)"', drawing)) <= {
        *((one, "") for one in ids),
        *(("", one) for one in ids),
    }


@each_panel
def test_the_users_own_settings_change_nothing_and_are_kept(panel):
    expected = draw_panel(panel, "p")
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.grid": True}):
        assert draw_panel(panel, "p") == expected
        assert matplotlib.rcParams["font.size"] == 30


def texts(drawing):
    return [element.text for element in ElementTree.fromstring(drawing).iter("text")]


def test_heat_maps_write_numbers_where_there_is_room():
    assert texts(draw_panel(PANELS[0], "p"))[:3] == [".50", "−.25", "1.00"]
    many = tuple(f"l{number}" for number in range(40))
    numbers = tuple((0.5,) * 40 for _ in many)
    large = HeatMap(
        title="",
        row_axis="query",
        column_axis="collection",
        rows=many,
        columns=many,
        values=numbers,
        shades=numbers,
    )
    drawing = draw_panel(large, "p")
    assert ".50" not in texts(drawing)
    assert drawing.count("opacity: 0.5") == 1600


def test_marked_squares_have_a_dot():
    plain = draw_panel(PANELS[0], "p")
    marks = [[False] * len(PANELS[0].columns) for _ in PANELS[0].rows]
    marks[0][0] = True
    marked = draw_panel(replace(PANELS[0], marked=tuple(map(tuple, marks))), "p")
    assert marked.count("<path") == plain.count("<path") + 1
    assert texts(marked) == texts(plain)


def test_bars_show_their_values_and_what_is_missing():
    assert {"10", "1,234", "–", "0", "ar", "de"} == set(texts(draw_panel(PANELS[1], "p")))


def boxes_of(*numbers):
    return Boxes(
        title="",
        axis="",
        categories=("ar",),
        series=SERIES[:1],
        values=((Spread(*numbers),),),
    )


def test_boxes_have_an_axis_that_suits_their_range():
    assert {"1", "10", "100", "1,000"} <= set(texts(draw_panel(PANELS[2], "p")))
    assert {"50", "100", "200"} <= set(texts(draw_panel(boxes_of(30, 40, 60, 90, 240, 70), "p")))
    assert {"0", "1", "10", "100"} <= set(texts(draw_panel(boxes_of(0, 0, 1, 20, 120, 70), "p")))
    narrow = boxes_of(11000, 11200, 11500, 12000, 12400, 11600)
    assert {"10,500", "12,000", "13,500"} <= set(texts(draw_panel(narrow, "p")))
    single = texts(draw_panel(boxes_of(7, 7, 7, 7, 7, 7), "p"))
    assert single.count("7") == 1
