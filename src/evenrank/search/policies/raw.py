"""``raw``: the order of the scores."""

from __future__ import annotations

from typing import ClassVar

from evenrank.search.policies.base import Candidates, Doubles, Policy, policy


@policy
class Raw(Policy):
    """The order of the scores, as an engine without languages returns it."""

    name: ClassVar[str] = "raw"

    def values(self, found: Candidates) -> Doubles:
        """Return the scores."""
        return found.scores

    def reason(self, language: str, *, urgent: bool, home: bool) -> str:
        """Return that the score decides."""
        return "highest score left"

    def depth(self, k: int, languages: int) -> int:
        """Return ``k``: no level is computed."""
        return k
