"""Filters on rows: ``in_xquad_paragraph = false and lang != "it"``.

A filter is comparisons joined by ``and``. Each compares a column of the source with a value as JSON
writes it: a number, a string in double or single quotes, ``true``, ``false`` or ``null``. A name
with characters other than letters, digits and ``_.-`` is written in backquotes.

A row without the column, or with null there, has the value null. Null equals null only, and is
neither less nor greater than anything. Values of different types, such as ``1`` and ``"1"`` or
``1`` and ``true``, are never equal and have no order.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from evenrank.errors import ConfigError

Scalar = str | int | float | bool | None

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_COMPARISON = re.compile(
    r"""\s*(?P<name>[^\W\d][\w.-]*|`[^`]+`)\s*(?P<operator>!=|<=|>=|=|<|>)\s*
        (?P<value>true|false|null|-?\d[\w.+-]*|"(?:[^"\\]|\\.)*"|'[^']*')\s*(?P<next>$|(?<=\s)and\s)""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class Filter:
    """Comparisons that must all be true.

    Attributes:
        text: The filter as it was written.
        comparisons: Column, operator and value of each.
    """

    text: str
    comparisons: tuple[tuple[str, str, Scalar], ...]

    @property
    def columns(self) -> frozenset[str]:
        """The columns that the filter looks at."""
        return frozenset(column for column, _, _ in self.comparisons)

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row passes."""
        return all(_holds(row.get(column), sign, value) for column, sign, value in self.comparisons)


def parse_filter(text: str) -> Filter:
    """Parse a filter.

    Raises:
        ConfigError: The text is not a filter; the message says from where on.

    >>> english = parse_filter("lang = 'en' and year >= 2000")
    >>> english.holds({"lang": "en", "year": 2001}), english.holds({"lang": "en"})
    (True, False)
    """
    comparisons: list[tuple[str, str, Scalar]] = []
    position, more = 0, "and"
    while more:
        match = _COMPARISON.match(text, position)
        try:
            if match is None:
                raise ValueError
            name, sign, value = match["name"].strip("`"), match["operator"], match["value"]
            comparisons.append((name, sign, _scalar(value)))
        except ValueError:
            raise ConfigError(
                f"filter {text!r}",
                f"{text[position:]!r}" if text[position:].strip() else "its end",
                "COLUMN OPERATOR VALUE [and ...]: OPERATOR one of = != < <= > >=, VALUE a number, "
                "a string in quotes, true, false or null",
                'Write it like: in_xquad_paragraph = false and lang != "it"',
            ) from None
        position, more = match.end(), match["next"]
    return Filter(text, tuple(comparisons))


def _scalar(text: str) -> Scalar:
    if text[0] == "'":
        return text[1:-1]
    value: Scalar = orjson.loads(text if text[0] == '"' else text.lower())
    return value


def _holds(found: object, sign: str, value: Scalar) -> bool:
    comparable = _kind(found) == _kind(value)
    if sign in _ORDER:
        return comparable and found is not None and _ORDER[sign](found, value)
    return (comparable and found == value) == (sign == "=")


def _kind(value: object) -> str:
    """Return the JSON kind of a value; ``bool`` is not a number here, unlike in Python."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    return type(value).__name__
