"""Texts of others, as they may be shown."""

from __future__ import annotations

import re
from contextlib import suppress

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
