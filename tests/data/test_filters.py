"""Filters: a small language, parsed without running anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.data.filters import Comparison, Filter, parse_filter
from evenrank.errors import ConfigError

ROW = {"is_impossible": False, "lang": "it", "year": 2001, "score": 0.5, "nothing": None, "n": 1}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("is_impossible = false", True),
        ("is_impossible != true", True),
        ("is_impossible = FALSE", True),
        ('lang = "it"', True),
        ("lang = 'it'", True),
        ('lang != "it"', False),
        ('lang<"ja"', True),
        ("year >= 2001", True),
        ("year>2001", False),
        ("year <= 2.001e3 and score < 1", True),
        ("score > -1 AND year < 3000 and lang = 'it'", True),
        ("score > 1 and lang = 'it'", False),
        ("`lang` = 'it'", True),
        # a missing column and null are one: equal to null only, and neither less nor greater
        ("nothing = null", True),
        ("missing = null", True),
        ("missing != null", False),
        ("lang != null", True),
        ("missing = 1", False),
        ("missing != 1", True),
        ("missing < 1", False),
        ("missing >= 1", False),
        ("missing >= null", False),
        # values of different types are never equal, and have no order
        ("year = '2001'", False),
        ("year != '2001'", True),
        ("year > '2'", False),
        ("n = true", False),
        ("is_impossible = 0", False),
        ("n = 1.0", True),
    ],
)
def test_comparisons(text, holds):
    assert parse_filter(text).holds(ROW) is holds


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", "its end"),
        ("lang", "'lang' at position 1"),
        ("lang == 'it'", "at position 1"),
        ("lang = it", "at position 1"),
        ("lang = 'it' or year = 1", "'or year = 1' at position 13"),
        ("lang = 'it' and", "'and' at position 13"),
        ("lang = 'it' and year", "'year' at position 17"),
        ("= 1", "'= 1' at position 1"),
        ("year = 1 2", "'2' at position 10"),
        ("year = 1.2.3", "at position 8"),
        ("year = 01", "at position 8"),
        ("year = trueish", "at position 1"),
        ('lang = "it', "at position 1"),
        ('lang = "\\q"', "at position 8"),
        ("__import__('os').system('true')", "at position 1"),
    ],
)
def test_what_is_no_filter_is_refused_where_it_stops_being_one(text, position):
    with pytest.raises(ConfigError) as caught:
        parse_filter(text)
    assert position in caught.value.found
    assert repr(text) in caught.value.place


names = st.text(min_size=1, max_size=8).filter(lambda name: "`" not in name)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
comparisons = st.builds(
    Comparison, names, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), values
)


@given(st.lists(comparisons, min_size=1, max_size=3))
def test_a_filter_prints_as_it_parses(parts):
    filter_ = Filter(tuple(parts))
    assert parse_filter(str(filter_)) == filter_


@given(st.dictionaries(names, values, max_size=2), names, values)
def test_equal_and_not_equal_are_opposites(row, column, value):
    equal = Comparison(column, "=", value).holds(row)
    assert Comparison(column, "!=", value).holds(row) is not equal


def test_the_columns_are_those_compared():
    assert parse_filter("a = 1 and `b c` != 'd'").columns == {"a", "b c"}
