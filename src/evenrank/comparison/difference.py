"""One difference between a system and the baseline, and which direction is better."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from evenrank.comparison.blocks import Kind
from evenrank.errors import UnknownNameError
from evenrank.measures.base import parse_measure
from evenrank.results.schema import Setting

ALPHA = 0.05
"""Level of significance; intervals hold the rest."""

Outcome = Literal["better", "worse", "different", "even"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A figure of one system against the baseline's.

    Figures are taken over the queries that both results score, so that they may differ from those
    in ``result.json`` where one of them lacks some.

    Attributes:
        system: Label of the system.
        measure: Name of the measure.
        kind: ``setting``, ``query_lang`` (in the pool of all languages), or ``pair``.
        setting: ``mono``, ``cross`` or ``multi``.
        query_lang: ``None`` for a setting.
        pool: A passage language, or ``multi``; ``None`` for a setting.
        baseline_value: The baseline's figure.
        value: The system's figure.
        difference: ``value - baseline_value``.
        low: Lower end of the 95 % bootstrap interval of the difference.
        high: Its upper end.
        least: One-sided 95 % bound: with this confidence the difference is at least this.
        most: One-sided 95 % bound: with this confidence the difference is at most this.
        p: Two-sided p-value of the paired permutation test.
        p_holm: The same after Holm's correction within its family: the cells of one kind, for one
            system and measure.
        effect: Standardised difference (Cohen's d_z); ``None`` where undefined.
        queries: How many queries both results score.
        excluded: How many queries only one of them scores.
        blocks: How many questions, with their translations, the queries belong to.
    """

    system: str
    measure: str
    kind: Kind
    setting: Setting
    query_lang: str | None
    pool: str | None
    baseline_value: float
    value: float
    difference: float
    low: float
    high: float
    least: float
    most: float
    p: float
    p_holm: float
    effect: float | None
    queries: int
    excluded: int
    blocks: int

    @property
    def significant(self) -> bool:
        """Whether chance alone is an unlikely reason, the other cells of its kind considered."""
        return self.p_holm <= ALPHA

    @property
    def outcome(self) -> Outcome:
        """Whether the system is significantly better or worse, or just different."""
        if not self.significant:
            return "even"
        gain = direction(self.measure) * self.difference
        return "different" if gain == 0 else "better" if gain > 0 else "worse"

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes and the outcome as plain values."""
        return asdict(self) | {"outcome": self.outcome}


def direction(measure: str) -> int:
    """Return 1 if higher is better, -1 if lower is, 0 if neither or the measure is not known.

    >>> direction("AP"), direction("rank_distance"), direction("LPR"), direction("their own")
    (1, -1, 0, 0)
    """
    try:
        better = parse_measure(measure).measure.better
    except UnknownNameError:  # a measure of an extension that is not installed here
        return 0
    return {"higher": 1, "lower": -1, "none": 0}[better]
