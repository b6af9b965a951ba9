"""What the probe observes, and how a measure of it is defined, named and found.

Shapes: ``Q`` queries, ``S`` sampled passages, ``K`` best passages, ``L`` languages of the corpus,
``A`` languages of the queries, ``I`` canaries, ``B`` languages of the canaries, ``R`` draws of a
bootstrap, ``H`` width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from evenrank.registry import Registry

Doubles: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

DRAWS = 400
LEVEL = 0.99
"""Of the intervals. A page shows ten measures: at .95, every other page would see a bias that is
not there."""
Z = 2.575829
"""A normal variable is within so many standard deviations of its mean in 99 % of draws."""


@dataclass(frozen=True, eq=False)
class Hits:
    """The best passages of some queries.

    Attributes:
        langs: ``(Q,)`` language of each query.
        top: ``(Q, K)`` positions of its best passages, in any order.
        leaves_out_itself: Whether the queries are passages, which do not find themselves.
    """

    langs: Ints
    top: Ints
    leaves_out_itself: bool


@dataclass(frozen=True, eq=False)
class Planted:
    """What became of the canaries: parallel texts that are ranked with the corpus.

    Attributes:
        langs: ``(B,)`` their languages.
        scores: ``(I, B, B)`` score of each query (by its language) and its answer in each language.
        above: ``(I, B, B)`` passages of the corpus and other canaries that score higher.
        mix: ``(I, B, L)`` share of each language among the best ``K`` passages of the corpus.
        pool: Passages of the corpus and of the canaries.
    """

    langs: Ints
    scores: Doubles
    above: Ints
    mix: Doubles
    pool: int


@dataclass(frozen=True, eq=False)
class Geometry:
    """Vectors that say how languages lie in the space; none for a correction of scores.

    Attributes:
        queries: ``(Q, H)``; query ``n`` is sampled passage ``n`` if queries are passages.
        sample: ``(S, H)`` sampled passages.
        sample_langs: ``(S,)``.
        means: ``(L, H)`` means of all passages of each language.
    """

    queries: NDArray[np.float32]
    sample: NDArray[np.float32]
    sample_langs: Ints
    means: Doubles


@dataclass(frozen=True, eq=False)
class Observed:
    """All that the measures are computed from.

    Attributes:
        languages: ``L`` languages.
        passage_langs: ``(N,)`` language of each passage.
        queries: The best passages of each query.
        neighbours: The nearest passages of each sampled passage.
        geometry: Vectors.
        planted: Canaries, if there are any.
        seed: Source of all randomness.
    """

    languages: tuple[str, ...]
    passage_langs: NDArray[np.int16]
    queries: Hits
    neighbours: Hits | None
    geometry: Geometry | None
    planted: Planted | None
    seed: int = 0

    @cached_property
    def sizes(self) -> Ints:
        """``(L,)`` passages of each language."""
        return np.bincount(self.passage_langs, minlength=len(self.languages))

    def chance(self, langs: Ints, *, leaves_out_itself: bool) -> Doubles:
        """Return ``(A, L)`` share of each language in what queries of these languages can find."""
        sizes = np.tile(self.sizes.astype(np.float64), (len(langs), 1))
        sizes[np.arange(len(langs)), langs] -= leaves_out_itself
        return np.asarray(sizes / sizes.sum(axis=1, keepdims=True))

    @cached_property
    def query_counts(self) -> tuple[Ints, Doubles]:
        """The hits of the queries, see :meth:`counts`."""
        return self.counts(self.queries, generator(self, "queries"))

    @cached_property
    def query_chance(self) -> Doubles:
        """``(A, L)`` their chances, see :meth:`chance`."""
        itself = self.queries.leaves_out_itself
        return self.chance(self.query_counts[0], leaves_out_itself=itself)

    def counts(self, hits: Hits, random: np.random.Generator) -> tuple[Ints, Doubles]:
        """Return ``(A,)`` query languages and ``(1 + R, A, L)`` their hits in each language.

        The first counts are those observed. The others are a bootstrap of queries and passages
        (Owen 2007, Annals of Applied Statistics 1:386): which passages a corpus has is chance too.
        Its intervals are wider than needed, never narrower.
        """
        langs, row = np.unique(hits.langs, return_inverse=True)
        width = len(self.languages)
        cells = (row[:, None] * width + self.passage_langs[hits.top]).ravel()
        passages, place = np.unique(hits.top.ravel(), return_inverse=True)
        by_query = resampled(random, hits.langs)
        counts = np.empty((1 + DRAWS, len(langs), width))
        for draw in range(1 + DRAWS):
            weights = np.ones(len(cells))
            if draw:
                of_passage = random.poisson(1.0, len(passages))
                weights = np.repeat(by_query[draw - 1], hits.top.shape[1]) * of_passage[place]
            found = np.bincount(cells, weights, minlength=counts[0].size)
            counts[draw] = found.reshape(len(langs), width)
        return langs, counts


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a measure returns.

    Attributes:
        value: Its value.
        margin: Half the width of its 99 % interval.
        by_language: Values by language, if there are any.
        matrix: Values by query language and passage language, if there are any.
        details: Other numbers, by name.
    """

    value: float
    margin: float
    by_language: dict[str, float] = field(default_factory=dict)
    matrix: dict[str, dict[str, float]] = field(default_factory=dict)
    details: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ProbeMeasure:
    """A registered measure.

    Attributes:
        name: Its name.
        title: What a page calls it.
        order: The page shows measures in ascending order: the best predictors lead.
        limits: The smallest and the largest value.
        no_bias: The value without bias; ``None`` where chance moves a model without bias away from
            it, so that the value is compared between models only.
        predicts: Whether it predicts what labels show, as docs/probe.md says.
        compute: The function. It returns ``None`` where the corpus does not allow it.
    """

    name: str
    title: str
    order: int
    limits: tuple[float, float]
    no_bias: float | None
    predicts: bool
    compute: Callable[[Observed], Estimate | None]

    @property
    def summary(self) -> str:
        """First line of the docstring of ``compute``."""
        return (self.compute.__doc__ or "").strip().partition("\n")[0]


