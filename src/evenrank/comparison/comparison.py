"""A comparison in memory: one difference for each system, measure and cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from evenrank.comparison.blocks import Kind
from evenrank.comparison.gates import GateResult, direction
from evenrank.errors import UnknownNameError
from evenrank.results.schema import Setting

if TYPE_CHECKING:
    import pandas as pd

ALPHA = 0.05
"""Level of significance; intervals contain the rest."""

Outcome = Literal["better", "worse", "different", "even"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A figure of one system against the baseline's.

    Figures are means over the queries that both results score, so they may differ from those in
    ``result.json`` if one of the results misses some.

    Attributes:
        system: Label of the system.
        measure: Name of the measure.
        kind: See :class:`Cell`.
        setting: The setting that it belongs to, or is.
        query_lang: ``None`` for a setting.
        pool: A passage language, or ``multi``; ``None`` for a setting.
        baseline_value: The baseline's figure.
        value: The system's figure.
        difference: ``value - baseline_value``.
        low: Lower end of the 95 % bootstrap interval of the difference.
        high: Its upper end.
        at_least: One-sided 95 % bound: with this confidence the difference is at least this.
        at_most: One-sided 95 % bound: with this confidence the difference is at most this.
        p: Two-sided p-value of the paired permutation test.
        p_holm: The same after Holm's correction within its family: the cells of one kind, for one
            system and measure.
        effect: Standardised difference (Cohen's d_z); ``None`` where undefined.
        queries: Number of queries that both results score.
        excluded: Number of queries that only one of them scores.
        blocks: Number of blocks that the queries belong to.
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
    at_least: float
    at_most: float
    p: float
    p_holm: float
    effect: float | None
    queries: int
    excluded: int
    blocks: int

    @property
    def significant(self) -> bool:
        """Whether chance is an unlikely reason, considering all cells of its kind."""
        return self.p_holm <= ALPHA

    @property
    def outcome(self) -> Outcome:
        """Whether the system is significantly better or worse, or just different."""
        if not self.significant:
            return "even"
        gain = direction(self.measure, self.setting) * self.difference
        return "different" if gain == 0 else "better" if gain > 0 else "worse"

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes and the outcome as plain values."""
        return asdict(self) | {"outcome": self.outcome}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Systems against a baseline on one benchmark.

    Attributes:
        benchmark: Name of the benchmark.
        fingerprint: Fingerprint of its content.
        baseline: Label of the first result.
        systems: Labels of the others.
        measures: The measures that are compared.
        left_out: Default measures that are not, because rankings that end at different depths
            cannot be compared by them.
        notes: What a reader has to know about the results, such as models that were selected
            differently during training.
        permutations: Number of draws of the signs; ``None`` if all were tried.
        resamples: Number of resamples of the bootstrap.
        seed: Seed of both.
        rows: By system, then measure: settings, query languages, pairs, pairs of ``single``.
        gate_results: The result of each gate for each system.
    """

    benchmark: str
    fingerprint: str
    baseline: str
    systems: tuple[str, ...]
    measures: tuple[str, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    permutations: int | None
    resamples: int
    seed: int
    rows: tuple[Difference, ...]
    gate_results: tuple[GateResult, ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """A row per difference, with the attributes of :class:`Difference` and its outcome."""
        import pandas as pd

        return pd.DataFrame([row.to_dict() for row in self.rows])

    def select(
        self, kind: Kind, *, system: str | None = None, measure: str | None = None
    ) -> Iterator[Difference]:
        """Iterate over the differences of one kind, in order.

        Raises:
            UnknownNameError: There is no such system, or no such measure.
        """
        for what, name, known in (
            ("system", system, self.systems),
            ("measure", measure, self.measures),
        ):
            if name not in (None, *known):
                raise UnknownNameError(what, str(name), known)
        return (
            row
            for row in self.rows
            if row.kind == kind and system in (None, row.system) and measure in (None, row.measure)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        facts = {name: value for name, value in vars(self).items() if name != "gate_results"}
        return facts | {
            "rows": [row.to_dict() for row in self.rows],
            "gates": [one.to_dict() for one in self.gate_results],
        }
