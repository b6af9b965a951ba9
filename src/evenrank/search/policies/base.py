"""What a policy is: it decides which language gets the next place.

An engine returns a list for each language. No policy changes the order within a language, so a
ranking is a choice of languages, place by place. The next place goes to a language that is *urgent*
(a guarantee or a turn), then to the language whose next passage has the highest *value*, then to
the higher score, then to the first language code. As each choice depends only on the choices
before it, the first ten places are the same, whether ten or a hundred are asked for.

Shapes: ``Q`` queries, ``L`` languages, sorted by code, ``K`` hits of a list, ``k`` places.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from evenrank.errors import ConfigError, UnknownNameError
from evenrank.registry import Registry

Doubles = NDArray[np.float64]
Numbers = NDArray[np.int64]

LEVEL_HITS = 30
"""Hits of a language that its level is the mean of. With 10, the answer itself raises the level of
its language by a tenth of its lead; more than 30 add nothing (``docs/search-policies.md``)."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """The lists of some queries as arrays, with what is known of the queries.

    Attributes:
        scores: ``(Q, L, K)`` best first, ``-inf`` after the end of a list.
        languages: ``L`` codes, sorted.
        query_langs: ``(Q,)`` position of the query language in ``languages``; -1 if it is not
            known.
        weights: ``(L,)`` above 0, how much a reader prefers each language; 1 without a preference.
        shares: ``(L,)`` share of each language that a guarantee is divided by; sums to 1.
    """

    scores: Doubles
    languages: tuple[str, ...]
    query_langs: Numbers
    weights: Doubles
    shares: Doubles

    @cached_property
    def there(self) -> NDArray[np.bool_]:
        """``(Q, L)`` whether a language has a hit."""
        return np.asarray(np.isfinite(self.scores[:, :, :1]).any(axis=2))

    @cached_property
    def _top(self) -> tuple[Doubles, Doubles]:
        """The means and deviations of the best scores of each language, 0 without a hit."""
        top = self.scores[:, :, :LEVEL_HITS]
        found = np.isfinite(top)
        count = np.maximum(found.sum(axis=2), 1)
        mean = np.where(found, top, 0).sum(axis=2) / count
        squares = np.where(found, (top - mean[:, :, None]), 0) ** 2
        return mean, np.sqrt(squares.sum(axis=2) / count)

    @property
    def levels(self) -> Doubles:
        """``(Q, L)`` mean score of the best hits of each language: what any passage of it gets."""
        return self._top[0]

    @property
    def deviations(self) -> Doubles:
        """``(Q, L)`` standard deviation of the same scores."""
        return self._top[1]

    @cached_property
    def scale(self) -> Doubles:
        """``(Q, 1)`` mean of the deviations: the unit of everything that is added to a score."""
        count = np.maximum(self.there.sum(axis=1, keepdims=True), 1)
        scale = self.deviations.sum(axis=1, keepdims=True) / count
        return np.where(scale > 0, scale, 1.0)

    @property
    def mean_level(self) -> Doubles:
        """``(Q, 1)`` mean of the levels of the languages that have hits."""
        count = np.maximum(self.there.sum(axis=1, keepdims=True), 1)
        return np.asarray(self.levels.sum(axis=1, keepdims=True) / count)

    @property
    def preference(self) -> Doubles:
        """``(Q, L)`` what the weights add to the values: one scale for each factor of e."""
        return self.scale * np.log(self.weights)

    @cached_property
    def home(self) -> Numbers:
        """``(Q,)`` the query language, or the language of highest level if that has no hit.

        Retrievers prefer the language of the query; multilingual-e5-small has its highest level
        there for 99.6 % of the queries of XQuAD-R. -1 without any hit.
        """
        guess = np.where(self.there, self.levels, -np.inf).argmax(axis=1)
        guess = np.where(self.there.any(axis=1), guess, -1)
        known = (self.query_langs >= 0) & self.there[np.arange(len(guess)), self.query_langs]
        return np.where(known, self.query_langs, guess)

    @cached_property
    def at_home(self) -> NDArray[np.bool_]:
        """``(Q, L)`` whether a language is :attr:`home`."""
        return np.asarray(np.arange(len(self.languages)) == self.home[:, None])


@dataclass(frozen=True, eq=False)
class State:
    """What a policy knows when it decides about a place.

    Attributes:
        place: Places that are filled.
        given: ``(Q, L)`` places that each language has.
        left: ``(Q, L)`` whether a language has a hit left.
        heads: ``(Q, L)`` score of its next hit, ``-inf`` without one.
    """

    place: int
    given: Numbers
    left: NDArray[np.bool_]
    heads: Doubles


@dataclass(frozen=True, eq=False)
class Order:
    """A ranking of each query.

    Attributes:
        languages: ``(Q, k)`` position of the language of each place, -1 after the end.
        nth: ``(Q, k)`` position of the hit in the list of its language.
        values: ``(Q, k)`` what the order was decided by.
        urgent: ``(Q, k)`` whether the place was given for urgency.
    """

    languages: Numbers
    nth: Numbers
    values: Doubles
    urgent: NDArray[np.bool_]


class Policy(BaseModel, ABC):
    """A rule for merging lists, with its settings.

    Attributes:
        name: Its name.
        dial: Settings that ``balance`` multiplies. At 0 the order is that of the scores, to the
            last bit; at 1 each has its largest value. Empty if the policy has no dial.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)

    name: ClassVar[str] = ""
    dial: ClassVar[Mapping[str, float]] = {}

    @abstractmethod
    def values(self, found: Candidates) -> Doubles:
        """Return ``(Q, L, K)`` values, which do not rise within a list; ``-inf`` after its end."""

    def urgent(self, found: Candidates, state: State) -> NDArray[np.bool_] | None:
        """Return ``(Q, L)`` languages one of which must get the next place, or ``None``."""
        return None

    @abstractmethod
    def reason(self, language: str, *, urgent: bool, home: bool) -> str:
        """Return in a few words why a passage has its place."""

    def depth(self, k: int, languages: int) -> int:
        """Return how many hits of each language ``k`` places need."""
        return max(k, LEVEL_HITS)

    def with_balance(self, balance: float | None) -> Self:
        """Return the policy at a place of the dial from 0 to 1.

        Raises:
            ConfigError: ``balance`` is not in 0..1, or the policy has no dial.
        """
        if balance is None:
            return self
        if not 0 <= balance <= 1:
            raise ConfigError("balance", f"{balance}", "a number from 0 to 1", "Change it")
        if self.dial:
            return self.model_copy(update={name: balance * end for name, end in self.dial.items()})
        dials = ", ".join(name for name in POLICIES if POLICIES.get(name).dial)
        raise ConfigError(
            f"policy {self.name!r}",
            f"balance {balance}",
            "no balance: it has nothing to set",
            f"Leave balance out, or use one of {dials}",
        )

    @property
    def label(self) -> str:
        """Name and settings other than the defaults: ``calibrated(strength=0.3)``."""
        given = self.model_dump(exclude_defaults=True)
        settings = ",".join(f"{name}={_text(value)}" for name, value in given.items())
        return f"{self.name}({settings})" if settings else self.name

    @property
    def facts(self) -> dict[str, Any]:
        """Name and all settings, for a result."""
        return {"name": self.name, "settings": self.model_dump(mode="json")}


