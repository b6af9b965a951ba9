"""Batch strategies: the languages in which a query is paired with its passage.

A *mode* says how one batch is composed: which items may enter it, and in which languages the query
and the passage of an item are used. A *strategy* is a mixture of modes, whose weights may change
during training. The names ``x-x``, ``x-x-mono`` and ``x-y`` are LAReQA's (Roy et al. 2020, arXiv
2004.05484); ``hybrid`` is from arXiv 2408.10536.

Shapes: ``I`` items of a batch, ``L`` languages, ``S`` steps, ``M`` modes, ``K`` pairs of an item,
``k`` queries of a passage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from evenrank.batching.schedule import Schedule
from evenrank.errors import ConfigError
from evenrank.registry import Registry

Columns = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Language columns of the queries and of the passages, ``(I,)`` or ``(I, K)`` each."""

Draw = Callable[[NDArray[np.bool_], NDArray[np.float64], np.random.Generator], Columns]
"""``(present (I, L), weights (L,), generator)`` to the language columns of each pair."""

Mixture = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From progress through training, ``(S,)`` in 0..1, to the weights of the modes, ``(S, M)``."""


@dataclass(frozen=True)
class Mode:
    """How one batch is composed.

    Attributes:
        name: Its name in logs.
        draw: Draws the languages of each pair; not called if ``one_language``.
        min_languages: Languages that an item must have to enter a batch.
        one_language: The passages of a batch are in one language, which is drawn for each step.
        own_share: Share of the queries of a passage that are in its language; the others are in
            other languages. ``None``: each is in any language.
        pairs_per_item: Pairs of the same item in a batch, ``K``. With more than one, the passages
            of an item in all its pairs are relevant to all its queries.
    """

    name: str
    draw: Draw
    min_languages: int = 1
    one_language: bool = False
    own_share: float | None = None
    pairs_per_item: int = 1


@dataclass(frozen=True)
class Strategy:
    """A mixture of modes over training.

    Attributes:
        name: Its name with parameters, such as ``hybrid(0.5)``.
        modes: The ``M`` modes.
        mixture: Their weights at each step.
        queries_per_passage: Queries of each passage in a batch, ``k``.
    """

    name: str
    modes: tuple[Mode, ...]
    mixture: Mixture
    queries_per_passage: int = 1


@dataclass(frozen=True)
class StrategySettings:
    """What a strategy may depend on.

    Attributes:
        alpha: Share of monolingual batches over training.
        pool_languages: Languages of each item in a pool batch.
        queries_per_passage: Queries of each passage in a batch, ``k``.
    """

    alpha: Schedule
    pool_languages: int = 2
    queries_per_passage: int = 1


STRATEGIES: Registry[Callable[[StrategySettings], Strategy]] = Registry(
    "strategy", "evenrank.batching"
)


def make_strategy(
    name: str,
    alpha: float | Sequence[float] = 0.5,
    *,
    schedule: str = "linear",
    pool_languages: int = 2,
    queries_per_passage: int = 1,
) -> Strategy:
    """Return the strategy of that name.

    Args:
        name: ``x-x``, ``x-x-mono``, ``x-y``, ``hybrid``, ``x-y-mono``, ``hybrid-mono``,
            ``hybrid-queries``, ``x-any``, ``hybrid-any``, ``pool``, ``hybrid-pool``, or another
            registered one.
        alpha: Share of monolingual batches or queries, in 0..1; or the values that it passes over
            training. Strategies without a mixture ignore it.
        schedule: How it goes from one value to the next; see ``schedule.CURVES``.
        pool_languages: Languages of each item in a pool batch; other strategies ignore it.
        queries_per_passage: Queries of each passage in a batch.

    Raises:
        UnknownNameError: No strategy or schedule has that name.
        ConfigError: ``alpha`` is outside 0..1, or another number is below 1.

    >>> make_strategy("hybrid", 0.5).name
    'hybrid(0.5)'
    """
    for setting, value in {
        "pool_languages": pool_languages,
        "queries_per_passage": queries_per_passage,
    }.items():
        if value < 1:
            raise ConfigError(setting, f"{value}", "at least 1", "Use 2 or more")
    schedule_ = Schedule.of(alpha, schedule)
    settings = StrategySettings(schedule_, pool_languages, queries_per_passage)
    made = STRATEGIES.get(name)(settings)
    return replace(made, queries_per_passage=queries_per_passage)


def draw_languages(
    present: NDArray[np.bool_],
    weights: NDArray[np.float64],
    generator: np.random.Generator,
    count: int,
) -> NDArray[np.int64]:
    """Draw ``count`` different languages for each item, with probability proportional to weight.

    The languages with the largest log-weight plus Gumbel noise are a weighted draw without
    replacement (Vieira 2014, "Gumbel-max trick").

    Args:
        present: ``(I, L)`` languages that the item has, at least ``count`` of them.
        weights: ``(L,)`` positive.
        generator: Source of randomness.
        count: Languages to draw.

    Returns:
        ``(I, count)`` columns, in the order in which they were drawn.
    """
    keys = np.log(weights) + generator.gumbel(size=present.shape)
    keys[~present] = -np.inf
    if count > 2:
        return np.argsort(-keys, axis=1, kind="stable")[:, :count]
    best: NDArray[np.int64] = keys.argmax(axis=1)  # faster than sorting
    if count == 1:
        return best[:, None]
    keys[np.arange(len(keys)), best] = -np.inf
    return np.column_stack([best, keys.argmax(axis=1)])


def other_language(
    present: NDArray[np.bool_],
    own: NDArray[np.int64],
    weights: NDArray[np.float64],
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw another language of each item than ``own``; its own if the item has no other."""
    every = np.arange(len(own))
    others = present.copy()
    others[every, own] = False
    alone = ~others.any(axis=1)
    others[every[alone], own[alone]] = True
    return draw_languages(others, weights, generator, 1)[:, 0]


