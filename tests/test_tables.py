import io
import math
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from evenrank.tables import (
    MARK,
    NOTHING,
    Cell,
    Column,
    Row,
    Table,
    best_cells,
    markdown_paragraph,
    show,
    to_markdown,
    to_rich,
)

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
numbers = st.none() | st.floats(-10, 10, allow_nan=False)
labels = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1
).filter(str.strip)


def table(columns, rows, best="none", **texts):
    return Table(**{"caption": "", "head": "", **texts}, columns=columns, rows=rows, best=best)


def one_column(values, better="higher", spec=".4f", roles=None):
    roles = roles or ["plain"] * len(values)
    return table(
        (Column(title="AP", better=better, spec=spec),),
        tuple(
            Row(title=str(i), cells=(value,), role=role)
            for i, (value, role) in enumerate(zip(values, roles, strict=True))
        ),
        "down",
    )


def terminal(shown, width=100, **options):
    """What a terminal gets to print."""
    console = Console(file=io.StringIO(), width=width, **options)
    console.print(to_rich(shown))
    return console.file.getvalue()


class Rendered(HTMLParser):
    """The rows and the tags of rendered Markdown."""

    def __init__(self, markdown):
        super().__init__()
        self.tags, self.rows, self.text = [], [], ""
        self.feed(MARKDOWN.render(markdown))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_data(self, data):
        self.text += data
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip("\n")


@pytest.mark.parametrize(
    ("value", "spec", "shown"),
    [
        (0.79184, ".4f", ".7918"),
        (-0.0125, "+.4f", "−.0125"),
        (0.15, "+.2f", "+.15"),
        (1.0, ".4f", "1.0000"),
        (1215.26, ",.1f", "1,215.3"),
        (-0.00001, ".4f", ".0000"),
        (-0.00001, "+.4f", "+.0000"),
        (0, ",.0f", "0"),
        (12, ",d", "12"),
        (0.005, "+.1%", "+0.5%"),
        (10.0, ".1f", "10.0"),
        (0.4, ".1f", "0.4"),
        (0.0, ".1f", "0.0"),
        (None, ".4f", NOTHING),
        (math.nan, ".4f", NOTHING),
        (math.inf, ".4f", NOTHING),
        ("0.5 as written", ".4f", "0.5 as written"),
    ],
)
def test_a_number_is_printed_in_one_way(value, spec, shown):
    assert show(value, spec) == shown


def test_the_direction_decides_what_is_best():
    assert best_cells(one_column([0.1, 0.3, 0.2], "higher")) == {(1, 0)}
    assert best_cells(one_column([0.1, 0.3, 0.2], "lower")) == {(0, 0)}
    assert best_cells(one_column([0.1, 0.3, 0.2], "none")) == frozenset()


def test_values_that_print_the_same_are_all_best():
    assert best_cells(one_column([0.50001, 0.50004, 0.4])) == {(0, 0), (1, 0)}
    assert best_cells(one_column([0.50001, 0.50004, 0.4], spec=".5f")) == {(1, 0)}


@pytest.mark.parametrize("values", [[0.5], [0.5, None], [0.5, math.nan], [0.5, 0.5], []])
def test_nothing_is_best_without_a_contest(values):
    assert best_cells(one_column(values)) == frozenset()


def test_rows_for_reference_and_totals_take_no_part():
    values = one_column([0.3, 0.2, 1.0, 2.0], roles=["plain", "plain", "frame", "total"])
    assert best_cells(values) == {(0, 0)}


def test_across_compares_within_a_group_of_columns():
    columns = tuple(
        Column(title=title, group=group, better=better)
        for group, better in (("mAP", "higher"), ("Rank distance", "lower"))
        for title in ("a", "b")
    )
    rows = (Row(title="de", cells=(0.5, Cell(0.6, aside=MARK), 10.0, 20.0)),)
    assert best_cells(table(columns, rows, "across")) == {(0, 1), (0, 2)}
    assert best_cells(table(columns, rows)) == frozenset()


@given(st.lists(numbers, max_size=6), st.sampled_from(["higher", "lower"]))
def test_nothing_beats_the_best(values, better):
    found = {row for row, _ in best_cells(one_column(values, better))}
    sign = 1 if better == "higher" else -1
    present = [value for value in values if value is not None]
    for row in found:
        assert round(sign * values[row], 4) >= round(max(sign * value for value in present), 4)
    assert len(found) < max(len(present), 1)


def sample():
    return table(
        (
            Column(title="mono", group="AP", better="higher"),
            Column(title="verdict", text=True),
            Column(title="distance", better="lower", spec=",.1f"),
        ),
        (
            Row(title="a", cells=(0.5, "even", Cell(-1234.56, aside="[−1, +2]", tone="bad"))),
            Row(title="b", cells=(Cell(0.25, spec=".2f"), Cell("better", tone="good"), None)),
            Row(title="mean", cells=(0.375, "", 7.0), role="total"),
        ),
        "down",
        caption="Results",
        head="model",
        note="first line\nsecond line",
    )


def test_a_terminal_shows_every_cell_in_its_place():
    lines = terminal(sample()).splitlines()
    cells = [line.split() for line in lines]
    assert cells[1] == ["Results"]
    assert ["model", "mono", "verdict", "distance"] in cells
    assert ["a", ".5000", "even", "-1,234.6", "[-1,", "+2]"] in cells
    assert ["b", ".25", "better", NOTHING] in cells
    mean = next(number for number, line in enumerate(cells) if line[:1] == ["mean"])
    assert lines[mean - 1].strip() == ""  # set apart
    assert cells[-2:] == [["first", "line"], ["second", "line"]]


def test_a_terminal_marks_the_best_and_the_tones():
    shown = terminal(sample(), force_terminal=True, color_system="standard")
    assert "\x1b[1m.5000" in shown
    assert "\x1b[32mbetter" in shown
    assert "\x1b[31m-1,234.6" in shown


def test_an_attack_reaches_neither_terminal_nor_markdown():
    attack = "[red]x[/red]\x1b]0;title\x07\x00\ufffe\u202e<b>"
    attacked = table(
        (Column(title=attack, text=True),),
        (Row(title=attack, cells=(Cell(attack, aside=attack),)),),
        caption=attack,
        head=attack,
        note=attack,
    )
    for shown in (terminal(attacked, width=400), to_markdown(attacked)):
        assert not set(shown) & set("\x1b\x07\x00\ufffe\u202e")
        assert shown.count("x1b") == 7
    assert terminal(attacked, width=400).count("[red]x[/red]") == 7
    assert "b" not in Rendered(to_markdown(attacked)).tags


@given(labels)
def test_any_label_stays_one_cell_of_markdown_and_reads_as_it_is(label):
    values = (Row(title="plain", cells=(0.5,)), Row(title=label, cells=(0.6,)))
    shown = table((Column(title="AP", better="higher"),), values, "down", head="Model")
    rendered = Rendered(to_markdown(shown))
    assert rendered.rows[0] == ["Model", "AP ↑"]
    assert [cell.strip() for cell in rendered.rows[2]] == [" ".join(label.split()), ".6000"]
    assert len(rendered.rows) == 3
    assert rendered.tags.count("strong") == 1


@given(labels)
def test_any_text_is_one_paragraph_of_markdown(text):
    rendered = Rendered(markdown_paragraph(text))
    assert rendered.tags == ["p"]
    assert rendered.text.strip("\n") == " ".join(text.split())
