import math

from hypothesis import given
from hypothesis import strategies as st

from evenrank.report.content import NOTHING, Column, Row, Table, best_cells, show

numbers = st.none() | st.floats(-10, 10, allow_nan=False)


def table(columns, rows, best):
    return Table(caption="", head="", columns=columns, rows=rows, best=best)


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


def test_the_direction_decides_what_is_best():
    assert best_cells(one_column([0.1, 0.3, 0.2], "higher")) == {(1, 0)}
    assert best_cells(one_column([0.1, 0.3, 0.2], "lower")) == {(0, 0)}
    assert best_cells(one_column([0.1, 0.3, 0.2], "none")) == frozenset()


def test_values_that_print_alike_are_all_best():
    assert best_cells(one_column([0.50001, 0.50004, 0.4])) == {(0, 0), (1, 0)}
    assert best_cells(one_column([0.50001, 0.50004, 0.4], spec=".5f")) == {(1, 0)}


def test_nothing_is_best_without_a_contest():
    assert best_cells(one_column([0.5])) == frozenset()
    assert best_cells(one_column([0.5, None])) == frozenset()
    assert best_cells(one_column([0.5, math.nan])) == frozenset()
    assert best_cells(one_column([0.5, 0.5])) == frozenset()


def test_rows_of_reference_take_no_part():
    values = one_column([0.3, 0.2, 1.0], roles=["plain", "plain", "frame"])
    assert best_cells(values) == {(0, 0)}


def test_across_compares_within_a_group_of_columns():
    columns = tuple(
        Column(title=title, group=group, better=better)
        for group, better in (("mAP", "higher"), ("Rank distance", "lower"))
        for title in ("a", "b")
    )
    rows = (Row(title="de", cells=(0.5, 0.6, 10.0, 20.0)),)
    assert best_cells(table(columns, rows, "across")) == {(0, 1), (0, 2)}
    assert best_cells(table(columns, rows, "none")) == frozenset()


@given(st.lists(numbers, max_size=6), st.sampled_from(["higher", "lower"]))
def test_nothing_beats_the_best(values, better):
    found = {row for row, _ in best_cells(one_column(values, better))}
    sign = 1 if better == "higher" else -1
    present = [value for value in values if value is not None]
    for row in found:
        assert round(sign * values[row], 4) >= round(max(sign * value for value in present), 4)
    assert len(found) < max(len(present), 1)


def test_cells_without_a_number_show_a_dash():
    assert [show(value) for value in (None, math.nan, math.inf)] == [NOTHING] * 3
    assert show(12, ",.0f") == "12"
