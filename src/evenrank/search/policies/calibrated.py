"""``calibrated``: scores minus the level of their language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from evenrank.search.policies.base import Candidates, Doubles, Policy, policy

Fraction = Annotated[float, Field(ge=0, le=1)]
"""A setting from 0 to 1."""


def calibrated_values(
    found: Candidates, strength: float, spread: float = 0.0, bonus: float = 0.0
) -> Doubles:
    """Return scores without the level, and if wanted the spread, of their language.

        value(d) = s(d) - strength (level_l - bonus scale [l is the query language])
                   + (slope_l - 1) (s(d) - level_l)
        slope_l  = (scale / deviation_l) ^ (strength spread)

    Args:
        found: The lists.
        strength: 0 returns the scores, to the last bit.
        spread: 1 gives all languages the same spread.
        bonus: What the query language gets, in units of ``scale``.
    """
    if strength == 0:
        return found.scores
    offset = strength * (found.levels - bonus * found.scale * found.at_home)
    values = found.scores - offset[:, :, None]
    if spread:
        deviations = np.where(found.deviations > 0, found.deviations, found.scale)
        slopes = (found.scale / deviations) ** (strength * spread)
        excess = np.where(np.isfinite(found.scores), found.scores - found.levels[:, :, None], 0)
        values += (slopes - 1)[:, :, None] * excess
    return values


@policy
class Calibrated(Policy):
    """The order of scores minus the level of their language.

    Attributes:
        strength: 0 is the order of the scores; 1 removes the whole level.
        spread: 1 makes the spreads of the languages equal, too.
        bonus: What a passage in the query language gets, in units of the scale of the scores.
    """

    name: ClassVar[str] = "calibrated"
    dial: ClassVar[Mapping[str, float]] = {"strength": 1.0}

    strength: Fraction = 0.3
    spread: Fraction = 0.0
    bonus: Annotated[float, Field(ge=0, le=100)] = 0.0

    def values(self, found: Candidates) -> Doubles:
        """Return corrected scores."""
        return calibrated_values(found, self.strength, self.spread, self.bonus)

    def reason(self, language: str, *, urgent: bool, home: bool) -> str:
        """Return that the corrected score decides."""
        return f"highest score left, corrected for the level of '{language}'"