POLICIES: Registry[type[Policy]] = Registry("policy", "evenrank.search.policies")

P = TypeVar("P", bound=type[Policy])


def policy(kind: P) -> P:
    """Register a policy under its name: a class decorator."""
    POLICIES.register(kind.name, kind)
    return kind


def open_policy(given: str | Policy, balance: float | None = None) -> Policy:
    """Return a policy by name, with settings or without.

    Args:
        given: A policy, or a text such as ``calibrated`` or ``calibrated(strength=0.3)``.
        balance: A place of the dial.

    Raises:
        UnknownNameError: No policy, or no setting of it, has that name.
        ConfigError: A setting or the balance has a wrong value, or the policy has no dial.

    >>> open_policy("calibrated(strength=0.5)").label
    'calibrated(strength=0.5)'
    """
    if isinstance(given, Policy):
        return given.with_balance(balance)
    name, bracket, rest = str(given).partition("(")
    kind = POLICIES.get(name.strip())
    settings: dict[str, str] = {}
    if bracket:
        if not rest.rstrip().endswith(")"):
            raise ConfigError(
                "policy", repr(given), "NAME, or NAME(setting=value,...)", "Close the bracket"
            )
        for part in filter(None, (one.strip() for one in rest.rstrip()[:-1].split(","))):
            key, equals, value = (one.strip() for one in part.partition("="))
            if not equals or key in settings:
                found = f"{part!r}" if not equals else f"{key!r} twice"
                raise ConfigError(
                    f"policy {name!r}", found, "setting=value", "Write each setting once"
                )
            settings[key] = value
    return make_policy(kind, settings).with_balance(balance)


