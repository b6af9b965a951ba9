"""A comparison in memory: one difference for each system, measure and cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evenrank.comparison.blocks import Kind
from evenrank.comparison.difference import Difference
from evenrank.comparison.gates import GateResult

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Systems against a baseline on one benchmark.

    Attributes:
        benchmark: Name of the benchmark.
        fingerprint: Fingerprint of its content.
        baseline: Label of the first result.
        systems: Labels of the others.
        measures: What was compared.
        left_out: Usual measures that were not, since rankings that end in different places cannot
            be compared by them.
        permutations: Draws of the signs; ``None`` where all were tried.
        resamples: Resamples of the bootstrap.
        seed: Seed of both.
        rows: By system, then measure: the settings, then the query languages, then the pairs.
        gate_results: What each gate says of each system.
    """

    benchmark: str
    fingerprint: str
    baseline: str
    systems: tuple[str, ...]
    measures: tuple[str, ...]
    left_out: tuple[str, ...]
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
        """Iterate over the differences of one kind, in order."""
        for row in self.rows:
            named = system in (None, row.system) and measure in (None, row.measure)
            if row.kind == kind and named:
                yield row

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        facts = {
            name: value
            for name, value in vars(self).items()
            if name not in ("rows", "gate_results")
        }
        return facts | {
            "rows": [row.to_dict() for row in self.rows],
            "gates": [judgement.to_dict() for judgement in self.gate_results],
        }
