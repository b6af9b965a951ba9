import re
from html.parser import HTMLParser

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from evenrank.report.build import build_report
from evenrank.report.content import (
    Answer,
    Answers,
    Column,
    Failure,
    Failures,
    Listing,
    Part,
    Placed,
    Quote,
    Rankings,
    Report,
    Row,
    SectionContent,
    Series,
    Table,
    Text,
)
from evenrank.report.rendering.markdown import render_markdown
from evenrank.results.schema import read_result

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
def test_any_label_stays_one_cell_and_reads_as_it_is(label):
    expected = " ".join(label.split())
    rendered = Rendered(render_markdown(report_of(table_of("plain", label))))
    assert len(rendered.rows) == 3
    assert rendered.rows[2][0].strip() == expected
    assert rendered.rows[2][1] == "0.6000"


@given(printable)
def test_any_question_and_passage_read_as_they_are(text):
    answer = Answer(rank=1, score=0.5, relevant=True, passage=Quote("ar", text))
    rankings = Rankings(
        question=Quote("ar", text),
        answers=(Answers(series=Series(0, "a"), answers=(answer,)),),
        ranks=table_of("a"),
    )
    rendered = Rendered(render_markdown(report_of(rankings)))
    shown = " ".join(text.split())
    assert rendered.rows[1] == ["1", f"ar \u2068{shown}\u2069", "0.500", "✓"]
    assert f"\u2068{shown}\u2069" in rendered.text.split("Rank")[0]


@given(printable)
def test_any_failed_question_and_its_answers_read_as_they_are(text):
    found = Placed(passage=Quote("ar", text), ranks=(1234, "not in run"))
    first = Placed(passage=Quote("ar", text), ranks=(1, None), note="no answer")
    failures = Failures(
        title="The worst",
        overview=table_of("1. ar"),
        series=(Series(0, "a"), Series(1, text)),
        questions=(Failure(question=Quote("ar", text), summary="s", passages=(first, found)),),
    )
    rendered = Rendered(render_markdown(report_of(failures)))
    shown = " ".join(text.split())
    assert f"1. ar \u2068{shown}\u2069 s" in rendered.text
    head, *passages = rendered.rows[2:]
    assert [cell.strip() for cell in head] == ["a", shown, "Passage"]
    assert passages == [
        ["1", "–", f"ar \u2068{shown}\u2069 (no answer)"],
        ["1,234", "not in run", f"ar \u2068{shown}\u2069"],
    ]


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


def test_the_best_is_bold_and_the_direction_shown():
    markdown = render_markdown(report_of(table_of("a", "b")))
    assert "| Model | AP ↑ |" in markdown
    assert "| b | **0.6000** |" in markdown
    assert "| a | 0.5000 |" in markdown


def test_a_whole_report_renders_with_every_figure_as_a_table(samples):
    rendered = Rendered(render_markdown(build_report(samples[:3])))
    result = read_result(samples[2])
    headline = next(row for row in rendered.rows if row[0] == "hybrid")
    figure, low, high = re.fullmatch(r"(\S+) \[(\S+), (\S+)\]", headline[1]).groups()
    assert figure == f"{result.settings['mono']['AP']:.4f}"
    assert float(low) < float(figure) < float(high)
    width = [len(row) for row in rendered.rows]
    assert all(2 <= count <= 30 for count in width)
    heads = [row for row in rendered.rows if row[0].startswith("query")]
    assert len(heads) == 3 + 2 + 3  # heat maps: values, differences, shares
    assert any(row[0] == "step" for row in rendered.rows)
    spreads = next(row for row in rendered.rows if "x-y, median" in row)
    assert len(spreads) == 1 + 3 * 6
    assert rendered.tags.count("table") >= 20
    assert rendered.tags.count("h1") == 1
