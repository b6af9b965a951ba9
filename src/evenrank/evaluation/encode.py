"""A benchmark's texts to embeddings, for an evaluation or ahead of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evenrank.benchmarks.benchmark import Benchmark, TextSet, load_benchmark
from evenrank.encoding.encode import EmptyTexts, Work, encode_texts, fill_store
from evenrank.encoding.model import Kind
from evenrank.encoding.opening import as_model, open_model
from evenrank.encoding.store import Precision, Rows
from evenrank.errors import ConfigError
from evenrank.files import require_writable
from evenrank.processes import ALONE, Team, joined, own_device
from evenrank.progress import quiet

BATCH_SIZE = 64
_PLURAL: dict[Kind, str] = {"query": "queries", "passage": "passages"}


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Unit vectors of a benchmark's texts.

    Attributes:
        queries: ``(Q, H)``.
        passages: ``(D, H)``, in the order of the benchmark; rows of zeros have no direction. If
            they are large and come from a store, they stay on the disk.
    """

    queries: Rows
    passages: Rows


@dataclass(frozen=True)
class Encoded:
    """What was encoded, by all processes together.

    Attributes:
        queries: How many queries.
        passages: How many passages.
        tokens: Their tokens, with prompts; ``None`` where nobody counts them.
    """

    queries: int
    passages: int
    tokens: int | None


def embed(
    model: object,
    benchmark: Benchmark,
    batch_size: int = BATCH_SIZE,
    store: str | Path | None = None,
    precision: Precision = "float32",
    empty_texts: EmptyTexts = "error",
    team: Team = ALONE,
) -> Embeddings:
    """Encode a benchmark's queries and passages, each with its prompt.

    Args:
        model: A source of embeddings, or an object that
            :func:`~evenrank.encoding.opening.as_model` takes.
        benchmark: The benchmark.
        batch_size: Texts encoded at once.
        store: Embedding store to read from and to add to.
        precision: Precision of the embeddings in the store.
        empty_texts: ``last`` gives passages without a direction a row of zeros; ``error`` is an
            error. A query without a direction is always an error.
        team: Processes that encode a share each; every one of them gets all embeddings.

    Raises:
        DataError: A text has no embedding or one without a direction, or the store is damaged.
        EndpointError: The server fails.
        FileError: The store cannot be written.
    """

    def encode(kind: Kind) -> Rows:
        work, texts = _work(source, benchmark, kind, batch_size, empty_texts, team)
        column = texts.ids if source.by_id else texts.texts
        return encode_texts(
            work, column, store=None if store is None else Path(store), dtype=precision
        )

    source = as_model(model)
    return Embeddings(queries=encode("query"), passages=encode("passage"))


def encode_benchmark(
    model: object,
    benchmark: str | Benchmark,
    store: str | Path,
    *,
    model_settings: Mapping[str, Any] | None = None,
    precision: Precision = "float32",
    batch_size: int = BATCH_SIZE,
    empty_texts: EmptyTexts = "error",
) -> Encoded:
    """Encode those texts of a benchmark that a store misses.

    Started by ``torchrun``, each process uses the GPU of its number and encodes its share; all of
    them return when the store is complete.

    Args:
        model: As for :func:`~evenrank.encoding.opening.open_model`; not ready vectors.
        benchmark: A name such as ``miracl:sw``, or the benchmark itself.
        store: The embedding store.
        model_settings: Settings of the model.
        precision: Precision in the store.
        batch_size: Texts encoded at once.
        empty_texts: What becomes of passages without a direction, as for :func:`embed`.

    Returns:
        How many queries, passages and tokens were encoded.

    Raises:
        ConfigError: A setting is wrong, or the vectors are ready.
        DataError: Model, benchmark or store cannot be read, or a text has no direction.
        FileError: The store cannot be written.
        ProcessError: Another process failed.
    """
    with joined() as team, quiet(not team.first):
        require_writable(store)
        data = team.first_then_others(partial(load_benchmark, benchmark))
        encoder = open_model(model, model_settings, device=own_device())
        if encoder.by_id:
            raise ConfigError("encode", "ready vectors", "a model", "Evaluate them as they are")
        before, counts = encoder.counted_tokens, []
        for kind in _PLURAL:
            work, texts = _work(encoder, data, kind, batch_size, empty_texts, team)
            counts.append(fill_store(work, texts.texts, Path(store), dtype=precision))
        after = encoder.counted_tokens
        counts.append((after or 0) - (before or 0))
        queries, passages, tokens = team.add_up(np.array(counts)).tolist()
        return Encoded(queries, passages, None if after is None else tokens)


def _work(
    model: object,
    benchmark: Benchmark,
    kind: Kind,
    batch_size: int,
    empty_texts: EmptyTexts,
    team: Team,
) -> tuple[Work, TextSet]:
    """Return how texts of a kind are encoded, and the texts."""
    texts = benchmark.queries if kind == "query" else benchmark.passages
    work = Work(
        model,
        kind,
        batch_size=batch_size,
        team=team,
        empty_texts=empty_texts if kind == "passage" else "error",
        name_of=_namer(benchmark, kind, texts),
        description=f"Encoding {_PLURAL[kind]} of {benchmark.name}",
    )
    return work, texts


def _namer(benchmark: Benchmark, kind: Kind, texts: TextSet) -> Callable[[int], str]:
    def name(position: int) -> str:
        lang = benchmark.languages[texts.langs[position]]
        return f"{benchmark.name}, {kind} {str(texts.ids[position])!r} ({lang})"

    return name