PROBE_MEASURES: Registry[ProbeMeasure] = Registry("probe measure", "evenrank.probing")

Function: TypeAlias = Callable[[Observed], Estimate | None]


def probe_measure(
    name: str,
    title: str,
    *,
    order: int,
    limits: tuple[float, float],
    no_bias: float | None,
    predicts: bool = True,
) -> Callable[[Function], Function]:
    """Return a decorator that registers a function as a measure and leaves it as it is."""

    def register(function: Function) -> Function:
        one = ProbeMeasure(name, title, order, limits, no_bias, predicts, function)
        PROBE_MEASURES.register(name, one)
        return function

    return register


@dataclass(frozen=True, kw_only=True)
class ProbeFigure:
    """A measured value.

    Attributes:
        name: Name of the measure.
        value: Its value.
        low: Lower end of the 99 % interval.
        high: Upper end.
        no_bias: The value without bias, or ``None``.
        by_language: Values by language.
        matrix: Values by query language and passage language.
        details: Other numbers.
    """

    name: str
    value: float
    low: float
    high: float
    no_bias: float | None
    by_language: dict[str, float]
    matrix: dict[str, dict[str, float]]
    details: dict[str, float]

    @property
    def biased(self) -> bool | None:
        """Whether the interval excludes the value without bias; ``None`` where there is none."""
        return None if self.no_bias is None else not self.low <= self.no_bias <= self.high


def probe_figures(observed: Observed) -> dict[str, ProbeFigure]:
    """Return the figures of all measures that the corpus allows, in the order of the page."""
    found = {}
    for one in sorted(map(PROBE_MEASURES.get, PROBE_MEASURES), key=lambda one: one.order):
        if (estimate := one.compute(observed)) is not None:
            low, high = np.clip(
                [estimate.value - estimate.margin, estimate.value + estimate.margin], *one.limits
            ).tolist()
            found[one.name] = ProbeFigure(
                name=one.name,
                value=estimate.value,
                low=low,
                high=high,
                no_bias=one.no_bias,
                by_language=estimate.by_language,
                matrix=estimate.matrix,
                details=estimate.details,
            )
    return found


def generator(observed: Observed, name: str) -> np.random.Generator:
    """Return the randomness of a measure, which no other measure changes."""
    return np.random.default_rng([observed.seed, crc32(name.encode())])


def resampled(random: np.random.Generator, groups: Ints) -> Doubles:
    """Return ``(R, N)`` how often a bootstrap draws each of ``N``, from its own group only."""
    weights = np.empty((DRAWS, len(groups)))
    for group in np.unique(groups):
        at = np.flatnonzero(groups == group)
        weights[:, at] = random.multinomial(len(at), np.full(len(at), 1 / len(at)), size=DRAWS)
    return weights


def margin(draws: Doubles) -> float:
    """Return half the width of the 99 % interval of a value from draws of it."""
    return Z * float(np.std(draws))


def as_matrix(
    values: Doubles, rows: Sequence[int] | Ints, columns: Sequence[int] | Ints, names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return values by the names of query languages and passage languages, without NaN."""
    return {
        names[row]: {
            names[column]: float(values[i, j])
            for j, column in enumerate(columns)
            if np.isfinite(values[i, j])
        }
        for i, row in enumerate(rows)
    }
