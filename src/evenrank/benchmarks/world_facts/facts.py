"""The facts of World Facts, read from CLDR through Babel, in codes and without any language.

A fact joins a subject to one or more objects: Switzerland has the official languages German, French
and Italian. It contains codes only (``CH``, ``de``); ``names.py`` has their names in a language.

A new relation is one decorated function here, and one section in each file of ``templates``.
Source: Unicode CLDR (https://cldr.unicode.org), supplemental data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Literal

from babel import Locale, UnknownLocaleError
from babel.core import get_global, parse_locale
from babel.languages import get_official_languages

from evenrank.benchmarks.world_facts.names import CITY_IDS, Kind, Name, name_in
from evenrank.files import fingerprint_of

Split = Literal["train", "dev", "test"]

TEST_SHARE, DEV_SHARE = 0.20, 0.065
"""Shares of facts that are proposed; facts with a name that no other fact has go to train."""

Pairs = Iterator[tuple[str, tuple[str, ...]]]
"""A subject's code and the codes of its objects."""


@dataclass(frozen=True)
class Relation:
    """A kind of fact.

    Attributes:
        name: First part of its facts' ids, and its section in the template files.
        subject: What kind of name the question gives.
        object: What kind of name the answer gives, another than ``subject``.
        read: Reads the relation's facts from CLDR.
    """

    name: str
    subject: Kind
    object: Kind
    read: Callable[[], Pairs]


@dataclass(frozen=True)
class Fact:
    """One fact, in codes: the ``currency`` of ``territory`` JP is the ``currency`` JPY."""

    relation: Relation
    subject: Name
    objects: tuple[Name, ...]

    @property
    def id(self) -> str:
        """Relation and subject, such as ``currency/JP``; unique."""
        return f"{self.relation.name}/{self.subject.code}"

    @property
    def names(self) -> tuple[Name, ...]:
        """The subject, then the objects."""
        return (self.subject, *self.objects)


RELATIONS: dict[str, Relation] = {}


def _relation(name: str, subject: Kind, object_: Kind) -> Callable[[Callable[[], Pairs]], None]:
    """Return a decorator that adds a relation, whose facts the decorated function reads."""

    def add(read: Callable[[], Pairs]) -> None:
        RELATIONS[name] = Relation(name, subject, object_, read)

    return add


@cache
def all_facts() -> tuple[Fact, ...]:
    """Return every fact whose names CLDR has in English, its reference language, in a fixed order.

    >>> facts = {fact.id: fact for fact in all_facts()}
    >>> [name.code for name in facts["official-languages/CH"].objects]
    ['de', 'fr', 'it']
    """
    english = Locale("en")
    facts = [
        Fact(
            relation,
            Name(relation.subject, subject),
            tuple(Name(relation.object, code) for code in objects),
        )
        for relation in RELATIONS.values()
        for subject, objects in sorted(relation.read())
        if objects
    ]
    return tuple(fact for fact in facts if all(name_in(english, name) for name in fact.names))


def split_facts(facts: Iterable[Fact]) -> dict[str, Split]:
    """Return the split of each fact by its id.

    A held-out fact is never in training, in any language or phrasing, but each of its names is: the
    test is whether the encoder finds the answer, not whether it guesses a new word.

    A hash of its id proposes a fact for ``test`` or ``dev``. Proposals are read in the order of the
    hash, and accepted while every name of the fact still occurs in a fact of ``train``, as subject
    of another relation or as object of another fact.
    """
    facts = list(facts)
    place = {fact.id: stable_number("split", fact.id) / 2**64 for fact in facts}
    in_train = Counter(name for fact in facts for name in fact.names)
    splits: dict[str, Split] = {}
    for fact in sorted(facts, key=lambda fact: place[fact.id]):
        proposed = place[fact.id] < TEST_SHARE + DEV_SHARE
        if proposed and all(in_train[name] > 1 for name in fact.names):
            in_train.subtract(fact.names)
            splits[fact.id] = "test" if place[fact.id] < TEST_SHARE else "dev"
        else:
            splits[fact.id] = "train"
    return splits


def stable_number(*parts: str) -> int:
    """Return a number below 2**64 that depends on the parts only, in every process the same."""
    return int(fingerprint_of(*parts), 16)


@_relation("currency", "territory", "currency")
def _currencies() -> Pairs:
    """Legal tender to which CLDR knows no end; not "today", which would change with the day."""
    tenders = get_global("territory_currencies")
    for territory in _territories():
        rows = tenders.get(territory, [])
        yield territory, tuple(code for code, _, end, tender in rows if tender and end is None)


