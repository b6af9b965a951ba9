"""``own-first``: some places for the query language, then all languages."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from evenrank.search.policies.base import Candidates, Doubles, Policy, State, policy


@policy
class OwnFirst(Policy):
    """The first places belong to the query language; then languages take turns.

    Where the query language is not known, it is the language with the highest level of scores.

    Attributes:
        places: Places of the query language before all others.
    """

    name: ClassVar[str] = "own-first"

    places: Annotated[int, Field(ge=0, le=10_000)] = 5

    def values(self, found: Candidates) -> Doubles:
        """Return the scores."""
        return found.scores

    def urgent(self, found: Candidates, state: State) -> NDArray[np.bool_] | None:
        """Return the query language at first, then the languages with the fewest places."""
        first = self.places * found.at_home
        own = found.at_home & state.left & (state.given < self.places)
        turns = np.where(state.left, (state.given - first + 0.5) / found.weights, np.inf)
        fewest = turns == turns.min(axis=1, keepdims=True)
        return np.asarray(np.where(own.any(axis=1, keepdims=True), own, fewest))

    def reason(self, language: str, *, urgent: bool, home: bool) -> str:
        """Return whether the place is one of the query language."""
        return f"'{language}' is the query language" if home else f"turn of '{language}'"
