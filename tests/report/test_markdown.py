import re
from html.parser import HTMLParser

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from evenrank.report.build import build_report
from evenrank.report.content import (
    Fold,
    Found,
    Listing,
    Part,
    QueryResults,
    Quote,
    Report,
    SectionContent,
    Text,
)
from evenrank.report.markdown import render_markdown
from evenrank.results.folder import read_result
from evenrank.tables import Column, Row, Table, show

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


class Rendered(HTMLParser):
    """What a reader of the rendered Markdown sees: its tags, text, and rows of tables."""

    def __init__(self, markdown):
        super().__init__()
        self.tags, self.text, self.rows = [], "", []
        self.in_cell = False
        self.feed(MARKDOWN.render(markdown))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag):
        self.in_cell &= tag not in ("th", "td")

    def handle_data(self, data):
        self.text += data
        if self.in_cell:
            self.rows[-1][-1] += data


def report_of(*blocks):
    section = SectionContent(name="s", title="Section", blocks=blocks)
    part = Part(title="Part", lead="", sections=(section,))
    return Report(title="Title", lead="Lead", parts=(part,))


def table_of(*titles):
    return Table(
        caption="Caption",
        head="Model",
        columns=(Column(title="AP", better="higher"),),
        rows=tuple(Row(title=title, cells=(0.5 + n / 10,)) for n, title in enumerate(titles)),
        best="down",
    )


printable = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1
).filter(str.strip)


@given(printable)
def test_any_query_and_passage_read_as_they_are(text):
    found = Found(Quote("ar", text), "rank 1,234", relevant=True)
    block = QueryResults(
        query=Quote("ar", text), number="1.", summary="s", rankings=((text, (found, found)),)
    )
    rendered = Rendered(render_markdown(report_of(Fold("The worst", (table_of("a"), block)))))
    shown = " ".join(text.split())
    assert f"1. ar \u2068{shown}\u2069 s" in rendered.text
    assert rendered.text.count(f"\u2068{shown}\u2069 (rank 1,234)") == 2
    assert rendered.tags.count("li") == 2
    assert rendered.tags.count("ol") == 0


@given(printable)
@example("- a")
@example("1. a")
@example("# a")
@example("===")
def test_any_paragraph_stays_one_and_reads_as_it_is(text):
    rendered = Rendered(render_markdown(report_of(Text(text))))
    assert rendered.tags == ["h1", "p", "h2", "h3", "p"]
    assert rendered.text.splitlines()[-1] == " ".join(text.split())


def test_markup_does_not_get_through():
    attack = "<script>alert(1)</script> **x** [a](javascript:b) `c` ![d](http://e) $f$"
    rendered = Rendered(render_markdown(report_of(Text(attack), table_of(attack, "b"))))
    assert not {"script", "a", "img", "em"} & set(rendered.tags)
    assert rendered.text.count(attack) == 2


def test_a_listing_cannot_leave_its_fence():
    text = '{"a": "```\\n# out"}\n````\n# out'
    rendered = Rendered(render_markdown(report_of(Listing("Settings", text))))
    assert rendered.tags.count("h1") == 1
    assert rendered.tags.count("pre") == 1
    assert text in rendered.text


def test_a_whole_report_renders_with_every_figure_as_a_table(samples):
    rendered = Rendered(render_markdown(build_report(samples[:3])))
    result = read_result(samples[2])
    headline = next(row for row in rendered.rows if row[0] == "hybrid")
    figure, low, high = re.fullmatch(r"(\S+) \[(\S+), (\S+)\]", headline[1]).groups()
    assert figure == show(result.settings["mono"]["AP"])
    assert float(low) < float(figure) < float(high)
    width = [len(row) for row in rendered.rows]
    assert all(2 <= count <= 30 for count in width)
    heads = [row for row in rendered.rows if row[0].startswith("query \\")]
    assert len(heads) == 2 * (3 + 2) + 3  # heat maps: values, differences (twice), shares
    assert any(row[0] == "step" for row in rendered.rows)
    spreads = next(row for row in rendered.rows if "x-y, median" in row)
    assert len(spreads) == 1 + 3 * 6
    assert rendered.tags.count("table") >= 20
    assert rendered.tags.count("h1") == 1
