"""``evenrank.probe``: the language bias of a model on a corpus, without labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark
from evenrank.data.corpus import ParallelCorpus
from evenrank.debias.base import Correction
from evenrank.debias.overlap import refuse_overlap
from evenrank.debias.saving import load_correction
from evenrank.encoding.encode import Work, encode_texts
from evenrank.encoding.model import EmbeddingModel, Kind
from evenrank.encoding.opening import open_model
from evenrank.encoding.store import Rows, Texts, each
from evenrank.errors import ConfigError
from evenrank.probing.base import Observed, ProbeFigure, probe_figures
from evenrank.probing.observe import Asked, Canaries, observe, require_k
from evenrank.probing.scan import Pool
from evenrank.probing.texts import CanaryTexts, Tagged, flat, open_canaries, open_texts

CANARIES = "world-facts:test"


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a probe found.

    Attributes:
        model: What tables call the model.
        corpus: Name of the corpus.
        passages: Passages of each language.
        queries: Queries of each language.
        queries_are_passages: Whether there were no queries, so that passages took their place.
        canaries: Corpus, languages and items of the canaries, how many items were left out because
            the corpus contains them, and whether each query is the text of its own answer; empty
            without canaries.
        k: Passages that count as the best.
        correction: Method and strength of the correction; ``None`` without one.
        figures: The measures, those that predict best first.
    """

    model: str
    corpus: str
    passages: dict[str, int]
    queries: dict[str, int]
    queries_are_passages: bool
    canaries: dict[str, Any]
    k: int
    correction: dict[str, Any] | None
    figures: dict[str, ProbeFigure]

    def to_json(self) -> dict[str, Any]:
        """Return the probe as values of JSON; each figure says whether it shows a bias."""
        values = asdict(self)
        for name, figure in self.figures.items():
            values["figures"][name]["biased"] = figure.biased
        return values


def probe(
    model: object,
    corpus: str | Path | ParallelCorpus | Benchmark,
    *,
    model_settings: Mapping[str, Any] | None = None,
    queries: str | Path | None = None,
    canaries: str | Path | ParallelCorpus | None = CANARIES,
    items: int = 100,
    k: int = 10,
    sample: int = 200,
    store: str | Path | None = None,
    batch_size: int = 64,
    debias: str | Path | Correction | None = None,
    label: str | None = None,
    seed: int = 0,
) -> Probe:
    """Measure the language bias of a model on a corpus, without labels.

    Args:
        model: As for :func:`~evenrank.encoding.opening.open_model`; not ready vectors.
        corpus: A file of rows with ``text`` and ``lang``, a parallel corpus, or a benchmark.
        model_settings: Settings of the model.
        queries: A file of queries with ``text`` and ``lang``; without it, those of a parallel
            corpus; without these, passages are queries for their own neighbours.
        canaries: A parallel corpus of which items are ranked with the passages, or ``None``.
        items: Canaries at most.
        k: Passages that count as the best.
        sample: Queries and passages of each language in measures, at most.
        store: Embedding store to read the passages from and to add them to.
        batch_size: Texts encoded at once.
        debias: A correction, or its file, that the search is measured with.
        label: What tables call the model.
        seed: Source of all randomness.

    Raises:
        DataError: A text, a language or the canaries are not as described; a text has no direction;
            or the correction was fitted for another model or on these texts.
        ConfigError: A number is too small, or ``k`` is not less than the number of passages.
        FileError: The store cannot be written.
    """
    _require_numbers(items=items, sample=sample, k=k)
    passages, asked = open_texts(corpus, queries)
    require_k(k, sum(passages.sizes.values()))
    planted = None if canaries is None else open_canaries(canaries, passages, items)
    correction = load_correction(debias) if isinstance(debias, str | Path) else debias
    _refuse_texts_of_the_fit(correction, passages, asked, planted)
    source = _opened(model, model_settings, correction)
    encode = _Encoder(source, batch_size, Path(store) if store else None)
    observed = _observe(encode, (passages, asked, planted), correction, (sample, k, seed))
    return Probe(
        model=label or source.label,
        corpus=passages.name,
        passages=passages.sizes,
        queries=_counts(observed.queries.langs, passages.languages),
        queries_are_passages=asked is None,
        canaries=_facts(planted),
        k=k,
        correction=None if correction is None else correction.facts,
        figures=probe_figures(observed),
    )


