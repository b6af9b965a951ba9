"""Filters on rows: ``in_xquad_paragraph = false and lang != "it"``.

A filter is comparisons joined by ``and``. Each compares a column of the source with a value as
JSON writes it: a number, a string in double or single quotes, ``true``, ``false`` or ``null``. A
name with other signs than letters, digits and ``_.-`` stands in backquotes.
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
    r"""\s*(?: (?P<name>[^\W\d][\w.-]*) | `(?P<quoted>[^`]+)` )
        \s*(?P<operator> != | <= | >= | = | < | > )
        \s*(?: (?P<word>(?i:true|false|null)) (?![\w.-])
             | (?P<json>-?\d[\d.eE+-]* (?![\w]) | "(?:[^"\\]|\\.)*")
             | '(?P<single>[^']*)' )
    """,
    re.VERBOSE,
)
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Comparison:
    """One comparison of a column with a value.

    A row without the column, or with null there, has the value null. Null equals null only, so it
    is ``!=`` every other value; it is neither less nor greater than anything. Values of different
    types, such as ``1`` and ``"1"`` or ``1`` and ``true``, are never equal and have no order.
    """

    column: str
    operator: str
    value: Scalar

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Tell whether the comparison is true of a row."""
        found = row.get(self.column)
        comparable = _kind(found) == _kind(self.value)
        if self.operator in _ORDER:
            return comparable and found is not None and _ORDER[self.operator](found, self.value)
        equal = comparable and bool(found == self.value)
        return equal if self.operator == "=" else not equal

    def __str__(self) -> str:
        return f"`{self.column}` {self.operator} {orjson.dumps(self.value).decode()}"


@dataclass(frozen=True)
class Filter:
    """Comparisons that must all hold; :func:`parse_filter` reads what ``str`` writes."""

    comparisons: tuple[Comparison, ...]

    @property
    def columns(self) -> frozenset[str]:
        """The columns that the filter looks at."""
        return frozenset(comparison.column for comparison in self.comparisons)

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row passes."""
        return all(comparison.holds(row) for comparison in self.comparisons)

    def __str__(self) -> str:
        return " and ".join(map(str, self.comparisons))


def parse_filter(text: str) -> Filter:
    """Parse a filter.

    Raises:
        ConfigError: The text is no filter; the message says where it stops being one.

    >>> english = parse_filter("lang = 'en' and year >= 2000")
    >>> english.holds({"lang": "en", "year": 2001}), english.holds({"lang": "en"})
    (True, False)
    >>> print(english)
    `lang` = "en" and `year` >= 2000
    """
    comparisons: list[Comparison] = []
    position = 0
    while True:
        match = _COMPARISON.match(text, position)
        if match is None:
            raise _refused(
                text,
                position,
                "COLUMN OPERATOR VALUE, where OPERATOR is one of = != < <= > >= and VALUE a "
                "number, a string in quotes, true, false or null",
            )
        comparisons.append(
            Comparison(match["name"] or match["quoted"], match["operator"], _scalar(text, match))
        )
        position = match.end()
        if not text[position:].strip():
            return Filter(tuple(comparisons))
        joint = _AND.match(text, position)
        if joint is None:
            raise _refused(text, position, "'and' or the end")
        position = joint.end()


def _scalar(text: str, match: re.Match[str]) -> Scalar:
    if match["single"] is not None:
        return match["single"]
    try:
        value: Scalar = orjson.loads(match["json"] or match["word"].lower())
    except orjson.JSONDecodeError:
        raise _refused(text, match.start("json"), "a value as JSON writes it") from None
    return value


def _refused(text: str, position: int, expected: str) -> ConfigError:
    rest = text[position:].strip()
    found = f"{rest!r} at position {text.index(rest, position) + 1}" if rest else "its end"
    remedy = 'Write it like: in_xquad_paragraph = false and lang != "it"'
    return ConfigError(f"filter {text!r}", found, expected, remedy)


def _kind(value: object) -> str:
    """Return the JSON kind of a value; ``bool`` is no number here, unlike in Python."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    return type(value).__name__
