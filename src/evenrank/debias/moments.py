"""Counts, means and covariances of embeddings by language, computed in one pass.

Memory depends on the number of languages and on the width, not on the number of rows.

Shapes: ``N`` rows, ``H`` width of the embeddings, ``L`` languages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenrank.debias.rows import (
    LONGEST,
    Blocks,
    Doubles,
    Floats,
    Kind,
    by_language,
    not_finite,
    require_matrix,
)
from evenrank.errors import DataError

_PART = 1_024
"""Rows whose float32 sum is added to a float64 sum: they stay in the processor's cache."""
_DENSE = 1_024
"""Rows of a language that all count for its covariance; of later rows, fewer and fewer."""
_PRIOR = 32
"""Texts that the covariance of all languages counts for in the covariance of one language."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Statistics of embeddings by language.

    Attributes:
        languages: Sorted.
        counts: ``(L,)`` int64, 2 or more.
        means: ``(L, H)`` sample means.
        spreads: ``(L,)`` trace of each language's covariance (divisor ``n - 1``).
        covariances: ``(L, H, H)``, or ``None`` if they were not asked for.
        sample: ``(S, H)`` rows drawn at random, all equally likely; empty if not asked for.
    """

    languages: tuple[str, ...]
    counts: NDArray[np.int64]
    means: Doubles
    spreads: Doubles
    covariances: Doubles | None
    sample: Floats

    @property
    def width(self) -> int:
        """``H``."""
        return int(self.means.shape[1])

    def shrunk_means(self) -> Doubles:
        """Return means that move towards the mean of all languages where texts are few.

        Positive-part empirical Bayes (James and Stein 1961; Efron and Morris 1973, JASA 68:117):
        ``m + (1 - B_l) (mean_l - m)`` with ``B_l = v_l / (v_l + t)``, where ``v_l = spread_l /
        n_l`` is the squared error of ``mean_l``, ``m`` the mean of the means, and ``t = max(0,
        sum_l |mean_l - m|^2 / (L - 1) - mean_l v_l)`` the variance between languages.
        """
        centre = self.means.mean(axis=0)
        apart = self.means - centre
        error = self.spreads / self.counts
        between = max(0.0, float((apart**2).sum()) / (len(apart) - 1) - float(error.mean()))
        kept = between / np.maximum(error + between, np.finfo(float).tiny)
        return np.asarray(centre + kept[:, None] * apart)

    @cached_property
    def shrunk_covariances(self) -> Doubles:
        """``(L, H, H)`` covariances that move towards their mean where texts are few.

        ``(n_l S_l + 32 S) / (n_l + 32)`` with ``S`` the mean of all ``S_l``: the posterior mean
        under a prior that is worth 32 texts.
        """
        assert self.covariances is not None
        weight = (self.counts / (self.counts + _PRIOR))[:, None, None]
        pooled = self.covariances.mean(axis=0)
        return np.asarray(weight * self.covariances + (1 - weight) * pooled)


