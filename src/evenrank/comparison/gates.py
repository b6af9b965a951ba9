"""Gates: how much of a figure a system may lose against the baseline."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evenrank.comparison.difference import Difference, direction
from evenrank.errors import ConfigError
from evenrank.measures.base import parse_measure
from evenrank.results.schema import SETTINGS, Setting

EXAMPLE = "'AP mono -0.01': measure, setting, largest loss allowed"

Verdict = Literal["failed", "passed", "undecided"]


@dataclass(frozen=True)
class Gate:
    """The largest loss of a macro mean that is allowed.

    A loss is a fall where higher is better, and a rise where lower is: ``rank_distance multi -10``
    allows ten ranks more.

    Attributes:
        measure: A measure with a better direction.
        setting: ``mono``, ``cross`` or ``multi``.
        margin: The gain at the limit, 0 or less.
    """

    measure: str
    setting: Setting
    margin: float

    def __str__(self) -> str:
        return f"{self.measure} {self.setting} {self.margin:g}"


@dataclass(frozen=True)
class GateResult:
    """What a gate says of a system.

    Attributes:
        gate: The gate.
        system: Label of the system.
        gain: The difference, positive where the system is better.
        least: One-sided 95 % bound: with this confidence the gain is at least this.
        most: One-sided 95 % bound: with this confidence the gain is at most this.
    """

    gate: Gate
    system: str
    gain: float
    least: float
    most: float

    @property
    def verdict(self) -> Verdict:
        """``failed`` if the loss is larger than allowed with 95 % confidence.

        ``passed`` if it is not larger with 95 % confidence, else ``undecided``: the questions are
        too few to tell, which stops nobody.
        """
        if self.most < self.gate.margin:
            return "failed"
        return "passed" if self.least >= self.gate.margin else "undecided"

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes and the verdict as plain values."""
        return vars(self) | {"gate": str(self.gate), "verdict": self.verdict}


def parse_gate(text: str) -> Gate:
    """Return the gate that ``text`` stands for: ``MEASURE SETTING LOSS``.

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
    if setting is None or not -math.inf < margin <= 0:
        raise ConfigError(
            "--gate",
            repr(text),
            EXAMPLE,
            f"The setting is one of {', '.join(SETTINGS)}, the loss 0 or below",
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
    if measure.family == "bias" and setting != "multi":
        raise ConfigError(
            f"--gate {text!r}",
            f"setting {setting!r}",
            f"multi, as {bound} is taken in the pool of all languages only",
            "Correct it",
        )
    return Gate(str(bound), setting, margin)


def judge(gates: Iterable[Gate], rows: Sequence[Difference]) -> list[GateResult]:
    """Hold every system against every gate.

    Args:
        gates: The gates.
        rows: The differences, those of the gates' figures among them.

    Raises:
        ConfigError: A gate's figure is not among them.
    """
    gate_results = []
    for gate in gates:
        found = [
            row
            for row in rows
            if (row.kind, row.measure, row.setting) == ("setting", gate.measure, gate.setting)
        ]
        if not found:
            raise ConfigError(
                f"--gate '{gate}'",
                "no such figure in the results",
                "a measure and a setting that they have",
                "Choose another gate",
            )
        gate_results += [GateResult(gate, row.system, *_gains(row)) for row in found]
    return gate_results


def _gains(row: Difference) -> tuple[float, float, float]:
    """Return the difference and its bounds, turned so that more is better."""
    if direction(row.measure) > 0:
        return row.difference, row.least, row.most
    return -row.difference, -row.most, -row.least


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
