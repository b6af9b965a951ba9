"""Filters: a small language, parsed without running anything."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.data.filters import parse_filter
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
    ("text", "found"),
    [
        ("", "its end"),
        ("lang", "'lang'"),
        ("lang == 'it'", "\"lang == 'it'\""),
        ("lang = it", "'lang = it'"),
        ("lang = 'it' or year = 1", "\"lang = 'it' or year = 1\""),
        ("year = 1 and lang = 'it' or year = 1", "\"lang = 'it' or year = 1\""),
        ("lang = 'it' and", "\"lang = 'it' and\""),
        ("lang = 'it' and ", "its end"),
        ("lang = 'it' and year", "'year'"),
        ("lang = 'it'and year = 1", "\"lang = 'it'and year = 1\""),
        ("= 1", "'= 1'"),
        ("year = 1 2", "'year = 1 2'"),
        ("year = 1.2.3", "'year = 1.2.3'"),
        ("year = 01", "'year = 01'"),
        ("year = trueish", "'year = trueish'"),
        ('lang = "it', "'lang = \"it'"),
        ('lang = "\\q"', "'lang = \"\\\\q\"'"),
        ("__import__('os').system('true')", "\"__import__('os').system('true')\""),
    ],
)
def test_what_is_not_a_filter_is_refused_from_where_on(text, found):
    with pytest.raises(ConfigError) as caught:
        parse_filter(text)
    assert caught.value.found == found
    assert repr(text) in caught.value.place


names = st.text(min_size=1, max_size=8).filter(lambda name: "`" not in name)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)


def written(name, sign, value):
    return f"`{name}` {sign} {orjson.dumps(value).decode()}"


@given(st.lists(st.tuples(names, values), min_size=1, max_size=3, unique_by=lambda pair: pair[0]))
def test_any_name_and_any_value_can_be_written(pairs):
    filter_ = parse_filter(" and ".join(written(name, "=", value) for name, value in pairs))
    assert filter_.columns == {name for name, _ in pairs}
    assert filter_.holds(dict(pairs))


@given(st.dictionaries(names, values, max_size=2), names, values)
def test_equal_and_not_equal_are_opposites(row, column, value):
    equal, different = (parse_filter(written(column, sign, value)) for sign in ("=", "!="))
    assert equal.holds(row) is not different.holds(row)


def test_the_columns_are_those_compared():
    assert parse_filter("a = 1 and `b c` != 'd'").columns == {"a", "b c"}