@dataclass(eq=False)
class _Sums:
    """Running sums of one language: of all rows, and of thinned rows about a fixed centre.

    Thinned rows are all of the first ``_DENSE``, then every second one up to twice as many, then
    every fourth one up to four times as many, with weights 1, 2, 4, ... A covariance needs no more.
    """

    centre: Floats
    covariances: bool

    def __post_init__(self) -> None:
        width = len(self.centre)
        self.count = 0
        self.total = np.zeros(width)
        self.weight = self.squares = 0.0
        self.thin_total = np.zeros(width)
        self.thin_square = np.zeros((width, width)) if self.covariances else None
        self._waiting: list[Floats] = []

    def add(self, rows_NH: NDArray[Any]) -> None:
        """Add rows of this language."""
        for start in range(0, len(rows_NH), _PART):
            part = rows_NH[start : start + _PART].astype(np.float32, copy=False)
            self.total += part.sum(axis=0)
            before, self.count = self.count, self.count + len(part)
            if not self.usable:
                return
            step = 1 << (max(before // _DENSE, 1).bit_length() - 1)
            self._add_thinned(part[-before % step :: step] - self.centre, step)

    def _add_thinned(self, part: Floats, step: int) -> None:
        self.weight += step * len(part)
        self.thin_total += step * part.sum(axis=0)
        self.squares += step * float(np.vdot(part, part))
        if self.thin_square is not None:
            self._waiting.append(part * np.float32(np.sqrt(step)))
            if sum(map(len, self._waiting)) >= _PART:  # few large products are faster
                self._multiply()

    def _multiply(self) -> None:
        rows = np.concatenate([*self._waiting, np.empty((0, len(self.centre)), np.float32)])
        self._waiting = []
        assert self.thin_square is not None
        self.thin_square += rows.T @ rows

    @property
    def usable(self) -> bool:
        """Whether the sums are possible for vectors of a sensible length."""
        return bool(np.abs(self.total).max() <= LONGEST * self.count)

    def spread(self) -> float:
        """Return the trace of the covariance."""
        mean = self.thin_total / self.weight
        return max(0.0, self.squares - self.weight * float(mean @ mean)) / (self.weight - 1)

    def covariance(self) -> Doubles:
        """Return the covariance."""
        mean = self.thin_total / self.weight
        self._multiply()
        assert self.thin_square is not None
        return (self.thin_square - self.weight * np.outer(mean, mean)) / (self.weight - 1)


@dataclass(eq=False)
class _Sample:
    """Rows with the smallest of random keys: a uniform sample of a stream of unknown length."""

    size: int
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    keys: Doubles = field(default_factory=lambda: np.empty(0))
    rows: Floats | None = None

    def add(self, rows_NH: NDArray[Any]) -> None:
        keys = self.random.random(len(rows_NH))
        limit = self.keys.max(initial=0) if len(self.keys) >= self.size else 1.0
        new = np.flatnonzero(keys < limit)
        rows = rows_NH[new].astype(np.float32)
        self.rows = rows if self.rows is None else np.concatenate([self.rows, rows])
        self.keys = np.concatenate([self.keys, keys[new]])
        if len(self.keys) > self.size:
            best = np.sort(np.argpartition(self.keys, self.size - 1)[: self.size])
            self.keys, self.rows = self.keys[best], self.rows[best]


def gather(blocks: Blocks, kind: Kind, *, covariances: bool = False, sample: int = 0) -> Moments:
    """Read embeddings once and return their statistics by language.

    Args:
        blocks: Embeddings with their languages, float32 or float16; a block may be a memory map.
        kind: What they embed, for messages.
        covariances: Compute the covariance of each language as well.
        sample: Keep so many rows.

    Raises:
        DataError: There is one language only, a language with one text, a block of another width,
            an unknown language code, or a number that is not finite.
    """
    sums: dict[str, _Sums] = {}
    drawn = _Sample(sample)
    centre: Floats | None = None
    start = 0
    for block, langs in blocks:
        rows_NH = np.asarray(block)
        if not len(rows_NH):
            continue
        if centre is None:
            require_matrix(rows_NH, kind)
            # About a centre near the mean, float32 sums of products lose no digits.
            centre = rows_NH[:_PART].mean(axis=0, dtype=np.float32)
        require_matrix(rows_NH, kind, len(centre))
        for lang, rows in by_language(rows_NH, langs, kind):
            own = sums.setdefault(lang, _Sums(centre, covariances))
            own.add(rows)
            if not own.usable:
                raise not_finite(rows_NH, kind, start)
        if sample:
            drawn.add(rows_NH)
        start += len(rows_NH)
    if centre is None:
        raise DataError(f"{kind} embeddings", "no rows", "embeddings in two languages", _MORE)
    return _finished(sums, drawn.rows, kind)


_MORE = "Add texts, or leave the language out"


def _finished(sums: dict[str, _Sums], sample: Floats | None, kind: Kind) -> Moments:
    languages = tuple(sorted(sums))
    if len(languages) < 2:
        raise DataError(
            f"{kind} embeddings",
            f"one language only, {languages[0]!r}",
            "two or more languages",
            "Add texts in another language: without them there is nothing to correct",
        )
    for lang in languages:
        if sums[lang].count < 2:
            found, expected = f"1 {kind} in {lang!r}", "2 or more"
            raise DataError(f"{kind} embeddings", found, expected, _MORE)
    own = [sums[lang] for lang in languages]
    rows = np.empty((0, len(own[0].centre)), dtype=np.float32) if sample is None else sample
    return Moments(
        languages,
        counts=np.array([one.count for one in own], dtype=np.int64),
        means=np.array([one.total / one.count for one in own]),
        spreads=np.array([one.spread() for one in own]),
        covariances=np.array([one.covariance() for one in own]) if own[0].covariances else None,
        sample=rows,
    )
