"""How a measure is defined, named and found.

A measure is a pure function of a :class:`PoolRanks`, registered with the decorator below.
``evenrank list`` shows the first line of its docstring, ``docs/measures.md`` all of it. Names are
read and written as in ir_measures: ``AP``, ``RR@10``.

Shapes: ``Q`` queries, ``L`` languages, ``P`` pairs of a query and one of its relevant passages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from evenrank.errors import ConfigError
from evenrank.ranking.ranks import PoolRanks
from evenrank.registry import Registry

Values = NDArray[np.float64]
Level = Literal["query", "group", "share"]
"""What a measure returns.

``query``
    ``(Q,)`` float64, one value per query, NaN where the query is not scored.
``group``
    one float for a group of queries (all queries of one language), NaN where undefined.
``share``
    ``(Q, L)`` float64, one value per query and passage language.
"""


@dataclass(frozen=True)
class Measure:
    """A registered measure.

    Attributes:
        name: Its name without a cutoff.
        family: ``ranking`` measures are computed in every pool; ``bias`` measures only in the
            multilingual pool, where languages compete.
        level: What ``compute`` returns.
        cutoff: Whether a cutoff is required (``nDCG@10``), allowed, or not.
        better: Which direction is better; ``"none"`` if it depends on the user's goal.
        compute: The function itself: ``compute(pool)`` or ``compute(pool, cutoff)``.
        of_depth: Whether its values depend on the depth of a run, so that only results of equal
            depth can be compared by it.
        references: What the values are compared with, by name (``"minimum"``, ``"random"``):
            functions of the pool that return one value per query.
    """

    name: str
    family: Literal["ranking", "bias"]
    level: Level
    cutoff: Literal["required", "optional", "none"]
    better: Literal["higher", "lower", "none"]
    compute: Callable[..., Any]
    of_depth: bool = False
    references: Mapping[str, Callable[[PoolRanks], Values]] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (self.compute.__doc__ or "").strip().partition("\n")[0]


MEASURES: Registry[Measure] = Registry("measure", "evenrank.measures")

Function = TypeVar("Function", bound=Callable[..., Any])


def measure(
    name: str,
    *,
    family: Literal["ranking", "bias"],
    better: Literal["higher", "lower", "none"],
    level: Level = "query",
    cutoff: Literal["required", "optional", "none"] = "none",
    of_depth: bool = False,
    references: Mapping[str, Callable[[PoolRanks], Values]] | None = None,
) -> Callable[[Function], Function]:
    """Return a decorator that registers a function as a measure and does not change it."""

    def register(function: Function) -> Function:
        registered = Measure(
            name, family, level, cutoff, better, function, of_depth, references or {}
        )
        MEASURES.register(name, registered)
        return function

    return register


@dataclass(frozen=True)
class BoundMeasure:
    """A measure with its cutoff, such as ``nDCG@10``."""

    measure: Measure
    cutoff: int | None = None

    def __str__(self) -> str:
        return self.measure.name if self.cutoff is None else f"{self.measure.name}@{self.cutoff}"

    def __call__(self, pool: PoolRanks) -> Any:  # noqa: ANN401 - see Level
        """Compute the measure on one pool; ``Level`` says what it returns."""
        arguments = () if self.cutoff is None else (self.cutoff,)
        return self.measure.compute(pool, *arguments)


def parse_measure(name: str) -> BoundMeasure:
    """Return the measure called ``name``.

    Raises:
        UnknownNameError: No measure has that name; the message offers the nearest.
        ConfigError: A cutoff is missing, not allowed, or not a positive whole number.

    >>> str(parse_measure("nDCG@10"))
    'nDCG@10'
    """
    base, at, cutoff = name.partition("@")
    found = MEASURES.get(base)
    allowed = {"required": at == "@", "optional": True, "none": at == ""}[found.cutoff]
    if not allowed or (at and not re.fullmatch(r"[1-9][0-9]*", cutoff)):
        example = base if found.cutoff == "none" else f"{base}@10"
        raise ConfigError(f"measure {name!r}", repr(name), f"a name like {example!r}", "Correct it")
    return BoundMeasure(found, int(cutoff) if at else None)


def find_measure(name: str) -> Measure | None:
    """Return the measure that ``name`` stands for; ``None`` if no installed package has it.

    >>> find_measure("AP").better, find_measure("their own")
    ('higher', None)
    """
    try:
        return parse_measure(name).measure
    except ConfigError:  # results may come from where other extensions are installed
        return None


def scored_only(pool: PoolRanks, values_Q: Values) -> Values:
    """Return the values with NaN for each query that has no relevant passage in the pool.

    Args:
        pool: The pool.
        values_Q: ``(Q,)`` values.
    """
    return np.where(pool.relevant > 0, values_Q, np.nan)


def retrieved_only(pool: PoolRanks, gains_P: NDArray[Any]) -> NDArray[Any]:
    """Return the gains, 0 for each relevant passage that a run misses.

    Args:
        pool: The pool.
        gains_P: ``(P,)`` the contribution of each relevant passage.
    """
    return gains_P if pool.depth is None else gains_P * (pool.ranks <= pool.depth)


def sum_over_relevant(pool: PoolRanks, gains_P: NDArray[Any]) -> Values:
    """Sum over the relevant passages of each query.

    Args:
        pool: The pool.
        gains_P: ``(P,)`` the contribution of each relevant passage if it is retrieved.

    Returns:
        ``(Q,)`` sums, NaN for a query that has no relevant passage in the pool.
    """
    gains_P = retrieved_only(pool, gains_P)
    sums_Q = np.bincount(pool.query_of, weights=gains_P, minlength=len(pool))
    return scored_only(pool, sums_Q.astype(np.float64, copy=False))


def example_pool(
    ranks: Sequence[Mapping[str, Sequence[int]]],
    sizes: Mapping[str, int],
    query_langs: Sequence[str] | None = None,
    top_langs: Sequence[Sequence[str]] | None = None,
    *,
    parallel: Sequence[int] | None = None,
    top_passages: Sequence[Sequence[int]] | None = None,
    depth: int | None = None,
) -> PoolRanks:
    """Build a pool by hand, for the examples in docstrings and for tests.

    Args:
        ranks: For each query, the ranks of its relevant passages by their language.
        sizes: Passages of each language in the pool; its order numbers the languages.
        query_langs: Language of each query; the first language for all if ``None``.
        top_langs: Languages of the best passages of each query, best first.
        parallel: For each query, a number that parallel queries share; if ``None``, no two
            queries are parallel.
        top_passages: Positions of the best passages of each query, best first.
        depth: Depth of the run: passages at lower ranks are not retrieved.

    >>> pool = example_pool([{"de": [4], "en": [1, 2]}, {}], sizes={"de": 3, "en": 3})
    >>> pool.ranks.tolist(), pool.passage_langs.tolist(), pool.indptr.tolist()
    ([1, 2, 4], [1, 1, 0], [0, 3, 3])
    """
    number = {lang: index for index, lang in enumerate(sizes)}
    pairs = [
        sorted((rank, number[lang]) for lang, found in query.items() for rank in found)
        for query in ranks
    ]
    flat = [pair for query in pairs for pair in query]
    places = np.array([rank for rank, _ in flat], dtype=np.int64)
    langs = [number[lang] for lang in query_langs] if query_langs else [0] * len(ranks)
    tops = None if top_langs is None else [[number[lang] for lang in row] for row in top_langs]
    return PoolRanks(
        ranks=places if depth is None else np.minimum(places, depth + 1),
        indptr=np.cumsum([0, *(len(query) for query in pairs)], dtype=np.int64),
        passage_langs=np.array([lang for _, lang in flat], dtype=np.int16),
        query_langs=np.array(langs, dtype=np.int16),
        parallel=np.array(range(len(ranks)) if parallel is None else parallel, dtype=np.int32),
        pool_sizes=np.array(list(sizes.values()), dtype=np.int64),
        top_langs=None if tops is None else np.array(tops, dtype=np.int16),
        top_passages=None if top_passages is None else np.array(top_passages, dtype=np.int64),
        depth=depth,
    )