def _same(
    present: NDArray[np.bool_], weights: NDArray[np.float64], generator: np.random.Generator
) -> Columns:
    language = draw_languages(present, weights, generator, 1)
    return language, language


def _different(
    present: NDArray[np.bool_], weights: NDArray[np.float64], generator: np.random.Generator
) -> Columns:
    columns = draw_languages(present, weights, generator, 2)
    return columns[:, 0], columns[:, 1]


def _independent(
    present: NDArray[np.bool_],
    weights: NDArray[np.float64],
    generator: np.random.Generator,
    count: int,
) -> Columns:
    """Draw ``count`` languages for the queries of an item, and as many for its passages.

    A passage is in the query's language with the same probability whether it is relevant or not,
    so a batch does not teach that the language says something about relevance.
    """
    query = draw_languages(present, weights, generator, count)
    return query, draw_languages(present, weights, generator, count)


X_X = Mode("x-x", _same, own_share=1)
X_X_MONO = Mode("x-x-mono", _same, one_language=True, own_share=1)
X_Y = Mode("x-y", _different, min_languages=2, own_share=0)
X_Y_MONO = Mode("x-y-mono", _same, min_languages=2, one_language=True, own_share=0)
X_ANY = Mode("x-any", partial(_independent, count=1))


def pool_mode(languages: int) -> Mode:
    """Return the mode with ``languages`` queries and as many passages of each item."""
    draw = partial(_independent, count=languages)
    return Mode(f"pool({languages})", draw, min_languages=languages, pairs_per_item=languages)


def queries_mode(own: int, queries: int) -> Mode:
    """Return the mode with ``own`` of the ``queries`` of a passage in its language."""
    if own in (0, queries):
        return X_X_MONO if own else X_Y_MONO
    return replace(X_Y_MONO, name=f"mono({own} of {queries})", own_share=own / queries)


