"""``round-robin``: languages take turns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from evenrank.search.policies.base import Candidates, Doubles, Policy, State, policy
from evenrank.search.policies.calibrated import Fraction


@policy
class RoundRobin(Policy):
    """A share of the places are turns; the other places go to the highest score left.

    A turn goes to a language with the smallest ``(places + 1/2) / weight`` (Webster's method), and
    among several to the one with the highest score left.

    Attributes:
        turns: Share of the places that are turns, spread evenly.
    """

    name: ClassVar[str] = "round-robin"
    dial: ClassVar[Mapping[str, float]] = {"turns": 1.0}

    turns: Fraction = 1.0

    def values(self, found: Candidates) -> Doubles:
        """Return the scores."""
        return found.scores

    def urgent(self, found: Candidates, state: State) -> NDArray[np.bool_] | None:
        """Return the languages with the fewest places for their weight, if it is a turn."""
        if int((state.place + 1) * self.turns) == int(state.place * self.turns):
            return None
        taken = np.where(state.left, (state.given + 0.5) / found.weights, np.inf)
        return np.asarray(taken == taken.min(axis=1, keepdims=True))

    def reason(self, language: str, *, urgent: bool, home: bool) -> str:
        """Return whether it is a turn."""
        return f"turn of '{language}'" if urgent else "highest score left"

    def depth(self, k: int, languages: int) -> int:
        """Return ``k``: a language may be the only one with hits left."""
        return k
