"""Batch strategies: the languages in which a query is paired with its passage.

A *mode* says how one batch is composed: which items may enter it, and in which languages the query
and the passage of an item are used. A *strategy* is a mixture of modes, whose weights may change
during training. The names are LAReQA's (Roy et al. 2020, arXiv 2004.05484).

Shapes: ``B`` pairs of a batch, ``L`` languages, ``S`` steps, ``M`` modes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenrank.errors import ConfigError
from evenrank.registry import Registry

Columns = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Language columns of the queries and of the passages, ``(B,)`` each."""

Draw = Callable[[NDArray[np.bool_], NDArray[np.float64], np.random.Generator], Columns]
"""``(present (B, L), weights (L,), generator)`` to the language columns of each pair."""

Mixture = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From progress through training, ``(S,)`` in 0..1, to the weights of the modes, ``(S, M)``."""

Alpha = float | tuple[float, float]
"""Share of monolingual batches: a number, or the first and last value of a linear schedule."""


@dataclass(frozen=True)
class Mode:
    """How one batch is composed.

    Attributes:
        name: Its name in logs.
        draw: Draws the languages of each pair; not called if ``one_language``.
        min_languages: Languages that an item must have to enter a batch.
        one_language: The whole batch is in one language, which is drawn for each step.
    """

    name: str
    draw: Draw
    min_languages: int = 1
    one_language: bool = False


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


STRATEGIES: Registry[Callable[[Alpha], Strategy]] = Registry("strategy", "evenrank.batching")


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


def draw_languages(
    present: NDArray[np.bool_],
    weights: NDArray[np.float64],
    generator: np.random.Generator,
    count: int,
) -> NDArray[np.int64]:
    """Draw ``count`` different languages for each pair, with probability proportional to weight.

    The languages with the largest log-weight plus Gumbel noise are a weighted draw without
    replacement (Vieira 2014, "Gumbel-max trick").

    Args:
        present: ``(B, L)`` languages that the pair's item has, at least ``count`` of them.
        weights: ``(L,)`` positive.
        generator: Source of randomness.
        count: Languages to draw.

    Returns:
        ``(B, count)`` columns, in the order in which they were drawn.
    """
    keys = np.log(weights) + generator.gumbel(size=present.shape)
    return np.argsort(np.where(present, -keys, np.inf), axis=1, kind="stable")[:, :count]


def _same(
    present: NDArray[np.bool_], weights: NDArray[np.float64], generator: np.random.Generator
) -> Columns:
    language = draw_languages(present, weights, generator, 1)[:, 0]
    return language, language


def _different(
    present: NDArray[np.bool_], weights: NDArray[np.float64], generator: np.random.Generator
) -> Columns:
    columns = draw_languages(present, weights, generator, 2)
    return columns[:, 0], columns[:, 1]


X_X = Mode("x-x", _same)
X_X_MONO = Mode("x-x-mono", _same, one_language=True)
X_Y = Mode("x-y", _different, min_languages=2)


def _single(mode: Mode) -> Strategy:
    """Return the strategy that uses one mode for every batch."""
    return Strategy(mode.name, (mode,), lambda progress: np.ones((len(progress), 1)))


@STRATEGIES.decorator("x-x")
def x_x(alpha: Alpha) -> Strategy:
    """Each pair is in one language and the batch mixes languages (LAReQA's weak baseline)."""
    return _single(X_X)


@STRATEGIES.decorator("x-x-mono")
def x_x_mono(alpha: Alpha) -> Strategy:
    """The whole batch is in one language: the paper's monolingual batching."""
    return _single(X_X_MONO)


@STRATEGIES.decorator("x-y")
def x_y(alpha: Alpha) -> Strategy:
    """Query and passage are in different languages: the paper's cross-lingual batching."""
    return _single(X_Y)


@STRATEGIES.decorator("hybrid")
def hybrid(alpha: Alpha) -> Strategy:
    """Monolingual with probability alpha, else cross-lingual: the paper's hybrid batches."""
    first, last = alpha if isinstance(alpha, tuple) else (alpha, alpha)

    def mixture(progress: NDArray[np.float64]) -> NDArray[np.float64]:
        share = first + (last - first) * progress
        return np.column_stack([share, 1 - share])

    name = f"hybrid({first:g})" if first == last else f"hybrid({first:g} to {last:g})"
    return Strategy(name, (X_X_MONO, X_Y), mixture)
