"""Template files: the phrasings of questions and answers for each relation in a language.

A file is ``<language>.toml`` with one table per relation:

.. code-block:: toml

    [currency]
    questions = ["{territory}: what is the currency there?", "..."]
    answers = ["{territory} – legal tender: {currency}."]

A question names the relation's subject once; an answer names subject and object once each. The
placeholders are the kinds of names that the relation joins, so that nothing else can be inserted.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from babel import Locale, UnknownLocaleError

from evenrank.benchmarks.world_facts.facts import RELATIONS, Relation
from evenrank.errors import DataError
from evenrank.languages import normalise

TEMPLATES = Path(__file__).parent / "templates"
"""The package's own template files."""

Sources = tuple[tuple[Path, str], ...]
"""Paths and texts of template files."""

MINIMUM_QUESTIONS, MINIMUM_ANSWERS = 2, 1
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Phrasings:
    """Ways to ask about one relation in one language, and ways to answer."""

    questions: tuple[str, ...]
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Language:
    """One template file: its language and the phrasings by relation name."""

    tag: str
    locale: Locale
    phrasings: Mapping[str, Phrasings]


def read_sources(folder: Path) -> Sources:
    """Return path and text of each template file in a folder, ordered by name.

    Raises:
        DataError: The folder has none, or one is not UTF-8.
    """
    paths = sorted(folder.glob("*.toml"))
    if not paths:
        raise DataError(
            str(folder),
            "no template file",
            "one <language>.toml for each language",
            "Correct the folder or add a file such as 'en.toml'",
        )
    return tuple((path, _text(path)) for path in paths)


def parse_language(path: Path, text: str) -> Language:
    """Parse one template file.

    Raises:
        DataError: The file's name is no language that Babel knows, its text is not TOML, or a
            section misses, repeats or misspells something; the message names file and section.
    """
    tag = normalise(path.stem, place=str(path))
    if tag != path.stem:
        raise DataError(
            str(path), f"the name {path.name}", f"{tag}.toml", "Rename the file to the short tag"
        )
    sections = _sections(path, text)
    phrasings = {
        relation.name: _phrasings(f"{path}, section [{relation.name}]", relation, sections)
        for relation in RELATIONS.values()
    }
    _refuse_repeated(path, phrasings)
    return Language(tag, _locale(path, tag), phrasings)


def fill(template: str, values: Mapping[str, str]) -> str:
    """Replace placeholders by values.

    Unlike ``str.format`` this reads no attributes and no format codes from the template.

    >>> fill("{city}: {time-zone}", {"city": "Rome", "time-zone": "Central European Time"})
    'Rome: Central European Time'
    """
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as cause:
        raise DataError(
            str(path), f"byte {cause.start} that is not UTF-8", "UTF-8", "Save the file as UTF-8"
        ) from cause


def _locale(path: Path, tag: str) -> Locale:
    try:
        return Locale.parse(tag, sep="-")
    except UnknownLocaleError as cause:
        raise DataError(
            str(path),
            f"language {tag!r}, of which Babel has no data",
            "a language of CLDR",
            "Remove the file or update Babel",
        ) from cause


def _sections(path: Path, text: str) -> dict[str, object]:
    try:
        sections = tomllib.loads(text)
    except tomllib.TOMLDecodeError as cause:
        raise DataError(str(path), f"invalid TOML ({cause})", "TOML 1.0", "Correct it") from cause
    if unknown := sorted(set(sections) - set(RELATIONS)):
        raise DataError(
            f"{path}, section [{unknown[0]}]",
            "a relation that does not exist",
            f"one of {', '.join(RELATIONS)}",
            "Rename or remove the section",
        )
    return sections


def _phrasings(place: str, relation: Relation, sections: Mapping[str, object]) -> Phrasings:
    section = sections.get(relation.name)
    if not isinstance(section, dict) or set(section) != {"questions", "answers"}:
        found = sorted(section) if isinstance(section, dict) else "no such section"
        raise DataError(place, str(found), "questions and answers", "Add what is missing")
    questions = _lines(f"{place}, questions", section["questions"], MINIMUM_QUESTIONS)
    answers = _lines(f"{place}, answers", section["answers"], MINIMUM_ANSWERS)
    for line in questions:
        _check_placeholders(f"{place}, questions", line, [relation.subject])
    for line in answers:
        _check_placeholders(f"{place}, answers", line, [relation.subject, relation.object])
    return Phrasings(questions, answers)


def _refuse_repeated(path: Path, phrasings: Mapping[str, Phrasings]) -> None:
    """Refuse a text of two relations, since it would not be clear what it asks for."""
    section_of: dict[str, str] = {}
    for relation, found in phrasings.items():
        for line in (*found.questions, *found.answers):
            if (other := section_of.setdefault(_PLACEHOLDER.sub("{}", line), relation)) != relation:
                raise DataError(
                    f"{path}, section [{relation}]",
                    f"{line!r}, which section [{other}] has too",
                    "a text that tells the relations apart",
                    "Reword one of them",
                )


def _lines(place: str, value: object, minimum: int) -> tuple[str, ...]:
    """Return a list of at least ``minimum`` different texts."""
    lines = value if isinstance(value, list) else []
    if not all(isinstance(line, str) for line in lines) or len(set(lines)) < max(
        minimum, len(lines)
    ):
        raise DataError(
            place,
            repr(value),
            f"a list of at least {minimum} different texts",
            "Add or reword a phrasing",
        )
    return tuple(lines)


def _check_placeholders(place: str, line: str, expected: list[str]) -> None:
    rest = _PLACEHOLDER.sub("", line)
    if sorted(_PLACEHOLDER.findall(line)) != sorted(expected) or "{" in rest or "}" in rest:
        wanted = " and ".join(f"{{{kind}}}" for kind in expected)
        raise DataError(
            place, repr(line), f"{wanted}, once each, and no other brace", "Correct the phrasing"
        )
