"""A correction fitted on a parallel corpus, with the texts encoded as queries and passages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evenrank.data.corpus import ParallelCorpus
from evenrank.data.opening import open_corpus
from evenrank.debias.base import Correction, check_method, fit_correction
from evenrank.encoding.encode import Work, encode_texts
from evenrank.encoding.fingerprint import model_fingerprint
from evenrank.encoding.loading import load_encoder
from evenrank.encoding.store import Kind, Rows

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

ITEMS = 1_000
"""More items change a language's mean little."""


def fit_on_corpus(
    model: str | Path | SentenceTransformer,
    corpus: str | Path | ParallelCorpus,
    method: str = "center",
    *,
    settings: Mapping[str, Any] | None = None,
    strength: float = 1.0,
    items: int | None = ITEMS,
    store: Path | None = None,
    batch_size: int = 64,
) -> Correction:
    """Encode a parallel corpus and fit a correction on it.

    Args:
        model: A folder, a Hugging Face id, or the encoder itself.
        corpus: A source as for :func:`~evenrank.data.opening.open_corpus`, or the corpus itself.
            Texts must not be those that the correction is measured on.
        method: Name of the method.
        settings: Its settings; the others keep their defaults.
        strength: 0 to 1.
        items: Items to use, evenly spread over the corpus; those in most languages come first.
            All if ``None``.
        store: Embedding store to read from and to add to.
        batch_size: Texts encoded at once.

    Raises:
        UnknownNameError, ConfigError: See :func:`~evenrank.debias.base.fit_correction`.
        DataError: Model or corpus cannot be read, or the corpus has too few texts or languages.
        FileError: The store cannot be written.
    """
    check_method(method, settings, strength)
    data = corpus if isinstance(corpus, ParallelCorpus) else open_corpus(corpus)
    encoder = load_encoder(model) if isinstance(model, str | Path) else model
    texts = _texts(data, items)

    def encoded(kind: Kind) -> Iterator[tuple[Rows, str]]:
        for lang, some in texts[kind].items():
            work = Work(
                encoder,
                kind,
                batch_size=batch_size,
                name_of=f"{data.name}, {kind} {{}} in {lang}".format,
                description=f"Encoding {kind} texts in {lang}",
            )
            yield encode_texts(work, some, store=store), lang

    return fit_correction(
        method,
        encoded("passage"),
        encoded("query"),
        settings=settings,
        strength=strength,
        encoder=model_fingerprint(encoder),
        texts=(text for side in texts.values() for some in side.values() for text in some),
    )


def _texts(corpus: ParallelCorpus, items: int | None) -> dict[Kind, dict[str, list[str]]]:
    """Return the texts of some items by kind and language, each once."""
    counts = (corpus.rows >= 0).sum(axis=1)
    chosen = np.arange(len(corpus))
    if items is not None and items < len(corpus):
        full = np.flatnonzero(counts == counts.max())
        pool = full if len(full) >= items else np.argsort(-counts, kind="stable")
        chosen = pool[np.arange(items) * len(pool) // items if len(full) >= items else slice(items)]
    rows = corpus.rows[chosen]
    kinds: tuple[Kind, Kind] = ("passage", "query")
    return {
        kind: {
            lang: list(dict.fromkeys(corpus.column(kind, rows[rows[:, at] >= 0, at])))
            for at, lang in enumerate(corpus.languages)
            if (rows[:, at] >= 0).any()
        }
        for kind in kinds
    }
