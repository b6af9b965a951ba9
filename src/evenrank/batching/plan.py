"""The plan of all batches: any step of any epoch, without replaying the steps before it.

Every process computes the same plan from the same few numbers, so all agree on every batch and on
the length, and a run that resumes at step ``k`` gets the batches that an unbroken run gets. Memory
does not grow with the corpus, except for the corpus's matrix, the list of items that have each
language, where translations are missing, and the order of items by passage, where a passage has
several queries.

Shapes: ``B`` pairs of a batch, ``I`` items, ``L`` languages, ``S`` steps, ``k`` queries of a
passage.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evenrank.batching.draws import Draws, Stream, draw_steps
from evenrank.batching.further import Siblings
from evenrank.batching.permutation import permuted
from evenrank.batching.strategies import Mode, Strategy, other_language
from evenrank.data.corpus import ParallelCorpus
from evenrank.errors import ConfigError
from evenrank.files import fingerprint_of

_STEPS_AT_ONCE = 1_000_000
_STEPS_COUNTED = 1_000


class Batch(NamedTuple):
    """One batch: which query is paired with which passage.

    Attributes:
        corpus: Number of the corpus.
        mode: Name of its mode.
        language: The language of all passages; ``None`` if they are in several languages.
        query_rows: ``(B,)`` row numbers in the corpus table.
        passage_rows: ``(B,)`` row numbers in the corpus table.
        groups: ``(B,)`` passage groups: the passages of pairs with the same group are relevant to
            the queries of all these pairs.
        query_languages: ``(B,)`` columns of the corpus's languages.
        passage_languages: ``(B,)`` the same for the passages.
        further_rows: ``(k - 1, B)`` rows of the further queries of each passage.
        further_languages: ``(k - 1, B)`` their languages.
        parallel_rows: ``(B,)`` rows with the same query in another language; the query's own row
            if its item has no other language. ``None`` if the plan has no parallel queries.
    """

    corpus: int
    mode: str
    language: str | None
    query_rows: NDArray[np.int64]
    passage_rows: NDArray[np.int64]
    groups: NDArray[np.int64]
    query_languages: NDArray[np.int64]
    passage_languages: NDArray[np.int64]
    further_rows: NDArray[np.int64]
    further_languages: NDArray[np.int64]
    parallel_rows: NDArray[np.int64] | None = None


class _Items(NamedTuple):
    """The items that may enter a stream's batches; ``chosen`` is ``None`` if all may."""

    size: int
    chosen: NDArray[np.int64] | None

    def at(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        return positions if self.chosen is None else self.chosen[positions]


class BatchPlan:
    """All batches of a training run, as a pure function of (epoch, step).

    A step draws a corpus, then a mode, then (for batches in one language) a language; see
    ``draws``. These three name a stream. A stream walks through a random permutation of its items,
    a new one in each epoch and after each full pass, so items come equally often. A batch never
    contains two items with the same passage or translations of it: the second one is replaced by
    another random item.

    Args:
        corpora: Corpora to mix, at least one.
        strategy: See ``make_strategy``. Its further queries of a passage are at random those of
            other items with the same passage or a translation of it.
        batch_size: Pairs of a batch, over all processes: passages, each with one or more queries.
        seed: Source of all randomness.
        total_steps: Steps of the whole run; computed from ``epochs`` if ``None``.
        epochs: Passes over the rows of the corpora.
        corpus_exponent: Corpora are drawn with probability proportional to rows to this power
            (1: by size, 0: uniform).
        language_exponent: The same for languages within a corpus, by items.
        parallel: Also draw the same query in another language for each pair.
        distinct_passages: If ``False``, a batch may contain items with one passage, or translations
            of it, which are false negatives of each other: each item is a group of its own.

    Raises:
        ConfigError: A corpus has too few languages or too few distinct passages for the batches,
            or the batch size is not a multiple of the pairs of an item.
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
        parallel: bool = False,
        distinct_passages: bool = True,
    ) -> None:
        self.corpora = tuple(corpora)
        self._groups = [
            corpus.groups if distinct_passages else np.arange(len(corpus), dtype=np.int32)
            for corpus in corpora
        ]
        self.strategy = strategy
        self.batch_size = batch_size
        self.seed = seed
        self.parallel = parallel
        sizes = np.array([(corpus.rows >= 0).sum() for corpus in corpora], dtype=np.float64)
        self._corpus_share = _shares(sizes, corpus_exponent)
        self._weights = [
            _shares((corpus.rows >= 0).sum(axis=0), language_exponent) for corpus in corpora
        ]
        queries = batch_size * strategy.queries_per_passage
        self.steps_per_epoch = max(1, int(sizes.sum()) // queries)
        self.total_steps = total_steps or math.ceil(epochs * self.steps_per_epoch)
        passes = math.ceil(self.total_steps / self.steps_per_epoch)
        self._epochs_at_once = min(passes, max(1, _STEPS_AT_ONCE // self.steps_per_epoch))
        self._items = lru_cache(maxsize=None)(self._find_items)
        self._draws = lru_cache(maxsize=2)(self._draw)
        self._siblings = list(map(Siblings, self.corpora, self._weights))
        self._check()

    def batch(self, epoch: int, step: int) -> Batch:
        """Return the batch of a step, ``0 <= step < steps_per_epoch``."""
        part, in_part = divmod(epoch, self._epochs_at_once)
        draws, place = self._draws(part), in_part * self.steps_per_epoch + step
        stream = draws.stream(place)
        corpus, mode = self.corpora[stream.corpus], self.strategy.modes[stream.mode]
        items = self._distinct_items(stream, epoch, int(draws.turn[place]))
        present, weights = corpus.rows[items] >= 0, self._weights[stream.corpus]
        generator = self._generator("draw", epoch, step)
        if mode.one_language:
            query = passage = np.full(len(items), stream.language)
            if mode.own_share == 0:
                query = other_language(present, passage, weights, generator)
        else:
            query, passage = mode.draw(present, weights, generator)
        items = np.repeat(items, mode.pairs_per_item)
        query, passage = query.ravel(), passage.ravel()
        rows, every = corpus.rows[items].astype(np.int64), np.arange(len(items))
        further = self._siblings[stream.corpus].further(
            items,
            passage,
            mode.own_share,
            self.strategy.queries_per_passage,
            self._generator("further", epoch, step),
        )
        parallel = None
        if self.parallel:
            generator = self._generator("parallel", epoch, step)
            parallel = rows[every, other_language(rows >= 0, query, weights, generator)]
        return Batch(
            stream.corpus,
            mode.name,
            corpus.languages[stream.language] if mode.one_language else None,
            rows[every, query],
            rows[every, passage],
            self._groups[stream.corpus][items].astype(np.int64),
            query,
            passage,
            *further,
            parallel,
        )

    def shares(self, steps: int) -> dict[str, dict[str, float]]:
        """Return what the first steps of the run are composed of.

        Returns:
            ``corpora``, ``modes``, ``query_languages`` and ``passage_languages``: the share of
            each name. The first two are counted over all steps; the languages over all steps, or
            over 1,000 evenly spaced ones if there are more.
        """
        counts: dict[str, Counter[str]] = {
            key: Counter() for key in ("corpora", "modes", "query_languages", "passage_languages")
        }
        size = self._epochs_at_once * self.steps_per_epoch
        for begin in range(0, steps, size):
            draws = self._draws(begin // size)
            for key, drawn, names in (
                ("corpora", draws.corpus, [corpus.name for corpus in self.corpora]),
                ("modes", draws.mode, [mode.name for mode in self.strategy.modes]),
            ):
                _count(counts[key], drawn[: steps - begin], names)
        for step in np.unique(np.linspace(0, steps - 1, min(steps, _STEPS_COUNTED), dtype=int)):
            batch = self.batch(*divmod(int(step), self.steps_per_epoch))
            languages = self.corpora[batch.corpus].languages
            queries = np.concatenate([batch.query_languages, batch.further_languages.ravel()])
            _count(counts["query_languages"], queries, languages)
            _count(counts["passage_languages"], batch.passage_languages, languages)
        return {
            key: {name: round(times / count.total(), 4) for name, times in count.items()}
            for key, count in counts.items()
        }

    def _draw(self, part: int) -> Draws:
        """Draw corpus, mode and language of the steps of some epochs."""
        epochs = self._epochs_at_once
        steps = (part * epochs) * self.steps_per_epoch + np.arange(epochs * self.steps_per_epoch)
        progress = np.clip(steps / max(1, self.total_steps - 1), 0, 1)
        return draw_steps(
            self._corpus_share,
            self.strategy.mixture(progress),
            [mode.one_language for mode in self.strategy.modes],
            self._weights,
            steps // self.steps_per_epoch,
            self._generator("schedule", part),
        )

    def _distinct_items(self, stream: Stream, epoch: int, turn: int) -> NDArray[np.int64]:
        """Return the next items of a stream, each with a passage of its own."""
        eligible = self._items(stream)
        groups = self._groups[stream.corpus]
        size, wanted = eligible.size, self._items_of(self.strategy.modes[stream.mode])
        first = turn * wanted
        walk = np.concatenate(
            [
                permuted(
                    np.arange(max(first, pass_ * size), min(first + wanted, (pass_ + 1) * size))
                    - pass_ * size,
                    size,
                    self._key(*stream, epoch, pass_),
                )
                for pass_ in range(first // size, (first + wanted - 1) // size + 1)
            ]
        )
        items = _first_of_group(eligible.at(walk), groups)
        if len(items) == wanted:
            return items
        key = self._key(*stream, epoch, "spare", turn)
        for begin in range(0, size, wanted):
            if len(items) >= wanted:
                break
            more = permuted(np.arange(begin, min(begin + wanted, size)), size, key)
            items = _first_of_group(np.concatenate([items, eligible.at(more)]), groups)
        return items[:wanted]

    def _find_items(self, stream: Stream) -> _Items:
        """Return the items that may enter a stream's batches."""
        present = self.corpora[stream.corpus].rows >= 0
        wanted = present if stream.language < 0 else present[:, [stream.language]]
        mask = np.asarray(wanted.any(axis=1))
        if (languages := self.strategy.modes[stream.mode].min_languages) > 1:
            mask &= present.sum(axis=1) >= languages
        count = int(mask.sum())
        return _Items(count, None if count == len(mask) else np.flatnonzero(mask))

    def _check(self) -> None:
        """Refuse at once what a later step could not do."""
        for number, corpus in enumerate(self.corpora):
            if self.parallel and len(corpus.languages) < 2:
                _refuse_languages(corpus, 2, "parallel queries", "Add a language")
            for index, mode in enumerate(self.strategy.modes):
                _require_languages(corpus, mode)
                self._check_parts(mode)
                columns = range(len(corpus.languages)) if mode.one_language else (-1,)
                for language in columns:
                    stream = Stream(number, index, language)
                    self._check_size(corpus, stream, mode)

    def _check_parts(self, mode: Mode) -> None:
        """Refuse a batch that its items do not fill, or that has one item and so no negatives."""
        parts = mode.pairs_per_item
        if self.batch_size % parts or (parts > 1 and self.batch_size == parts):
            raise ConfigError(
                "batch_size",
                f"{self.batch_size}",
                f"a multiple of {parts}, and at least {2 * parts}, for {mode.name} batches",
                f"Use a batch size such as {max(2, round(self.batch_size / parts)) * parts}",
            )

    def _check_size(self, corpus: ParallelCorpus, stream: Stream, mode: Mode) -> None:
        items = self._items(stream)
        if mode.pairs_per_item > 1 and 2 * items.size < len(corpus):
            raise ConfigError(
                f"corpus {corpus.name!r}",
                f"{items.size} of {len(corpus)} items in {mode.min_languages} or more languages",
                f"at least half of the items, for {mode.name} batches",
                "Use a smaller pool_languages, or add translations",
            )
        passages = len(np.unique(self._groups[stream.corpus][items.at(np.arange(items.size))]))
        if passages < (wanted := self._items_of(mode)):
            where = f" in {corpus.languages[stream.language]}" if stream.language >= 0 else ""
            largest = passages * mode.pairs_per_item
            raise ConfigError(
                f"corpus {corpus.name!r}",
                f"{passages} distinct passages{where} for {mode.name} batches of {self.batch_size}",
                f"at least {wanted}, since no passage comes twice in a batch",
                f"Use a batch size of at most {largest}, or add data",
            )

    def _items_of(self, mode: Mode) -> int:
        return self.batch_size // mode.pairs_per_item

    def _generator(self, *parts: str | int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(self._key(*parts)))

    def _key(self, *parts: str | int) -> int:
        return int(fingerprint_of(str(self.seed), *(str(part) for part in parts)), 16)


def _count(counter: Counter[str], drawn: NDArray[np.int64], names: Sequence[str]) -> None:
    times = np.bincount(drawn, minlength=len(names)).tolist()
    for name, count in zip(names, times, strict=True):
        counter[name] += count


def _require_languages(corpus: ParallelCorpus, mode: Mode) -> None:
    if len(corpus.languages) < mode.min_languages:
        remedy = "Add a language, or use the strategy x-x-mono"
        _refuse_languages(corpus, mode.min_languages, f"{mode.name} batches", remedy)


def _refuse_languages(corpus: ParallelCorpus, minimum: int, wanted_for: str, remedy: str) -> None:
    count = len(corpus.languages)
    found = f"{count} language{'s' if count > 1 else ''} ({', '.join(corpus.languages)})"
    raise ConfigError(
        f"corpus {corpus.name!r}", found, f"at least {minimum} for {wanted_for}", remedy
    )


def _shares(sizes: NDArray[np.generic], exponent: float) -> NDArray[np.float64]:
    """Return probabilities proportional to ``sizes ** exponent``."""
    powers: NDArray[np.float64] = sizes.astype(np.float64) ** exponent
    shares: NDArray[np.float64] = powers / powers.sum()
    return shares


def _first_of_group(items: NDArray[np.int64], groups: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the items in order, without those whose passage group an earlier item has."""
    own = groups[items]
    ordered = np.sort(own)
    if (ordered[1:] != ordered[:-1]).all():  # most batches: faster than finding the places
        return items
    first = np.unique(own, return_index=True)[1]
    return items[np.sort(first)]