def _opened(
    model: object, settings: Mapping[str, Any] | None, correction: Correction | None
) -> EmbeddingModel:
    opened = open_model(model, settings)
    if opened.by_id:
        raise ConfigError("probe", "ready vectors", "a model that encodes texts", "Name the model")
    if correction is not None:
        correction.require(encoder=opened.fingerprint)
    return opened


def _require_numbers(**numbers: int) -> None:
    for name, value in numbers.items():
        least = 1 if name == "k" else 2
        if value < least:
            raise ConfigError(name, str(value), f"{least} or more", "Correct it")


def _observe(
    encode: _Encoder,
    texts: tuple[Tagged, Tagged | None, CanaryTexts | None],
    correction: Correction | None,
    numbers: tuple[int, int, int],
) -> Observed:
    """Encode passages, queries and canaries, and rank them."""
    passages, asked, planted = texts
    sample, k, seed = numbers
    random = np.random.default_rng(seed)
    chosen = passages.sample(sample, random)
    rows = encode(passages.name, "passage", passages.texts, stored=True)
    return observe(
        Pool(rows, passages.langs, passages.languages, correction),
        chosen,
        _asked(encode, passages, chosen, asked, sample, random),
        None if planted is None else _planted(encode, planted, passages),
        k=k,
        seed=seed,
    )


def _facts(planted: CanaryTexts | None) -> dict[str, Any]:
    if planted is None:
        return {}
    return {
        "corpus": planted.name,
        "languages": list(planted.languages),
        "items": len(planted.queries),
        "in the corpus already": planted.known,
        "queries are answers": planted.queries == planted.passages,
    }


@dataclass(frozen=True)
class _Encoder:
    """Texts to unit vectors."""

    model: EmbeddingModel
    batch_size: int
    store: Path | None

    def __call__(self, name: str, kind: Kind, texts: Texts, *, stored: bool = False) -> Rows:
        plural = "queries" if kind == "query" else "passages"
        work = Work(
            self.model,
            kind,
            batch_size=self.batch_size,
            name_of=f"{name}, {kind} {{}}".format,
            description=f"Encoding {plural} of {name}",
        )
        return encode_texts(work, texts, store=self.store if stored else None)


def _asked(
    encode: _Encoder,
    passages: Tagged,
    chosen: NDArray[np.int64],
    asked: Tagged | None,
    sample: int,
    random: np.random.Generator,
) -> Asked:
    """Encode a sample of the queries, or the sampled passages as queries."""
    source, places = (passages, chosen) if asked is None else (asked, asked.sample(sample, random))
    vectors = np.asarray(encode(source.name, "query", source.at(places)), dtype=np.float32)
    return Asked(vectors, source.langs[places].astype(np.int64), asked is None)


def _planted(encode: _Encoder, texts: CanaryTexts, passages: Tagged) -> Canaries:
    """Encode the canaries, without a store: they are written nowhere."""
    shape = (len(texts.queries), len(texts.languages), -1)
    queries = np.asarray(encode(texts.name, "query", flat(texts.queries)), dtype=np.float32)
    answers = np.asarray(encode(texts.name, "passage", flat(texts.passages)), dtype=np.float32)
    langs = np.array([passages.languages.index(lang) for lang in texts.languages])
    return Canaries(langs, queries.reshape(shape), answers.reshape(shape))


def _refuse_texts_of_the_fit(
    correction: Correction | None,
    passages: Tagged,
    asked: Tagged | None,
    planted: CanaryTexts | None,
) -> None:
    if correction is None:
        return
    texts = chain(
        each(passages.texts),
        each(asked.texts) if asked is not None else (),
        flat([*planted.queries, *planted.passages]) if planted is not None else (),
    )
    refuse_overlap(correction.fit.texts, texts, f"{passages.name} with --debias")


def _counts(langs: NDArray[np.int64], languages: tuple[str, ...]) -> dict[str, int]:
    counts = np.bincount(langs, minlength=len(languages)).tolist()
    return {lang: count for lang, count in zip(languages, counts, strict=True) if count}
