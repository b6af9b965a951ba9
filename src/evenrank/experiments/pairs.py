"""Which pairs of languages gain: by script, by family, and by what their texts share."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from scipy.stats import spearmanr

from evenrank.benchmarks.benchmark import Benchmark
from evenrank.languages import script_of
from evenrank.results.schema import Result

MEASURE = "AP"
TEXTS = 500
"""Passages of a language whose character trigrams are compared."""

Gains = dict[tuple[str, str], float]
"""Query language and passage language, different ones, to a difference."""


@dataclass(frozen=True)
class PairGroup:
    """The gain of some pairs of languages: their number and the mean difference."""

    name: str
    pairs: int
    gain: float | None


@dataclass(frozen=True)
class PairGains:
    """How the gain of a system depends on the pair of languages.

    Attributes:
        groups: Pairs with the same script and with others, of the same family and of others.
        correlation: Spearman's rank correlation of the gain with the share of character trigrams
            that the passages of both languages have; ``None`` for fewer than three pairs.
    """

    groups: tuple[PairGroup, ...]
    correlation: float | None


def pair_gains(
    before: Sequence[Result], after: Sequence[Result], benchmark: Benchmark
) -> PairGains | None:
    """Return how the difference of two systems depends on the pair of languages.

    Args:
        before: Results of the baseline, one for each seed.
        after: Results of the system.
        benchmark: What both were measured on.

    Returns:
        ``None`` if the results miss the measure, or there is one language only.
    """
    first, second = _means(before), _means(after)
    gains = {pair: second[pair] - first[pair] for pair in first.keys() & second.keys()}
    if not gains:
        return None
    groups = [
        _group(name, gains, test)
        for name, test in (
            ("same script", lambda one, other: script_of(one) == script_of(other)),
            ("other script", lambda one, other: script_of(one) != script_of(other)),
            ("same family", lambda one, other: _related(one, other) is True),
            ("other family", lambda one, other: _related(one, other) is False),
        )
    ]
    pairs = sorted(gains)
    overlap = _overlaps(benchmark)
    shared = [overlap[pair] for pair in pairs]
    known = len(pairs) > 2 and np.ptp(shared) > 0 and np.ptp([*gains.values()]) > 0
    correlation = spearmanr(shared, [gains[pair] for pair in pairs]).statistic if known else None
    return PairGains(tuple(groups), None if correlation is None else float(correlation))


def _means(results: Sequence[Result]) -> Gains:
    """Return the mean over seeds for each pair of different languages."""
    tables = [result.pairs.get(MEASURE, {}) for result in results]
    means = {}
    for asked, row in tables[0].items():
        for found in row:
            values = [table.get(asked, {}).get(found) for table in tables]
            known = [value for value in values if value is not None]
            if asked != found and known:
                means[asked, found] = sum(known) / len(known)
    return means


def _group(name: str, gains: Gains, test: Callable[[str, str], bool]) -> PairGroup:
    chosen = [gain for pair, gain in gains.items() if test(*pair)]
    return PairGroup(name, len(chosen), sum(chosen) / len(chosen) if chosen else None)


def _related(one: str, other: str) -> bool | None:
    """Return whether two languages are of one family; ``None`` if that is not known."""
    known = _families()
    return known[one] == known[other] if one in known and other in known else None


@cache
def _families() -> Mapping[str, str]:
    text = (files("evenrank.experiments") / "families.toml").read_text(encoding="utf-8")
    return {lang: name for name, langs in tomllib.loads(text).items() for lang in langs.split()}


@cache  # benchmarks are compared by identity
def _overlaps(benchmark: Benchmark) -> Gains:
    """Return the share of trigrams that two languages have in common, of the smaller set."""
    trigrams = {}
    for number, lang in enumerate(benchmark.languages):
        first, end = benchmark.offsets[number], benchmark.offsets[number + 1]
        texts = benchmark.passages.texts[first : min(first + TEXTS, end)].to_pylist()
        lower = [text.lower() for text in texts]
        trigrams[lang] = {text[at : at + 3] for text in lower for at in range(len(text) - 2)}
    return {
        (one, other): len(trigrams[one] & trigrams[other])
        / max(1, min(len(trigrams[one]), len(trigrams[other])))
        for one in trigrams
        for other in trigrams
    }
