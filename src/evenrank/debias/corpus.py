"""A correction fitted on a parallel corpus, with the texts encoded as queries and passages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenrank.benchmarks.parallel_corpus import benchmark_from_corpus
from evenrank.data.corpus import ParallelCorpus
from evenrank.data.opening import open_corpus
from evenrank.debias.base import Correction, check_method, fit_correction
from evenrank.debias.canaries import Canaries, choose, lower_ranks
from evenrank.debias.rows import blocks_of
from evenrank.encoding.encode import Work, encode_texts
from evenrank.encoding.model import EmbeddingModel, Kind
from evenrank.encoding.opening import open_model
from evenrank.errors import ConfigError

ITEMS = 1_000
"""More items change a language's mean little."""
CANARIES = 300
"""Items on which a rank is chosen, at most."""


def fit_on_corpus(
    model: object,
    corpus: str | Path | ParallelCorpus,
    method: str = "center",
    *,
    model_settings: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    strength: float = 1.0,
    items: int | None = ITEMS,
    choose_rank: bool = False,
    store: Path | None = None,
    batch_size: int = 64,
) -> Correction:
    """Encode a parallel corpus and fit a correction on it.

    Args:
        model: As for :func:`~evenrank.encoding.opening.open_model`. Ready vectors have the ids of
            the benchmark ``corpus:...`` of this corpus.
        corpus: A source as for :func:`~evenrank.data.opening.open_corpus`, or the corpus itself.
            Texts must not be those that the correction is measured on.
        method: Name of the method.
        model_settings: Settings of the model.
        settings: Those of the method; the others keep their defaults.
        strength: 0 to 1.
        items: Items to use, evenly spread; those in most languages come first. All if ``None``.
        choose_rank: Let ``project`` choose its rank on every fifth item, which is held out.
        store: Embedding store to read from and to add to.
        batch_size: Texts encoded at once.

    Raises:
        UnknownNameError, ConfigError: See :func:`~evenrank.debias.base.fit_correction`.
        DataError: Model or corpus cannot be read, or the corpus has too few texts or languages.
        FileError: The store cannot be written.
    """
    check_method(method, settings, strength)
    if choose_rank and (method != "project" or (settings or {}).get("rank") is not None):
        raise ConfigError(
            "--choose-rank", f"method {method!r} or a rank", "'project' alone", "Leave one out"
        )
    data = corpus if isinstance(corpus, ParallelCorpus) else open_corpus(corpus)
    encoder = open_model(model, model_settings)
    chosen = _spread(data, items)
    held, chosen = _held_out(data, chosen) if choose_rank else (chosen[:0], chosen)
    encode = partial(_encoded, encoder, data, store, batch_size)
    sides = {kind: _texts(data, chosen, kind) for kind in _KINDS}
    correction = fit_correction(
        method,
        encode("passage", sides["passage"]),
        encode("query", sides["query"]),
        settings=settings,
        encoder=encoder.fingerprint,
        texts=(text for side in sides.values() for some in side.values() for text in some),
    )
    if choose_rank:
        queries, passages = (
            np.stack([rows[:] for rows, _ in encode(kind, _texts(data, held, kind, unique=False))])
            for kind in reversed(_KINDS)
        )
        correction = choose(lower_ranks(correction), Canaries(data.languages, queries, passages))
    return correction.with_strength(strength)


@dataclass(frozen=True, eq=False)
class EncodedCorpus:
    """The texts of a parallel corpus, encoded once, for the fit of several corrections.

    Attributes:
        passages: Unit vectors with their language.
        queries: The same for queries.
        encoder: Fingerprint of the encoder.
        texts: The texts.
    """

    passages: list[tuple[NDArray[Any], str]]
    queries: list[tuple[NDArray[Any], str]]
    encoder: str
    texts: list[str]

    @property
    def languages(self) -> list[str]:
        """Languages of the passages, sorted."""
        return sorted({lang for _, lang in self.passages})

    def fit(self, method: str, settings: Mapping[str, Any] | None = None) -> Correction:
        """Fit a correction; see :func:`~evenrank.debias.base.fit_correction`."""
        more: dict[str, Any] = {"encoder": self.encoder, "texts": self.texts}
        return fit_correction(method, self.passages, self.queries, settings=settings, **more)


