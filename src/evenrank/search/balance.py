"""From the lists of each language to one ranking, for one query.

>>> import numpy as np
>>> from evenrank.search.base import Hits
>>> lists = {
...     "de": Hits(("d1", "d2"), np.array([0.9, 0.8], dtype=np.float32)),
...     "en": Hits(("e1", "e2"), np.array([0.7, 0.6], dtype=np.float32)),
... }
>>> [placed.id for placed in balance(lists, 3, "raw")]
['d1', 'd2', 'e1']
>>> [placed.id for placed in balance(lists, 3, "round-robin")]
['d1', 'e1', 'd2']
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evenrank.errors import ConfigError, DataError, UnknownNameError
from evenrank.search.base import Lists
from evenrank.search.policies.base import Candidates, Doubles, Policy, arrange, open_policy

DEFAULT_POLICY = "balanced"
"""The policy of a search that names none."""
CORRECTED_POLICY = "balanced(lead=5.75)"
"""The same over corrected vectors: they have no levels, so the lead has to be larger."""


@dataclass(frozen=True)
class Placed:
    """A passage in a ranking.

    Attributes:
        id: Its id.
        language: Its language.
        score: Its score in the list.
        value: What the order was decided by; equal to ``score`` without a correction.
        place: 1 is the first.
        place_in_language: Its place in the list of its language, from 1.
        reason: Why it is here, in a few words.
    """

    id: str
    language: str
    score: float
    value: float
    place: int
    place_in_language: int
    reason: str


def balance(
    lists: Lists,
    k: int,
    policy: str | Policy = DEFAULT_POLICY,
    *,
    query_language: str | None = None,
    balance: float | None = None,
    weights: Mapping[str, float] | None = None,
    shares: Mapping[str, float] | None = None,
) -> list[Placed]:
    """Merge the lists of one query.

    The first ``k`` passages are the same for any larger ``k``, if the lists have at least
    ``policy.depth(k, languages)`` hits each (or all that there are).

    Args:
        lists: The hits of each language; a language may have none.
        k: Places of the ranking; it is shorter if the lists are.
        policy: A policy or its name, also with settings: ``calibrated(strength=0.3)``.
        query_language: Language of the query; policies that use it infer it if it is not given.
        balance: A place of the policy's dial, 0 to 1; 0 is the order of the scores.
        weights: How much a reader prefers a language, above 0; 1 for languages not named.
        shares: Share of each language, such as its number of passages, which
            ``guaranteed(by=shares)`` divides places by; equal by default. Languages without a list
            are left out.

    Raises:
        UnknownNameError: No policy has that name, or a weight is for a language without a list.
        ConfigError: ``k``, ``balance``, a weight or a share is out of range.
        DataError: A score is not a number, or a passage is in two lists.
    """
    return balance_all(
        [lists],
        k,
        open_policy(policy, balance),
        query_languages=[query_language],
        weights=weights,
        shares=shares,
    )[0]


def balance_all(
    lists: Sequence[Lists],
    k: int,
    policy: Policy,
    *,
    query_languages: Sequence[str | None],
    weights: Mapping[str, float] | None = None,
    shares: Mapping[str, float] | None = None,
) -> list[list[Placed]]:
    """Merge the lists of several queries at once; see :func:`balance`.

    Args:
        lists: The hits of each query in the same languages.
        k: As for :func:`balance`, as are ``weights`` and ``shares``.
        policy: The policy.
        query_languages: Language of each query, or ``None``.
        weights: How much a reader prefers a language.
        shares: Share of each language.
    """
    if k < 1:
        raise ConfigError("k", f"{k}", "1 or more", "Change it")
    languages = tuple(sorted({language for one in lists for language in one}))
    found = candidates_of(lists, languages, query_languages, weights, shares)
    for one in lists:
        _require_distinct(one)
    if not found.there.any():
        return [[] for _ in lists]
    order = arrange(policy, found, k)
    columns = (order.languages, order.nth, order.values, order.urgent)
    return [
        _placed(one, languages, policy, home, [row.tolist() for row in rows])
        for one, home, *rows in zip(lists, found.home.tolist(), *columns, strict=True)
    ]


def _placed(
    lists: Lists, languages: Sequence[str], policy: Policy, home: int, columns: list[list[Any]]
) -> list[Placed]:
    """Return the ranking of one query from the columns of :class:`Order`."""
    ranking: list[Placed] = []
    for lang, nth, value, urgent in zip(*columns, strict=True):
        if lang < 0:
            break
        language = languages[lang]
        ranking.append(
            Placed(
                id=lists[language].ids[nth],
                language=language,
                score=float(lists[language].scores[nth]),
                value=value,
                place=len(ranking) + 1,
                place_in_language=nth + 1,
                reason=policy.reason(language, urgent=urgent, home=lang == home),
            )
        )
    return ranking


def candidates_of(
    lists: Sequence[Lists],
    languages: tuple[str, ...],
    query_languages: Sequence[str | None],
    weights: Mapping[str, float] | None = None,
    shares: Mapping[str, float] | None = None,
) -> Candidates:
    """Return the lists of several queries as arrays.

    Args:
        lists: For each query.
        languages: All languages of the lists, sorted.
        query_languages: For each query; ``None`` if it is not known.
        weights: As for :func:`balance`.
        shares: As for :func:`balance`.

    Raises:
        EvenrankError: As :func:`balance`.
    """
    length = max((len(hits) for one in lists for hits in one.values()), default=0)
    scores = np.full((len(lists), len(languages), max(length, 1)), -np.inf)
    number = {language: position for position, language in enumerate(languages)}
    for query, one in enumerate(lists):
        for language, hits in one.items():
            scores[query, number[language], : len(hits)] = hits.scores
            if not np.isfinite(hits.scores).all():
                place = f"hits of {language!r}"
                raise DataError(place, "a score that is not finite", "numbers", "Check the engine")
    return Candidates(
        scores=scores,
        languages=languages,
        query_langs=np.array([number.get(one or "", -1) for one in query_languages]),
        weights=_factors("weights", weights, languages),
        shares=_normal(_factors("shares", shares, languages, 0.0 if shares else 1.0)),
    )


def _factors(
    name: str, given: Mapping[str, float] | None, languages: tuple[str, ...], default: float = 1.0
) -> Doubles:
    """Return a number for each language."""
    for language, value in (given or {}).items():
        if name == "weights" and language not in languages:
            raise UnknownNameError("language", language, languages, name)
        low = value < 0 if name == "shares" else value <= 0
        if low or not math.isfinite(value):
            expected = "0 or more" if name == "shares" else "a number above 0"
            remedy = "Change it" if name == "shares" else "Leave the language out of the search"
            raise ConfigError(f"{name} of {language!r}", f"{value}", expected, remedy)
    return np.array([float((given or {}).get(language, default)) for language in languages])


def _normal(shares: Doubles) -> Doubles:
    total = shares.sum()
    if len(shares) and total <= 0:
        raise ConfigError("shares", "no language with a share", "at least one", "Change them")
    return np.asarray(shares / total if len(shares) else shares)


def _require_distinct(lists: Lists) -> None:
    """Refuse a passage that is in two lists."""
    seen: dict[str, str] = {}
    for language, hits in lists.items():
        for id_ in hits.ids:
            if id_ in seen:
                found = f"also in the list of {seen[id_]!r}"
                place = f"passage {id_!r} in the list of {language!r}"
                raise DataError(place, found, "each passage once", "Check the engine")
            seen[id_] = language
