"""``guaranteed``: the best scores, with places kept for each language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from evenrank.search.policies.base import Candidates, Doubles, Policy, State, policy
from evenrank.search.policies.calibrated import Fraction, calibrated_values


@policy
class Guaranteed(Policy):
    """Each language gets ``places`` of every ``window`` places, if it has something to show.

    The highest values come first. As soon as the places left in a window are no more than those
    that languages are still owed, only these languages get places. So the start of each window is
    as it would be without a guarantee. A language is owed a place only while its next passage is
    within the margin: its excess, the score minus the level of its language, is at least
    ``1 - margin`` of the highest excess of any passage. If more places are owed than a window has,
    those of the highest values come first.

    Attributes:
        places: Places of each language; by ``shares``, the mean over the languages.
        by: ``languages`` gives all languages as many places; ``shares`` divides them by the shares
            of the languages, such as those of the corpus.
        window: Places that the guarantee is counted in: a page of results.
        margin: 1 keeps places for every passage above the level of its language; 0 for the
            passage with the highest excess alone.
        strength: Of the calibration of the values; 0 is the order of the scores, and so is a
            policy with 0 ``places``.
    """

    name: ClassVar[str] = "guaranteed"
    dial: ClassVar[Mapping[str, float]] = {"places": 1.0}

    places: Annotated[float, Field(ge=0, le=1000)] = 1.0
    by: Literal["languages", "shares"] = "languages"
    window: Annotated[int, Field(ge=1, le=10_000)] = 10
    margin: Fraction = 0.5
    strength: Fraction = 0.0

    def values(self, found: Candidates) -> Doubles:
        """Return scores, calibrated if wanted."""
        return calibrated_values(found, self.strength if self.places else 0)

    def urgent(self, found: Candidates, state: State) -> NDArray[np.bool_] | None:
        """Return the languages that are owed places, if the window has no more than these."""
        if not self.places:
            return None
        end = (state.place // self.window + 1) * self.window
        languages = len(found.languages)
        shares = found.shares if self.by == "shares" else np.full(languages, 1 / languages)
        rate = self.places / self.window * languages * shares
        best = np.where(found.there, found.scores[:, :, 0] - found.levels, 0).max(axis=1)
        near = state.heads - found.levels >= (1 - self.margin) * best[:, None]
        owed = np.floor(end * rate + 1e-9).astype(np.int64) - state.given
        owed = np.where(state.left & near, np.maximum(owed, 0), 0)
        due = owed.sum(axis=1, keepdims=True) >= end - state.place
        return np.asarray((owed > 0) & due)

    def reason(self, language: str, *, urgent: bool, home: bool) -> str:
        """Return whether the place was kept for the language."""
        return f"place kept for '{language}'" if urgent else "highest score left"