def single(mode: Mode) -> Strategy:
    """Return the strategy that uses one mode for every batch."""
    return Strategy(mode.name, (mode,), lambda progress: np.ones((len(progress), 1)))


def monolingual_or(mode: Mode, name: str, alpha: Schedule) -> Strategy:
    """Return the strategy with monolingual batches with probability alpha, else another mode."""

    def mixture(progress: NDArray[np.float64]) -> NDArray[np.float64]:
        share = alpha.at(progress)
        return np.column_stack([share, 1 - share])

    return Strategy(name, (X_X_MONO, mode), mixture)


@STRATEGIES.decorator("x-x")
def x_x(settings: StrategySettings) -> Strategy:
    """Each pair is in one language and the batch mixes languages (LAReQA's weak baseline)."""
    return single(X_X)


@STRATEGIES.decorator("x-x-mono")
def x_x_mono(settings: StrategySettings) -> Strategy:
    """The whole batch is in one language: the paper's monolingual batching."""
    return single(X_X_MONO)


@STRATEGIES.decorator("x-y")
def x_y(settings: StrategySettings) -> Strategy:
    """Query and passage are in different languages: the paper's cross-lingual batching."""
    return single(X_Y)


@STRATEGIES.decorator("hybrid")
def hybrid(settings: StrategySettings) -> Strategy:
    """Monolingual with probability alpha, else cross-lingual: the paper's hybrid batches."""
    return monolingual_or(X_Y, f"hybrid({settings.alpha})", settings.alpha)


@STRATEGIES.decorator("x-y-mono")
def x_y_mono(settings: StrategySettings) -> Strategy:
    """All passages of a batch are in one language, and its queries in any others.

    So the language of a passage says nothing about its relevance.
    """
    return single(X_Y_MONO)


@STRATEGIES.decorator("hybrid-mono")
def hybrid_mono(settings: StrategySettings) -> Strategy:
    """Monolingual with probability alpha, else x-y-mono: passages are always in one language."""
    return monolingual_or(X_Y_MONO, f"hybrid-mono({settings.alpha})", settings.alpha)


@STRATEGIES.decorator("hybrid-queries")
def hybrid_queries(settings: StrategySettings) -> Strategy:
    """All passages of a batch are in one language; so is a share alpha of the queries of each.

    The others are in any other languages. With one query per passage it is hybrid-mono.
    """
    alpha, queries = settings.alpha, settings.queries_per_passage

    def mixture(progress: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weigh the two numbers next to alpha k, so that alpha k queries are expected."""
        wanted = alpha.at(progress)[:, None] * queries
        weights: NDArray[np.float64] = np.clip(1 - np.abs(wanted - np.arange(queries + 1)), 0, 1)
        return weights

    modes = tuple(queries_mode(own, queries) for own in range(queries + 1))
    return Strategy(f"hybrid-queries({alpha}; {queries})", modes, mixture)


@STRATEGIES.decorator("x-any")
def x_any(settings: StrategySettings) -> Strategy:
    """The languages of query and passage are drawn independently of each other."""
    return single(X_ANY)


@STRATEGIES.decorator("hybrid-any")
def hybrid_any(settings: StrategySettings) -> Strategy:
    """Monolingual with probability alpha, else x-any."""
    return monolingual_or(X_ANY, f"hybrid-any({settings.alpha})", settings.alpha)


@STRATEGIES.decorator("pool")
def pool(settings: StrategySettings) -> Strategy:
    """Each item has k queries and k passages in a batch, which is a small multilingual pool."""
    return single(pool_mode(settings.pool_languages))


@STRATEGIES.decorator("hybrid-pool")
def hybrid_pool(settings: StrategySettings) -> Strategy:
    """Monolingual with probability alpha, else pool."""
    name = f"hybrid-pool({settings.alpha}; {settings.pool_languages})"
    return monolingual_or(pool_mode(settings.pool_languages), name, settings.alpha)
