"""Which correction is recommended: the largest gain among those that cost little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evenrank.comparison.gates import Gate, GateResult, direction
from evenrank.errors import ConfigError
from evenrank.tuning.figures import AP, DISTANCE, FOUND, Figures, Name

GOALS: Mapping[str, Name] = {
    "even": (FOUND, "even"),
    "other": (FOUND, "other"),
    "gap": (FOUND, "gap"),
    "multi": (AP, "multi"),
    "rank-distance": (DISTANCE, "multi"),
}
"""Goal to the figure that is improved."""
MAX_MONO_LOSS = 0.005


@dataclass(frozen=True)
class Goal:
    """What a correction is chosen for.

    Attributes:
        name: One of ``GOALS``.
        max_own_loss: Maximum loss of R@10 where the answer exists in the query's language only, or
            the expected loss where the choice needs no labels; ``None`` for any.
        max_mono_loss: Maximum loss of AP within one language.
    """

    name: str = "even"
    max_own_loss: float | None = None
    max_mono_loss: float = MAX_MONO_LOSS

    def __post_init__(self) -> None:
        if self.name not in GOALS:
            raise ConfigError("goal", repr(self.name), f"one of {', '.join(GOALS)}", "Correct it")
        for name, value in (("own", self.max_own_loss), ("mono", self.max_mono_loss)):
            if value is not None and not 0 <= value <= 1:
                raise ConfigError(f"maximum {name} loss", repr(value), "0 to 1", "Correct it")

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The losses that are allowed, as gates of ``compare``."""
        mono = Gate(AP, "mono", -self.max_mono_loss)
        own = self.max_own_loss
        return (mono,) if own is None else (mono, Gate(FOUND, "own", -own))


def gate_results(goal: Goal, name: str, figures: Figures) -> list[GateResult]:
    """Apply the gates of a goal to a correction."""
    return [
        GateResult(gate, name, change.value, change.at_least, change.at_most)
        for gate in goal.gates
        for change in [figures[gate.measure, gate.setting].change]
    ]


def choose(goal: Goal, names: Sequence[str], found: Sequence[Figures]) -> int | None:
    """Return the number of the correction with the largest gain, or ``None`` if there is none.

    It passes every gate with 95 % confidence, and its gain is above 0 with 95 % confidence.

    Args:
        goal: The goal.
        names: What tables call the corrections.
        found: Their figures.
    """
    figure = GOALS[goal.name]
    sign = direction(*figure)
    allowed = [
        number
        for number, (name, figures) in enumerate(zip(names, found, strict=True))
        if all(one.verdict == "passed" for one in gate_results(goal, name, figures))
        and (figures[figure].change.low > 0 if sign > 0 else figures[figure].change.high < 0)
    ]
    return max(allowed, key=lambda one: sign * found[one][figure].change.value, default=None)


def front(found: Sequence[Figures]) -> list[bool]:
    """Return for each correction whether no other is better in own and other (Pareto front).

    >>> from evenrank.tuning.figures import Figure, Interval
    >>> def figures(**of):
    ...     return {(FOUND, name): Figure(Interval(*[one] * 5), None) for name, one in of.items()}
    >>> points = [(0.9, 0.3), (0.8, 0.3), (0.8, 0.5)]
    >>> front([figures(own=own, other=other) for own, other in points])
    [True, False, True]
    """
    points = [(one[FOUND, "own"].of.value, one[FOUND, "other"].of.value) for one in found]
    return [
        not any(
            own >= mine and other >= theirs and (own, other) != (mine, theirs)
            for own, other in points
        )
        for mine, theirs in points
    ]
