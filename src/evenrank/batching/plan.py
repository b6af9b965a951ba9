"""The plan of all batches: any step of any epoch, without replaying the steps before it.

Every process computes the same plan from the same few numbers, so all agree on every batch and on
the length, and a run that resumes at step ``k`` gets the batches that an unbroken run gets. Memory
does not grow with the corpus, except for the corpus's matrix and, where translations are missing,
the list of items that have each language.

Shapes: ``B`` pairs of a batch, ``I`` items, ``L`` languages, ``S`` steps of an epoch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evenrank.batching.permutation import permuted
from evenrank.batching.strategies import Mode, Strategy
from evenrank.data.corpus import ParallelCorpus
from evenrank.errors import ConfigError
from evenrank.files import fingerprint_of


class Batch(NamedTuple):
    """One batch: which query is paired with which passage.

    Attributes:
        corpus: Number of the corpus.
        mode: Name of its mode.
        language: The language of the whole batch; ``None`` if the batch mixes languages.
        query_rows: ``(B,)`` row numbers in the corpus table.
        passage_rows: ``(B,)`` row numbers in the corpus table.
    """

    corpus: int
    mode: str
    language: str | None
    query_rows: NDArray[np.int64]
    passage_rows: NDArray[np.int64]


class _Stream(NamedTuple):
    """Batches that walk through the same items: one corpus, mode and language (-1: mixed)."""

    corpus: int
    mode: int
    language: int


class _Items(NamedTuple):
    """The items that may enter a stream's batches; ``chosen`` is ``None`` if all may."""

    size: int
    chosen: NDArray[np.int64] | None

    def at(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        return positions if self.chosen is None else self.chosen[positions]


@dataclass(frozen=True, eq=False)
class _Schedule:
    """What each step of an epoch draws, and how many earlier steps drew the same stream."""

    streams: list[_Stream]
    stream_of_step: NDArray[np.int64]
    turn_of_step: NDArray[np.int64]


class BatchPlan:
    """All batches of a training run, as a pure function of (epoch, step).

    A step draws a corpus, then a mode, then (for batches in one language) a language. These three
    name a stream. A stream walks through a random permutation of its items, a new one in each epoch
    and after each full pass, so items come equally often. A batch never contains two items with the
    same passage or translations of it: the second one is replaced by another random item.

    Args:
        corpora: Corpora to mix, at least one.
        strategy: See ``make_strategy``.
        batch_size: Pairs of a batch, over all processes.
        seed: Source of all randomness.
        total_steps: Steps of the whole run; computed from ``epochs`` if ``None``.
        epochs: Passes over the rows of the corpora.
        corpus_exponent: Corpora are drawn with probability proportional to rows to this power
            (1: by size, 0: uniform).
        language_exponent: The same for languages within a corpus, by items.

    Raises:
        ConfigError: A corpus has too few languages or too few distinct passages for the batches.
    """

    def __init__(
        self,
        corpora: Sequence[ParallelCorpus],
        strategy: Strategy,
        *,
        batch_size: int,
        seed: int,
        total_steps: int | None = None,
        epochs: float = 1.0,
        corpus_exponent: float = 1.0,
        language_exponent: float = 0.0,
    ) -> None:
        self.corpora = tuple(corpora)
        self.strategy = strategy
        self.batch_size = batch_size
        self.seed = seed
        sizes = np.array([(corpus.rows >= 0).sum() for corpus in corpora], dtype=np.float64)
        self._corpus_share = _shares(sizes, corpus_exponent)
        self._weights = [
            _shares((corpus.rows >= 0).sum(axis=0), language_exponent) for corpus in corpora
        ]
        self.steps_per_epoch = max(1, int(sizes.sum()) // batch_size)
        self.total_steps = total_steps or math.ceil(epochs * self.steps_per_epoch)
        self._items = lru_cache(maxsize=None)(self._find_items)
        self._schedule = lru_cache(maxsize=2)(self._make_schedule)
        self._check()

    def batch(self, epoch: int, step: int) -> Batch:
        """Return the batch of a step, ``0 <= step < steps_per_epoch``."""
        schedule = self._schedule(epoch)
        stream = schedule.streams[schedule.stream_of_step[step]]
        turn = int(schedule.turn_of_step[step])
        corpus, mode = self.corpora[stream.corpus], self.strategy.modes[stream.mode]
        items = self._distinct_items(stream, epoch, turn)
        rows = corpus.rows[items]
        if mode.one_language:
            query = passage = np.full(len(items), stream.language)
        else:
            generator = np.random.Generator(np.random.Philox(self._key("draw", epoch, step)))
            query, passage = mode.draw(rows >= 0, self._weights[stream.corpus], generator)
        every = np.arange(len(items))
        return Batch(
            stream.corpus,
            mode.name,
            corpus.languages[stream.language] if mode.one_language else None,
            rows[every, query].astype(np.int64),
            rows[every, passage].astype(np.int64),
        )

    def _make_schedule(self, epoch: int) -> _Schedule:
        """Draw corpus, mode and language of every step of an epoch."""
        generator = np.random.Generator(np.random.Philox(self._key("schedule", epoch)))
        uniform = generator.random((3, self.steps_per_epoch))
        steps = epoch * self.steps_per_epoch + np.arange(self.steps_per_epoch)
        mixture = self.strategy.mixture(np.clip(steps / max(1, self.total_steps - 1), 0, 1))
        corpus = _pick(self._corpus_share[None, :], uniform[0])
        mode = _pick(mixture, uniform[1])
        language = np.full(self.steps_per_epoch, -1)
        alone = np.array([one.one_language for one in self.strategy.modes])[mode]
        for number, weights in enumerate(self._weights):
            here = alone & (corpus == number)
            language[here] = _pick(weights[None, :], uniform[2][here])
        drawn, stream_of_step = np.unique(
            np.stack([corpus, mode, language]), axis=1, return_inverse=True
        )
        streams = [_Stream(*column) for column in drawn.T.tolist()]
        return _Schedule(streams, stream_of_step, _running_count(stream_of_step, len(streams)))

    def _distinct_items(self, stream: _Stream, epoch: int, turn: int) -> NDArray[np.int64]:
        """Return the next ``B`` items of a stream, each with a passage of its own."""
        eligible = self._items(stream)
        groups = self.corpora[stream.corpus].groups
        size, wanted = eligible.size, self.batch_size
        positions = turn * wanted + np.arange(wanted)
        walk = np.empty(wanted, dtype=np.int64)
        for pass_ in np.unique(positions // size).tolist():
            here = positions // size == pass_
            walk[here] = permuted(positions[here] % size, size, self._key(*stream, epoch, pass_))
        items = _first_of_group(eligible.at(walk), groups)
        key = self._key(*stream, epoch, "spare", turn)
        for begin in range(0, size, wanted):
            if len(items) >= wanted:
                break
            more = permuted(np.arange(begin, min(begin + wanted, size)), size, key)
            items = _first_of_group(np.concatenate([items, eligible.at(more)]), groups)
        return items[:wanted]

    def _find_items(self, stream: _Stream) -> _Items:
        """Return the items that may enter a stream's batches."""
        present = self.corpora[stream.corpus].rows >= 0
        if stream.language >= 0:
            mask = present[:, stream.language]
        else:
            mask = present.sum(axis=1) >= self.strategy.modes[stream.mode].min_languages
        count = int(mask.sum())
        return _Items(count, None if count == len(mask) else np.flatnonzero(mask))

    def _check(self) -> None:
        """Refuse at once what a later step could not do."""
        for number, corpus in enumerate(self.corpora):
            for index, mode in enumerate(self.strategy.modes):
                _require_languages(corpus, mode)
                columns = range(len(corpus.languages)) if mode.one_language else (-1,)
                for language in columns:
                    stream = _Stream(number, index, language)
                    self._check_size(corpus, stream, mode.name)

    def _check_size(self, corpus: ParallelCorpus, stream: _Stream, mode: str) -> None:
        items = self._items(stream)
        passages = len(np.unique(corpus.groups[items.at(np.arange(items.size))]))
        if passages < self.batch_size:
            where = f" in {corpus.languages[stream.language]}" if stream.language >= 0 else ""
            raise ConfigError(
                f"corpus {corpus.name!r}",
                f"{passages} distinct passages{where} for {mode} batches of {self.batch_size}",
                "at least as many distinct passages as a batch has pairs",
                f"Use a batch size of at most {passages}, or add data",
            )

    def _key(self, *parts: str | int) -> int:
        return int(fingerprint_of(str(self.seed), *(str(part) for part in parts)), 16)


def _require_languages(corpus: ParallelCorpus, mode: Mode) -> None:
    count = len(corpus.languages)
    if count < mode.min_languages:
        raise ConfigError(
            f"corpus {corpus.name!r}",
            f"{count} language ({', '.join(corpus.languages)})",
            f"at least {mode.min_languages} for {mode.name} batches",
            "Add a language, or use the strategy x-x-mono",
        )


def _shares(sizes: NDArray[np.generic], exponent: float) -> NDArray[np.float64]:
    """Return probabilities proportional to ``sizes ** exponent``."""
    powers: NDArray[np.float64] = sizes.astype(np.float64) ** exponent
    shares: NDArray[np.float64] = powers / powers.sum()
    return shares


def _pick(weights: NDArray[np.float64], uniform: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return for each number in 0..1 the choice whose share of the weights contains it.

    Args:
        weights: ``(S, choices)`` or ``(1, choices)``, each row adds up to 1.
        uniform: ``(S,)``.
    """
    bounds = np.cumsum(weights, axis=1)[:, :-1]
    picked: NDArray[np.int64] = (uniform[:, None] >= bounds).sum(axis=1)
    return picked


def _running_count(values: NDArray[np.int64], kinds: int) -> NDArray[np.int64]:
    """Return for each value how many equal values come before it."""
    order = np.argsort(values, kind="stable")
    counts = np.bincount(values, minlength=kinds)
    before = np.empty(len(values), dtype=np.int64)
    before[order] = np.arange(len(values)) - np.repeat(np.cumsum(counts) - counts, counts)
    return before


def _first_of_group(items: NDArray[np.int64], groups: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the items in order, without those whose passage group an earlier item has."""
    first = np.unique(groups[items], return_index=True)[1]
    return items[np.sort(first)]
