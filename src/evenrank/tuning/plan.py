"""What is compared, on which texts, and what for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from evenrank.data.corpus import ParallelCorpus
from evenrank.errors import ConfigError
from evenrank.tuning.choice import Goal
from evenrank.tuning.grid import Grid

FIT_ON = "world-facts:train"
HALF = "half"
"""Choose on half of the benchmark's queries, and report on the others."""
ITEMS = 150
"""Items of the corpora to fit and to choose on: they are encoded, and more change little."""
RESAMPLES = 1_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How corrections are compared.

    Attributes:
        fit_on: Parallel corpus of other texts, in all languages of the benchmark's passages.
        choose_on: ``half`` of the benchmark's queries, which the report leaves out; or a parallel
            corpus, which is ranked with the benchmark's passages. That needs no labels. Its texts
            are too easy to show a loss in the own language, so ``max_own_loss`` then limits what
            is expected of the benchmark's queries: see :mod:`evenrank.tuning.places`.
        grid: The corrections.
        goal: What one of them is chosen for.
        items: Items of ``fit_on``, and of ``choose_on``, at most; 2 or more.
        resamples: Resamples of the bootstrap, 1 or more.
        seed: Seed of the halves and of the bootstrap.
    """

    fit_on: str | Path | ParallelCorpus = FIT_ON
    choose_on: str | Path | ParallelCorpus = HALF
    grid: Grid = field(default_factory=Grid)
    goal: Goal = field(default_factory=Goal)
    items: int = ITEMS
    resamples: int = RESAMPLES
    seed: int = 0

    @property
    def expects_loss(self) -> bool:
        """Whether the loss in the own language is expected from queries without labels."""
        return self.choose_on != HALF and self.goal.max_own_loss is not None

    def __post_init__(self) -> None:
        for name, value, smallest in (
            ("items", self.items, 2),
            ("resamples", self.resamples, 1),
            ("seed", self.seed, 0),
        ):
            if value < smallest:
                raise ConfigError(name, str(value), f"{smallest} or more", "Correct it")
