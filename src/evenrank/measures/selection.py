"""Which measures an evaluation computes, and in which pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evenrank.errors import ConfigError
from evenrank.measures.base import BoundMeasure, parse_measure
from evenrank.text import split_names

DEFAULT_MEASURES = (
    "AP",
    "R@1",
    "R@10",
    "RR@10",
    "nDCG@10",
    "rank_distance",
    "rank_distance_norm",
    "LPR",
    "W",
    "share@10",
)
"""The paper's measures, two well-known ones, and measures of how the languages compare."""


@dataclass(frozen=True)
class Selection:
    """Measures by where they are computed; see ``Measure.family`` and ``Level``.

    Attributes:
        ranking: Computed in every pool.
        bias: Computed in the multilingual pool, per query.
        group: Computed in the multilingual pool, per query language.
        share: The language share.
    """

    ranking: tuple[BoundMeasure, ...]
    bias: tuple[BoundMeasure, ...]
    group: tuple[BoundMeasure, ...]
    share: BoundMeasure

    @property
    def names(self) -> list[str]:
        """The names of all measures."""
        return [str(bound) for bound in (*self.ranking, *self.bias, *self.group, self.share)]


def select_measures(names: str | Sequence[str]) -> Selection:
    """Sort measures by where they are computed; a text separates them by commas.

    Every result has a language share: ``share@10`` unless another cutoff is named.

    Raises:
        UnknownNameError: No measure has that name.
        ConfigError: No measure is named, a cutoff is wrong, or two language shares are named.

    >>> select_measures(["W", "AP", "RR@10", "AP"]).names, select_measures("AP,W").names
    (['AP', 'RR@10', 'W', 'share@10'], ['AP', 'W', 'share@10'])
    """
    chosen = [parse_measure(name) for name in split_names(names)]
    if not chosen:
        raise ConfigError(
            "measures", "none", "at least one", "Name some, or leave it out for the usual ones"
        )

    def of(level: str, *families: str) -> tuple[BoundMeasure, ...]:
        found = (bound for bound in chosen if bound.measure.level == level)
        return tuple(bound for bound in found if bound.measure.family in families)

    shares = of("share", "bias")
    if len(shares) > 1:
        raise ConfigError(
            "measures", " and ".join(map(str, shares)), "one language share", "Leave one out"
        )
    return Selection(
        ranking=of("query", "ranking"),
        bias=of("query", "bias"),
        group=of("group", "bias"),
        share=shares[0] if shares else parse_measure("share@10"),
    )
