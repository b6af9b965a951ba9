"""Texts of others, as they may be shown and written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import orjson

_BLANK = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
_NO_CHARACTERS = "".join(
    f"{chr(top | 0xFFFE)}{chr(top | 0xFFFF)}" for top in range(0, 17 << 16, 1 << 16)
)
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters, which a terminal obeys
    "\u202a-\u202e\u2066-\u2069"  # changes of direction, which reach the text around them
    f"\ud800-\udfff\ufdd0-\ufdef{_NO_CHARACTERS}]"
)


def printable(text: str) -> str:
    r"""Return a text in which nothing acts on a terminal, a page or the text around it.

    Ends of lines and tabs become blanks. Other control characters, changes of direction, and
    code points that are not characters become their escapes. Anything else stays as it is. Bytes
    of a file name that the locale could not decode are read as UTF-8.

    >>> print(printable("a\x1b[31mb\nc \u202edcba"))
    a\x1b[31mb c \u202edcba
    """
    if text.isascii() and text.isprintable():
        return text
    with suppress(UnicodeError):
        text = text.encode("utf-8", "surrogateescape").decode("utf-8")
    return _HIDDEN.sub(lambda found: ascii(found[0])[1:-1], _BLANK.sub(" ", text))


def split_names(names: str | Iterable[str]) -> list[str]:
    """Return names from a list, or from texts that separate them by commas; each name once.

    >>> split_names("AP, R@10"), split_names(["de,en", "sw", "de"])
    (['AP', 'R@10'], ['de', 'en', 'sw'])
    """
    texts = [names] if isinstance(names, str) else names
    parts = (part.strip() for text in texts for part in text.split(","))
    return list(dict.fromkeys(part for part in parts if part))


def json_bytes(value: Any, *, indent: bool = True, sort: bool = False) -> bytes:  # noqa: ANN401
    """Return ``value`` as JSON; names of files that are not UTF-8 become readable text."""
    options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
    options |= (orjson.OPT_INDENT_2 if indent else 0) | (orjson.OPT_SORT_KEYS if sort else 0)
    try:
        return orjson.dumps(value, option=options)
    except TypeError:  # half characters, which JSON cannot contain; or a value that is not JSON
        return orjson.dumps(_encodable(value), option=options)


def _encodable(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        with suppress(UnicodeError):
            return value.encode("utf-8", "surrogateescape").decode("utf-8")
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {_encodable(key): _encodable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(inner) for inner in value]
    return value
