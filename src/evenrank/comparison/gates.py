"""Gates: the minimum gain of a figure against the baseline; below 0, the loss allowed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from evenrank.errors import ConfigError
from evenrank.measures.base import find_measure, parse_measure
from evenrank.results.schema import GAP, MULTI, SETTINGS, Setting

EXAMPLE = "'AP mono -0.01' or 'R@10 other +0.05': measure, setting, minimum gain"

Verdict = Literal["failed", "passed", "undecided"]


@dataclass(frozen=True)
class Gate:
    """The minimum gain of a figure.

    A gain is a rise where higher is better, and a fall where lower is better: ``rank_distance multi
    -10`` allows ten ranks more. The access gap is better where it is smaller.

    Attributes:
        measure: A measure with a better direction.
        setting: A setting.
        margin: The minimum gain; below 0, the loss that is allowed.
    """

    measure: str
    setting: Setting
    margin: float

    def __str__(self) -> str:
        return f"{self.measure} {self.setting} {self.margin:+g}"


@dataclass(frozen=True)
class GateResult:
    """The outcome of a gate for a system.

    Attributes:
        gate: The gate.
        system: Label of the system.
        gain: The difference, positive if the system is better.
        at_least: One-sided 95 % bound: with this confidence the gain is at least this.
        at_most: One-sided 95 % bound: with this confidence the gain is at most this.
    """

    gate: Gate
    system: str
    gain: float
    at_least: float
    at_most: float

    @property
    def verdict(self) -> Verdict:
        """``failed`` if the gain is below the minimum with 95 % confidence.

        ``passed`` if it is not below with 95 % confidence, else ``undecided``: there are too few
        queries to tell, which fails no build.
        """
        if self.at_most < self.gate.margin:
            return "failed"
        return "passed" if self.at_least >= self.gate.margin else "undecided"

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes and the verdict as plain values."""
        return vars(self) | {"gate": str(self.gate), "verdict": self.verdict}


def parse_gate(text: str) -> Gate:
    """Return the gate that ``text`` stands for: ``MEASURE SETTING GAIN``.

    Raises:
        UnknownNameError: No measure has that name.
        ConfigError: It has another form, or the measure has no better direction, no value per
            query, or no such setting.

    >>> parse_gate("AP mono -0.01")
    Gate(measure='AP', setting='mono', margin=-0.01)
    """
    words = text.split()
    setting = next((name for name in SETTINGS if words[1:2] == [name]), None)
    margin = _number(words[2]) if len(words) == 3 else math.nan
    if setting is None or not math.isfinite(margin):
        raise ConfigError(
            "--gate",
            repr(text),
            EXAMPLE,
            f"The setting is one of {', '.join(SETTINGS)}",
        )
    bound = parse_measure(words[0])
    measure = bound.measure
    if measure.level != "query" or measure.better == "none":
        raise ConfigError(
            f"--gate {text!r}",
            f"{bound}, which has no value per query or no better direction",
            "a measure like AP or rank_distance",
            "Choose another",
        )
    if measure.family == "bias" and setting != MULTI:
        raise ConfigError(
            f"--gate {text!r}",
            f"setting {setting!r}",
            f"multi, the only setting of {bound}",
            "Correct it",
        )
    return Gate(str(bound), setting, margin)


def direction(measure: str, setting: Setting = MULTI) -> int:
    """Return 1 if higher is better, -1 if lower is, 0 if neither or the measure is not known.

    >>> direction("AP"), direction("rank_distance"), direction("LPR"), direction("their own")
    (1, -1, 0, 0)
    >>> direction("AP", "gap")
    -1
    """
    known = find_measure(measure)
    higher = {"higher": 1, "lower": -1, "none": 0}[known.better if known else "none"]
    return -higher if setting == GAP else higher


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