@_relation("official-languages", "territory", "language")
def _official_languages() -> Pairs:
    """Official languages of a whole territory in law, else in fact; the most spoken first."""
    for territory in _territories():
        in_law = get_official_languages(territory)
        written = in_law or get_official_languages(territory, de_facto=True)
        languages = dict.fromkeys(parse_locale(tag)[0] for tag in written)  # bs_Cyrl and bs are one
        yield territory, tuple(languages)


@_relation("first-day", "territory", "weekday")
def _first_days() -> Pairs:
    """Day on which calendars begin the week."""
    for territory, locale in _territory_locales().items():
        yield territory, (str(locale.first_week_day),)


@_relation("weekend", "territory", "weekday")
def _weekends() -> Pairs:
    """Days of the weekend."""
    for territory, locale in _territory_locales().items():
        length = (locale.weekend_end - locale.weekend_start) % 7 + 1
        yield territory, tuple(str((locale.weekend_start + day) % 7) for day in range(length))


@_relation("time-zone", "territory", "time-zone")
def _territory_time_zones() -> Pairs:
    """The one time zone of a territory that has no other."""
    zones: dict[str, set[str | None]] = {}
    for city, territory in _cities().items():
        zones.setdefault(territory, set()).add(get_global("meta_zones").get(city))
    for territory, found in zones.items():
        if len(found) == 1 and (zone := found.pop()):
            yield territory, (zone,)


@_relation("place", "city", "territory")
def _places() -> Pairs:
    """Country or territory in which a time zone's exemplar city lies."""
    for city, territory in _cities().items():
        if not _is_giveaway(city, territory):
            yield city, (territory,)


@_relation("local-time", "city", "time-zone")
def _local_times() -> Pairs:
    """Time zone of an exemplar city."""
    for city, territory in _cities().items():
        if not _is_giveaway(city, territory) and (zone := get_global("meta_zones").get(city)):
            yield city, (zone,)


@_relation("script", "language", "script")
def _scripts() -> Pairs:
    """Script in which a language is most often written."""
    for language, (_, script) in _likely().items():
        # "Simplified" and "Traditional" alone are not names of scripts
        yield language, ("Hani" if script in {"Hans", "Hant"} else script,)


@_relation("home", "language", "territory")
def _homes() -> Pairs:
    """Territory with which a language is most closely associated."""
    for language, (territory, _) in _likely().items():
        if territory.isalpha():  # 001, the world, is the home of constructed languages
            yield language, (territory,)


@_relation("currency-year", "currency", "year")
def _currency_years() -> Pairs:
    """Year from which a currency, in use or not, has been legal tender in its home territory."""
    english = Locale("en")
    starts: dict[str, dict[str, int]] = {}
    for territory, tenders in get_global("territory_currencies").items():
        for currency, start, _, is_tender in tenders:
            if start and is_tender:
                years = starts.setdefault(currency, {})
                years[territory] = min(start[0], years.get(territory, start[0]))
    for currency, years in starts.items():
        name = name_in(english, Name("currency", currency))
        if name and not any(character.isdigit() for character in name):  # it would tell the year
            yield currency, (str(years.get(currency[:2], min(years.values()))),)


def _territories() -> list[str]:
    """Codes of countries and territories, without the one for "unknown"."""
    return sorted(set(get_global("territory_languages")) - {"ZZ"})


@cache
def _territory_locales() -> dict[str, Locale]:
    """Territories whose calendar conventions Babel carries: it keeps them with locales."""
    found = {}
    for territory in _territories():
        with suppress(UnknownLocaleError):
            found[territory] = Locale.parse(f"und_{territory}")
    return {code: locale for code, locale in found.items() if locale.territory == code}


@cache
def _cities() -> dict[str, str]:
    """CLDR's identifier of each time zone that has an exemplar city, and its territory."""
    territories = set(_territories())  # not 001, the world, whose zones are such as Etc/UTC
    return {
        CITY_IDS.get(zone, zone): territory
        for zone, territory in get_global("zone_territories").items()
        if territory in territories
    }


def _is_giveaway(city: str, territory: str) -> bool:
    """Tell whether the city's name is in the territory's: Singapore, Hong Kong, Cocos Islands."""
    english = Locale("en")
    inner = name_in(english, Name("city", city))
    outer = name_in(english, Name("territory", territory))
    return inner is None or outer is None or inner.casefold() in outer.casefold()


def _likely() -> dict[str, tuple[str, str]]:
    """Languages that have an English name in CLDR, each with its likely territory and script."""
    named = Locale("en").languages
    parsed = {
        language: parse_locale(tag)
        for language, tag in get_global("likely_subtags").items()
        if language in named and "_" not in language and language != "und"
    }
    return {
        language: (territory, script) for language, (_, territory, script, *_) in parsed.items()
    }
