"""Alpha over training: the share of monolingual batches at each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenrank.errors import ConfigError, UnknownNameError

Curve = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""From progress ``(S,)`` in 0..1 and values ``(V,)`` to the value at each step, ``(S,)``."""


def _linear(progress: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.interp(progress, np.linspace(0, 1, len(values)), values)


def _cosine(progress: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    place = progress * (len(values) - 1)
    before = np.minimum(place.astype(np.int64), len(values) - 2)
    eased = (1 - np.cos(np.pi * (place - before))) / 2
    changed: NDArray[np.float64] = values[before] + (values[before + 1] - values[before]) * eased
    return changed


def _steps(progress: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    part = np.minimum((progress * len(values)).astype(np.int64), len(values) - 1)
    chosen: NDArray[np.float64] = values[part]
    return chosen


CURVES: dict[str, Curve] = {"linear": _linear, "cosine": _cosine, "steps": _steps}
"""How alpha goes from one value to the next.

``linear`` and ``cosine`` (half a wave) reach the values at equal distances, the first one at the
first step and the last one at the last step. ``steps`` holds each value for an equal part.
"""


@dataclass(frozen=True)
class Schedule:
    """A share that changes over training.

    Args:
        values: One value, or the values that it passes, each in 0..1.
        curve: A name in ``CURVES``; of no effect with one value.

    Raises:
        UnknownNameError: No curve has that name.
        ConfigError: A value is outside 0..1, or there is no value.

    >>> Schedule((1.0, 0.0)).at(np.array([0.0, 0.25, 1.0])).tolist()
    [1.0, 0.75, 0.0]
    >>> str(Schedule((1, 0.5, 0), "steps"))
    '1 to 0.5 to 0, steps'
    """

    values: tuple[float, ...]
    curve: str = "linear"

    def __post_init__(self) -> None:
        expected, remedy = "a share of batches in 0..1", "Use a value such as 0.5"
        if not self.values:
            raise ConfigError("alpha", "no value", expected, remedy)
        for value in self.values:
            if not 0 <= value <= 1:
                raise ConfigError("alpha", f"{value}", expected, remedy)
        if self.curve not in CURVES:
            raise UnknownNameError("schedule", self.curve, CURVES, place="alpha_schedule")

    @classmethod
    def of(cls, alpha: float | Sequence[float], curve: str = "linear") -> Schedule:
        """Return the schedule of a number or of several."""
        return cls(tuple(alpha) if isinstance(alpha, Sequence) else (alpha,), curve)

    def at(self, progress: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share at each step, from its progress in 0..1."""
        values = np.array(self.values, dtype=np.float64)
        if len(values) == 1:
            return np.full(len(progress), values[0])
        return CURVES[self.curve](progress, values)

    def __str__(self) -> str:
        curve = f", {self.curve}" if len(self.values) > 1 and self.curve != "linear" else ""
        return " to ".join(f"{value:g}" for value in self.values) + curve
