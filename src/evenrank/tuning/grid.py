"""The corrections that are compared: every method at several strengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenrank.debias.base import METHODS, Correction, check_method, require_strength
from evenrank.debias.calibrate import Calibration
from evenrank.debias.corpus import EncodedCorpus
from evenrank.debias.index import best_by_language
from evenrank.errors import ConfigError
from evenrank.tables import show

STRENGTHS = (0.1, 0.3, 0.5, 0.7, 1.0)
OWN_SHARES = (0.2, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
_SLOW = ("csls",)
"""It does not remove the offset of a language, and its ranking takes ten times as long."""
_BEST = 10
_QUERIES = 1_000
_VARIANTS: dict[str, tuple[dict[str, Any], ...]] = {
    "calibrate": ({"by": "top"}, {"by": "mean"}, {"by": "z"}),
}
"""Settings that make another method of a method."""
_SOURCE = "en"


@dataclass(frozen=True, eq=False)
class Candidate:
    """A correction of the grid.

    Attributes:
        family: What tables call its method: with those settings that are not usual.
        correction: The correction.
    """

    family: str
    correction: Correction

    @property
    def own_bonus(self) -> float:
        """The bonus for the query's own language."""
        return float(self.correction.fit.settings.get("own_bonus", 0))

    @property
    def name(self) -> str:
        """What tables call it."""
        bonus = f", own bonus {show(self.own_bonus, 'g')}" if self.own_bonus else ""
        return f"{self.family}, strength {show(self.correction.strength, 'g')}{bonus}"


@dataclass(frozen=True)
class Grid:
    """Which corrections are compared.

    Attributes:
        methods: Names of methods; all but ``csls`` if empty.
        strengths: Strengths, above 0 to 1.
        own_shares: Bonuses of calibrations for the query's own language, as shares (0 to 1) of the
            model's :func:`own_advantage`. They are tried at the largest strength, where a bonus
            costs less of *other* than a smaller strength does.

    Raises:
        UnknownNameError: There is no such method.
        ConfigError: A number is outside of its range, or there is none.
    """

    methods: tuple[str, ...] = ()
    strengths: tuple[float, ...] = STRENGTHS
    own_shares: tuple[float, ...] = OWN_SHARES

    def __post_init__(self) -> None:
        for name in self.methods:
            check_method(name)
        for strength in self.strengths:
            require_strength(strength)
        for share in self.own_shares:
            if not 0 <= share <= 1:
                raise ConfigError("own bonus", repr(share), "a share of 0 to 1", "Correct it")
        if not any(self.strengths):
            found = ", ".join(map(str, self.strengths)) or "none"
            raise ConfigError("strengths", found, "one above 0", "Add one")

    def fitted(self, texts: EncodedCorpus) -> list[Candidate]:
        """Fit each method once, and return it at each strength, calibrations with each bonus."""
        advantage = own_advantage(texts)
        bonuses = sorted({round(share * advantage, 4) for share in self.own_shares} - {0})
        return [
            Candidate(family, one)
            for name in dict.fromkeys(self.methods or (one for one in METHODS if one not in _SLOW))
            for settings in _VARIANTS.get(name, ({},))
            for family in [" ".join([name, *(f"by {value}" for value in settings.values())])]
            for one in self._dialled(texts.fit(name, settings | _source(name, texts)), bonuses)
        ]

    def _dialled(self, fitted: Correction, bonuses: Sequence[float]) -> Iterator[Correction]:
        strengths = sorted(set(self.strengths) - {0})
        yield from (fitted.with_strength(strength) for strength in strengths)
        if isinstance(fitted, Calibration):
            strongest = fitted.with_strength(strengths[-1])
            yield from (strongest.with_own_bonus(bonus) for bonus in bonuses)


def own_advantage(texts: EncodedCorpus) -> float:
    """Return how much higher a query scores the best passages of its own language than of others.

    The mean of the 10 best scores of its language minus that of every other language, 0 to 1. Up to
    1,000 queries count.
    """
    (queries, asked), (passages, langs) = (
        (np.concatenate([rows for rows, _ in side]), np.repeat(*_tags(side)))
        for side in (texts.queries, texts.passages)
    )
    some = np.arange(min(_QUERIES, len(queries))) * len(queries) // min(_QUERIES, len(queries))
    best = best_by_language(queries[some], passages, langs, texts.languages, _BEST)
    top = np.nanmean(best, axis=2)
    own = asked[some, None] == np.array(texts.languages)
    return float(np.clip(top[own].mean() - top[~own].mean(), 0, 1))


def _tags(side: Sequence[tuple[NDArray[Any], str]]) -> tuple[list[str], list[int]]:
    """Return the language of each block, and its rows."""
    return [lang for _, lang in side], [len(rows) for rows, _ in side]


def _source(name: str, texts: EncodedCorpus) -> dict[str, Any]:
    """Return the language that ``shift`` moves all others to: English, or the first one."""
    known = texts.languages
    return {"source": _SOURCE if _SOURCE in known else known[0]} if name == "shift" else {}
