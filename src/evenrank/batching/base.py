"""What a batch strategy is made of, and how it is found.

A *mode* says how one batch is composed: which items may enter it, and in which languages a query
meets its passage. A *strategy* is a mixture of modes, whose weights may change over training. The
names are LAReQA's (Roy et al. 2020, arXiv 2004.05484).

Shapes: ``B`` rows of a batch, ``I`` items, ``L`` languages, ``S`` steps, ``M`` modes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenrank.errors import ConfigError
from evenrank.registry import Registry

Columns = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class Mode:
    """How one batch is composed.

    Attributes:
        name: Its name in logs.
        one_language: The whole batch is in one language, which is drawn for each step.
        fewest: Languages that an item needs to have, to enter a batch.
        draw: ``(present (B, L), weights (L,), generator) -> (query, passage)``, the language
            columns of each row; not called where ``one_language``.
    """

    name: str
    one_language: bool
    fewest: int
    draw: Callable[[NDArray[np.bool_], NDArray[np.float64], np.random.Generator], Columns]


Mixture = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From progress through training, ``(S,)`` in 0..1, to the weights of the modes, ``(S, M)``."""


@dataclass(frozen=True)
class Strategy:
    """A mixture of modes over training.

    Attributes:
        name: Its name with parameters, such as ``hybrid(0.5)``.
        modes: The ``M`` modes.
        mixture: Their weights at each step.
    """

    name: str
    modes: tuple[Mode, ...]
    mixture: Mixture


Alpha = float | tuple[float, float]
"""Share of monolingual batches: a number, or the first and last value of a linear schedule."""

StrategyMaker = Callable[[Alpha], Strategy]

STRATEGIES: Registry[StrategyMaker] = Registry("strategy", "evenrank.batching")


def make_strategy(name: str, alpha: Alpha = 0.5) -> Strategy:
    """Return the strategy of that name.

    Args:
        name: ``x-x``, ``x-x-mono``, ``x-y``, ``hybrid``, or another registered one.
        alpha: Share of monolingual batches, in 0..1; or a pair ``(first, last)`` between which it
            changes linearly over training. Strategies without a mixture ignore it.

    Raises:
        UnknownNameError: No strategy has that name.
        ConfigError: ``alpha`` is outside 0..1.

    >>> make_strategy("hybrid", 0.5).name
    'hybrid(0.5)'
    """
    for value in alpha if isinstance(alpha, tuple) else (alpha,):
        if not 0 <= value <= 1:
            raise ConfigError(
                "alpha", f"{value}", "a share of batches in 0..1", "Use a value such as 0.5"
            )
    return STRATEGIES.get(name)(alpha)


def single(mode: Mode) -> Strategy:
    """Return the strategy that uses one mode for every batch."""
    return Strategy(mode.name, (mode,), lambda progress: np.ones((len(progress), 1)))


def draw_languages(
    present: NDArray[np.bool_],
    weights: NDArray[np.float64],
    generator: np.random.Generator,
    count: int,
) -> NDArray[np.int64]:
    """Draw ``count`` different languages for each row, with probability proportional to weight.

    The languages with the largest log-weight plus Gumbel noise are a weighted draw without
    replacement (Vieira 2014, "Gumbel-max trick").

    Args:
        present: ``(B, L)`` languages that the row's item has, at least ``count`` of them.
        weights: ``(L,)`` positive.
        generator: Source of randomness.
        count: Languages to draw.

    Returns:
        ``(B, count)`` columns, in the order in which they were drawn.
    """
    keys = np.log(weights) + generator.gumbel(size=present.shape)
    return np.argsort(np.where(present, -keys, np.inf), axis=1, kind="stable")[:, :count]


def require_languages(name: str, languages: Sequence[str], mode: Mode) -> None:
    """Refuse a corpus that has fewer languages than a mode needs.

    Raises:
        ConfigError: It has too few.
    """
    if len(languages) < mode.fewest:
        raise ConfigError(
            f"corpus {name!r}",
            f"{len(languages)} language ({', '.join(languages)})",
            f"at least {mode.fewest} for {mode.name} batches",
            "Add a language, or use the strategy x-x-mono",
        )