def make_policy(kind: type[Policy], settings: Mapping[str, Any]) -> Policy:
    """Return a policy with settings.

    Raises:
        UnknownNameError: It has no such setting.
        ConfigError: A setting has a wrong value.
    """
    place = f"policy {kind.name!r}"
    for name in settings:
        if name not in kind.model_fields:
            raise UnknownNameError("setting", name, kind.model_fields, place)
    try:
        return kind(**settings)
    except ValidationError as cause:
        first = cause.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "settings"
        found = f"{where} = {first['input']!r}"
        raise ConfigError(place, found, f"{first['msg'].lower()}", "Change it") from cause


def arrange(chosen: Policy, found: Candidates, k: int) -> Order:
    """Fill ``k`` places for each query, or all hits if there are fewer.

    Args:
        chosen: The policy.
        found: The lists.
        k: Places, 1 or more.
    """
    queries, languages, length = found.scores.shape
    places = min(k, languages * length)
    values = chosen.values(found)
    if (found.weights != 1).any():
        values = values + found.preference[:, :, None]
    rows = np.arange(queries)
    given = np.zeros((queries, languages), dtype=np.int64)
    order = Order(
        np.full((queries, places), -1, dtype=np.int64),
        np.zeros((queries, places), dtype=np.int64),
        np.full((queries, places), -np.inf),
        np.zeros((queries, places), dtype=bool),
    )
    # one more column, so that the hit after the last of a list can be looked up
    end = np.full((queries, languages, 1), -np.inf)
    scores, values = (np.concatenate([part, end], axis=2) for part in (found.scores, values))
    heads, head_values = scores[:, :, 0].copy(), values[:, :, 0].copy()
    for place in range(places):
        left = np.isfinite(heads)
        first = chosen.urgent(found, State(place, given, left, heads))
        allowed = left
        if first is not None:
            first = first & left
            some = first.any(axis=1, keepdims=True)
            allowed = np.where(some, first, left)
        best = _best(allowed, head_values, heads)
        there = left[rows, best]
        order.languages[there, place] = best[there]
        order.nth[there, place] = given[rows, best][there]
        order.values[:, place] = head_values[rows, best]
        if first is not None:
            order.urgent[:, place] = first[rows, best]
        given[rows[there], best[there]] += 1
        heads[rows, best] = scores[rows, best, given[rows, best]]
        head_values[rows, best] = values[rows, best, given[rows, best]]
    return order


def _best(allowed: NDArray[np.bool_], values: Doubles, scores: Doubles) -> Numbers:
    """Return ``(Q,)`` the allowed language with the highest value, then score, then first code."""
    value = np.where(allowed, values, -np.inf)
    equal = allowed & (value == value.max(axis=1, keepdims=True))
    return np.asarray(np.where(equal, scores, -np.inf).argmax(axis=1))


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
