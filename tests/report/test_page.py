import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from evenrank.report.build import build_report
from evenrank.report.page import DARK, SHADES, render_html
from evenrank.results.folder import read_result
from evenrank.tables import show

HOSTILE = (
    """</title></svg><script>alert('1')</script><img src="http://evil.example/x" onerror=a>"""
    "\x00\x1b[31m\x9b\ufffe\u202e"
)
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """The elements of a page, its text, and a check that elements are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.stack = [], [], []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if "style" not in self.stack:
            self.texts.append(data)

    @property
    def text(self):
        return "".join(self.texts)

    def values(self, name):
        return [attrs[name] for _, attrs in self.elements if name in attrs]

    def tags(self):
        return {tag for tag, _ in self.elements}


@pytest.fixture(scope="module")
def page(samples):
    return Page(render_html(build_report(samples)))


def hostile(samples, edited):
    """A result whose every text is an attack."""
    result = read_result(samples[0])
    example = result.examples[0]
    answers = [answer.model_copy(update={"text": HOSTILE}) for answer in example.answers]
    attack = example.model_copy(update={"text": HOSTILE, "answers": answers, "query_id": HOSTILE})
    worst = result.worst[0]
    failure = worst.model_copy(
        update={
            "query_id": HOSTILE,
            "text": HOSTILE,
            "answers": [one.model_copy(update={"text": HOSTILE}) for one in worst.answers],
            "first": worst.first.model_copy(update={"text": HOSTILE, "relevant": False}),
        }
    )
    card = {"name": HOSTILE, "title": HOSTILE, "source": f"javascript:{HOSTILE}"}
    training = {"strategy": HOSTILE, "config": {HOSTILE: HOSTILE}, "log": [{"step": 1, "loss": 1}]}
    return edited(
        samples[0],
        benchmark=result.benchmark.model_copy(update=card),
        model=result.model.model_copy(
            update={
                "label": HOSTILE,
                "path": HOSTILE,
                "query_prompt": HOSTILE,
                "training": training,
            }
        ),
        examples=[attack],
        worst=[failure],
        bias={**result.bias, HOSTILE: 0.5},
        versions={HOSTILE: HOSTILE},
        timings={HOSTILE: 1.0},
        created=HOSTILE,
    )


def test_the_page_is_well_formed(page):
    assert {"svg", "table", "details", "figure"} <= page.tags()
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    anchors = [link[1:] for link in page.values("href") if link.startswith("#")]
    assert set(anchors) <= set(ids)


def test_nothing_leaves_the_page(page):
    assert not {"script", "img", "iframe", "object", "form"} & page.tags()
    assert page.values("src") == []
    assert {link for link in page.values("href") if not link.startswith("#")} == {"data:,"}
    style = (files("evenrank.report") / "templates" / "report.css").read_text()
    assert "url(" not in style
    assert "@import" not in style
    (policy,) = (attrs["content"] for _, attrs in page.elements if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")


def test_hostile_texts_stay_texts(samples, edited):
    page = Page(render_html(build_report([hostile(samples, edited)])))
    assert not {"script", "img"} & page.tags()
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)
    shown = "".join(page.texts)
    assert shown.count("alert('1')") > 15 + 6
    assert not set(shown) & set("\x00\x1b\x9b\ufffe\u202e")
    assert shown.count("\\x1b[31m") > 15 + 6


def test_texts_carry_their_language_and_find_their_direction(page):
    quotes = [attrs for _, attrs in page.elements if "dir" in attrs]
    assert {"ar", "de", "en", "tr"} == {attrs["lang"] for attrs in quotes}
    assert all(attrs["dir"] == ("rtl" if attrs["lang"] == "ar" else "auto") for attrs in quotes)
    assert len([attrs for attrs in quotes if attrs["lang"] == "ar"]) >= 6


def test_a_heat_map_is_a_table_whose_cells_have_a_colour(page):
    heat = [attrs for tag, attrs in page.elements if "heat" in attrs.get("class", "").split()]
    assert {attrs["aria-label"] for attrs in heat} >= {"hybrid", "hybrid − x-x-mono"}
    cells = [attrs["class"].split() for tag, attrs in page.elements if tag == "td" and attrs]
    shades = {name for classes in cells for name in classes if re.fullmatch(r"[ml]\d+", name)}
    assert {"m0", f"m{SHADES}"} <= shades
    assert any(name.startswith("l") for name in shades)
    dark = {classes[0] for classes in cells if "dark" in classes}
    assert dark == {name for name in shades if int(name[1:]) / SHADES >= DARK}


def test_a_measure_in_a_heading_leads_to_its_definition(page):
    links = {link for link in page.values("href") if link.startswith("#term-")}
    assert {"#term-AP", "#term-rank_distance", "#term-R.4010"} <= links


def test_every_drawing_and_table_says_what_it_is(page):
    drawings = [attrs for tag, attrs in page.elements if tag == "svg" and "role" in attrs]
    ids = set(page.values("id"))
    assert len(drawings) == 2 + 2  # rank distances on two benchmarks, two curves of training
    assert all(attrs["aria-labelledby"] in ids for attrs in drawings)
    assert all(attrs["aria-label"] for tag, attrs in page.elements if tag == "table")


def test_settings_keep_their_lines(page):
    assert '{\n  "batch_size": 64,\n' in page.text


def test_the_best_of_a_column_is_bold(samples, edited):
    page = render_html(build_report(samples[:2]))
    best = max(read_result(folder).settings["cross"]["AP"] for folder in samples[:2])
    assert f"<strong>{show(best)}</strong>" in page
    assert "higher is better" in page
    alone = render_html(build_report([edited(samples[0], worst=[])]))
    assert "<strong>" not in alone  # worst queries have a best language


def themes():
    """The colours of the light and of the dark page, by property."""
    style = (files("evenrank.report") / "templates" / "report.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    colours = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in (light, dark)]
    assert colours[0].keys() == colours[1].keys()
    return colours


def contrast(left, right):
    """The contrast ratio of two colours, as the WCAG defines it."""
    linear = [
        [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in rgb]
        for rgb in (left, right)
    ]
    low, high = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in linear)
    return (high + 0.05) / (low + 0.05)


def channels(colour):
    return [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_and_marks_can_be_told_from_the_page(theme):
    colours = {name: channels(colour) for name, colour in themes()[theme].items()}
    for name in ("ink", "muted", "link"):
        assert contrast(colours[name], colours["paper"]) > 4.5, name
    for name in colours:
        if name.startswith("series"):
            assert contrast(colours[name], colours["paper"]) > 3, name


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("colour", ["more", "less"])
def test_numbers_can_be_read_on_every_shade_of_a_heat_map(theme, colour):
    colours = {name: channels(value) for name, value in themes()[theme].items()}
    for step in range(SHADES + 1):
        strength = step / SHADES
        cell = [
            strength * over + (1 - strength) * under
            for over, under in zip(colours[colour], colours["paper"], strict=True)
        ]
        text = colours["paper" if strength >= DARK else "ink"]
        assert contrast(cell, text) > 3.9, (colour, strength)
