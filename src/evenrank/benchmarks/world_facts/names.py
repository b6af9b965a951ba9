"""The names of things in a language, from CLDR.

Some names are missing in CLDR, and some are in the wrong script, where a locale has the data of
another language. Those names count as missing, and so do the facts that need them in that language.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from typing import Literal, NamedTuple

from babel import Locale
from babel.core import get_global

Kind = Literal[
    "territory", "currency", "language", "script", "city", "time-zone", "weekday", "year"
]


class Name(NamedTuple):
    """Something that has a name: its kind and its code in CLDR."""

    kind: Kind
    code: str


CITY_IDS: dict[str, str] = {
    new: old for old, new in get_global("zone_aliases").items() if old in get_global("meta_zones")
}
"""CLDR's own time zone identifiers, where they are older than the time zone database's."""


def name_in(locale: Locale, name: Name) -> str | None:
    """Return what a thing is called in a locale's language, or ``None`` where CLDR has no name.

    >>> german = Locale("de")
    >>> [name_in(german, Name(*pair)) for pair in [("territory", "JP"), ("city", "Europe/Rome")]]
    ['Japan', 'Rom']
    >>> name_in(german, Name("currency", "QQQ")) is None
    True
    """
    if name.kind == "year":
        return name.code
    text = _clean(_FINDERS[name.kind](locale, name.code) or "")
    if not text or (not has_latin_letters(str(locale)) and _is_latin(text)):
        return None
    return text


@cache
def has_latin_letters(locale: str) -> bool:
    """Tell whether a locale's language writes its own name in Latin letters.

    >>> [has_latin_letters(locale) for locale in ("tr", "hi", "sr", "sr_Latn")]
    [True, False, False, True]
    """
    parsed = Locale.parse(locale)
    return _is_latin(parsed.languages.get(parsed.language, "Latin"))


def _city(locale: Locale, code: str) -> str | None:
    given: str | None = locale.time_zones.get(code, {}).get("city")
    if given or not has_latin_letters(str(locale)):
        return given
    # CLDR leaves out a name that equals the last part of the identifier
    return code.rsplit("/", 1)[-1].replace("_", " ")


def _time_zone(locale: Locale, code: str) -> str | None:
    names: Mapping[str, str] = locale.meta_zones.get(code, {}).get("long", {})
    return names.get("generic") or names.get("standard")  # generic only where there is summer time


_FINDERS: dict[str, Callable[[Locale, str], str | None]] = {
    "territory": lambda locale, code: locale.territories.get(code),
    "currency": lambda locale, code: locale.currencies.get(code),
    "language": lambda locale, code: locale.languages.get(code),
    "script": lambda locale, code: locale.scripts.get(code),
    "city": _city,
    "time-zone": _time_zone,
    "weekday": lambda locale, code: locale.days["stand-alone"]["wide"][int(code)],
}


def _clean(text: str) -> str:
    """Remove soft hyphens and direction marks; make every space a plain one."""
    return " ".join(re.sub("[\u00ad\u200e\u200f\u061c\u2066-\u2069]", "", text).split())


def _is_latin(text: str) -> bool:
    """Tell whether all letters of the text are Latin."""
    letters = [character for character in text if character.isalpha()]
    return all(unicodedata.name(letter, "").startswith("LATIN") for letter in letters)
