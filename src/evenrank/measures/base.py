"""How a measure is defined, named and found.

A measure is a pure function of a :class:`PoolRanks`. Its file registers it with one of the
decorators below; its docstring's first line is what ``evenrank list`` shows, and the whole of it
stands in ``docs/measures.md``. Names parse and print as in ir_measures: ``AP``, ``RR@10``.

Shapes: ``Q`` queries, ``L`` languages.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evenrank.errors import ConfigError
from evenrank.ranking.ranks import PoolRanks
from evenrank.registry import Registry

Level = Literal["query", "group", "share"]
"""What a measure returns.

``query``
    ``(Q,)`` float64, one value per query, NaN where the query is not scored.
``group``
    one float for a group of queries (all queries of one language), NaN where undefined.
``share``
    ``(Q, L)`` float64, one value per query and collection language.
"""


@dataclass(frozen=True)
class Measure:
    """A registered measure.

    Attributes:
        name: Its name without a cutoff.
        family: ``ranking`` measures are taken in every pool; ``bias`` measures in the pool of all
            languages only, where languages compete.
        level: What ``compute`` returns.
        cutoff: Whether a cutoff is required (``nDCG@10``), allowed, or not.
        better: Which direction is better; ``"none"`` where it is a matter of the user's goal.
        compute: The function itself: ``compute(pool)`` or ``compute(pool, cutoff)``.
    """

    name: str
    family: Literal["ranking", "bias"]
    level: Level
    cutoff: Literal["required", "optional", "none"]
    better: Literal["higher", "lower", "none"]
    compute: Callable[..., Any]

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (self.compute.__doc__ or "").strip().splitlines()[0]


MEASURES: Registry[Measure] = Registry("measure", "evenrank.measures")


def measure(
    name: str,
    *,
    family: Literal["ranking", "bias"],
    better: Literal["higher", "lower", "none"],
    level: Level = "query",
    cutoff: Literal["required", "optional", "none"] = "none",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that registers a function as a measure and leaves it as it is."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        MEASURES.register(name, Measure(name, family, level, cutoff, better, function))
        return function

    return register


@dataclass(frozen=True)
class BoundMeasure:
    """A measure with its cutoff: what a name such as ``nDCG@10`` stands for."""

    measure: Measure
    cutoff: int | None = None

    def __str__(self) -> str:
        return self.measure.name if self.cutoff is None else f"{self.measure.name}@{self.cutoff}"

    def __call__(self, pool: PoolRanks) -> NDArray[np.float64] | float:
        """Compute the measure on one pool; see ``Level`` for what comes back."""
        arguments = () if self.cutoff is None else (self.cutoff,)
        value: NDArray[np.float64] | float = self.measure.compute(pool, *arguments)
        return value


def parse_measure(name: str) -> BoundMeasure:
    """Return the measure that ``name`` stands for.

    Raises:
        UnknownNameError: No measure has that name; the nearest is offered.
        ConfigError: A cutoff is missing, superfluous, or not a positive whole number.

    >>> str(parse_measure("nDCG@10"))
    'nDCG@10'
    """
    base, at, cutoff = name.partition("@")
    found = MEASURES.get(base)
    allowed = {"required": at == "@", "optional": True, "none": at == ""}[found.cutoff]
    if not allowed or (at and not re.fullmatch(r"[1-9][0-9]*", cutoff)):
        example = base if found.cutoff == "none" else f"{base}@10"
        raise ConfigError(f"measure {name!r}", repr(name), f"a name like {example!r}", "Correct it")
    return BoundMeasure(found, int(cutoff) if at else None)
