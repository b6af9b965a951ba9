"""Questions and answer passages of the facts in one language.

Each question has exactly one right answer in a language: if two things have the same name, no
question asks for the same kind of answer about both. Where Algeria and Algiers have one name, there
is no question about the time zone of either.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from babel import Locale
from babel.lists import format_list

from evenrank.benchmarks.world_facts.facts import Fact, Split, stable_number
from evenrank.benchmarks.world_facts.names import Kind, Name, name_in
from evenrank.benchmarks.world_facts.templates import Language, fill


@dataclass(frozen=True)
class Text:
    """One fact in one language.

    Attributes:
        questions: Every phrasing of the question, beginning with one that the fact's id picks.
        passage: The answer, in a phrasing that the fact's id picks.
    """

    questions: tuple[str, ...]
    passage: str


def texts_in(
    language: Language, facts: Sequence[Fact], splits: Mapping[str, Split]
) -> dict[str, Text]:
    """Return the texts of the facts that exist in a language, by fact id.

    A fact is missing if CLDR has no name for its subject or an object, if another subject of the
    same name has a fact with the same kind of answer, or if it is held out and one of its names is
    in no fact for training.
    """
    every = {name for fact in facts for name in fact.names}
    names = {name: text for name in every if (text := name_in(language.locale, name))}
    named = [fact for fact in facts if names.keys() >= set(fact.names)]
    namesakes: dict[tuple[str, Kind], set[Name]] = defaultdict(set)
    for fact in named:
        namesakes[_question(fact, names)].add(fact.subject)
    clear = [fact for fact in named if len(namesakes[_question(fact, names)]) == 1]
    known = {name for fact in clear if splits[fact.id] == "train" for name in fact.names}
    return {fact.id: _text(language, fact, names) for fact in clear if known.issuperset(fact.names)}


def _question(fact: Fact, names: Mapping[Name, str]) -> tuple[str, Kind]:
    """Return the subject of a question and the kind of its answer."""
    return names[fact.subject].casefold(), fact.relation.object


def _text(language: Language, fact: Fact, names: Mapping[Name, str]) -> Text:
    """Phrase a fact. Its id picks the phrasings, independently in each language.

    The picks are independent, so that a phrasing does not tell the phrasing of its translation.
    """
    values: dict[str, str] = {
        fact.relation.subject: names[fact.subject],
        fact.relation.object: _listed([names[name] for name in fact.objects], language.locale),
    }
    phrasings = language.phrasings[fact.relation.name]
    pick = stable_number("phrasing", language.tag, fact.id)
    first = pick % len(phrasings.questions)
    ordered = phrasings.questions[first:] + phrasings.questions[:first]
    return Text(
        questions=tuple(_sentence(template, values) for template in ordered),
        passage=_sentence(phrasings.answers[(pick >> 32) % len(phrasings.answers)], values),
    )


def _sentence(template: str, values: Mapping[str, str]) -> str:
    """Fill a template and begin it with a capital, also where a name begins it: ``О-в Мэн``."""
    text = fill(template, values)
    return text[:1].title() + text[1:]  # title case: Georgian has no initial capitals


def _listed(names: list[str], locale: Locale) -> str:
    """Join names as the language does: ``A, B und C``."""
    text = str(format_list(names, locale=locale))
    # CLDR has one pattern for Spanish, which writes "e" for "y" before the sound i
    return re.sub(" y (?=h?[ií])", " e ", text) if locale.language == "es" else text