def encode_corpus(
    encoder: EmbeddingModel,
    corpus: ParallelCorpus,
    *,
    items: int | None = ITEMS,
    store: Path | None = None,
    batch_size: int = 64,
) -> EncodedCorpus:
    """Encode a parallel corpus for the fit of corrections; arguments as of :func:`fit_on_corpus`.

    Raises:
        DataError: The corpus has too few texts or languages.
        FileError: The store cannot be written.
    """
    chosen = _spread(corpus, items)
    sides = {kind: _texts(corpus, chosen, kind) for kind in _KINDS}
    passages, queries = (
        list(_encoded(encoder, corpus, store, batch_size, kind, sides[kind])) for kind in _KINDS
    )
    texts = [text for side in sides.values() for some in side.values() for text in some]
    return EncodedCorpus(passages, queries, encoder.fingerprint, texts)


_KINDS: tuple[Kind, Kind] = ("passage", "query")


def _encoded(
    encoder: EmbeddingModel,
    corpus: ParallelCorpus,
    store: Path | None,
    batch_size: int,
    kind: Kind,
    texts: dict[str, list[str]],
) -> Iterator[tuple[NDArray[Any], str]]:
    """Yield the embeddings of texts by language, in blocks."""
    ids = _ids(corpus, kind) if encoder.by_id else {}
    for lang, some in texts.items():
        named = [ids[lang, text] for text in some] if encoder.by_id else some
        work = Work(
            encoder,
            kind,
            batch_size=batch_size,
            name_of=f"{corpus.name}, {kind} {{}} in {lang}".format,
            description=f"Encoding {kind} texts in {lang}",
        )
        for block, _ in blocks_of(encode_texts(work, named, store=store), lang):
            yield block, lang


def _ids(corpus: ParallelCorpus, kind: Kind) -> dict[tuple[str, str], str]:
    """Return the id of each text in its language, as the corpus has it as a benchmark."""
    benchmark = benchmark_from_corpus(corpus)
    texts = benchmark.queries if kind == "query" else benchmark.passages
    langs = (benchmark.languages[number] for number in texts.langs.tolist())
    columns = (texts.texts.to_pylist(), texts.ids.to_pylist())
    return {(lang, text): id_ for lang, text, id_ in zip(langs, *columns, strict=True)}


def _spread(corpus: ParallelCorpus, items: int | None) -> NDArray[np.int64]:
    """Return items, evenly spread over those that exist in most languages."""
    counts = (corpus.rows >= 0).sum(axis=1)
    if items is None or items >= len(corpus):
        return np.arange(len(corpus))
    full = np.flatnonzero(counts == counts.max())
    if len(full) < items:
        return np.sort(np.argsort(-counts, kind="stable")[:items])
    return full[np.arange(items) * len(full) // items]


def _held_out(
    corpus: ParallelCorpus, chosen: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return every fifth item that exists in all languages, and the other items."""
    full = chosen[(corpus.rows[chosen] >= 0).all(axis=1)]
    held = full[::5][:CANARIES]
    # texts of held-out passages must not be among those of the fit
    others = ~np.isin(corpus.groups[chosen], corpus.groups[held])
    return held, chosen[others]


def _texts(
    corpus: ParallelCorpus, items: NDArray[np.int64], kind: Kind, *, unique: bool = True
) -> dict[str, list[str]]:
    """Return the texts of some items by language, each once."""
    rows = corpus.rows[items]
    texts = {
        lang: corpus.column(kind, rows[rows[:, at] >= 0, at])
        for at, lang in enumerate(corpus.languages)
        if (rows[:, at] >= 0).any()
    }
    return {lang: list(dict.fromkeys(some)) for lang, some in texts.items()} if unique else texts
