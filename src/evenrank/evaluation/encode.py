"""Filling an embedding store ahead of evaluations, by one process or by several."""

from __future__ import annotations

import os
from pathlib import Path

from evenrank.benchmarks.benchmark import Benchmark, TextSet, load_benchmark
from evenrank.encoding.embed import fill_store
from evenrank.encoding.encode import Kind
from evenrank.encoding.loading import load_encoder
from evenrank.encoding.store import Precision, open_store

_PLURAL = {"query": "queries", "passage": "passages"}


def encode_benchmark(
    model: str | Path,
    benchmark: str | Benchmark,
    store: Path,
    *,
    dtype: Precision = "float32",
    batch_size: int = 64,
) -> dict[Kind, int]:
    """Encode those texts of a benchmark that a store lacks.

    Started by ``torchrun``, each process uses the GPU of its number and encodes its share; all of
    them end when the store is complete.

    Args:
        model: A folder or a Hugging Face id.
        benchmark: A name such as ``miracl:sw``, or the benchmark itself.
        store: The embedding store.
        dtype: Precision on the disk.
        batch_size: Texts encoded at once.

    Returns:
        How many queries and passages this process encoded.

    Raises:
        DataError: Model, benchmark or store cannot be read, or a text has no direction.
    """
    data = load_benchmark(benchmark) if isinstance(benchmark, str) else benchmark
    encoder = load_encoder(str(model), device=_own_device())
    sets: tuple[tuple[Kind, TextSet], ...] = (
        ("query", data.queries),
        ("passage", data.collection),
    )
    return {
        kind: fill_store(
            open_store(store, encoder, kind, dtype=dtype),
            encoder,
            texts.texts,
            kind=kind,
            batch_size=batch_size,
            description=f"Encoding {_PLURAL[kind]} of {data.name}",
        )
        for kind, texts in sets
    }


def _own_device() -> str | None:
    """Return the GPU that ``torchrun`` means for this process, ``None`` for the default."""
    import torch

    number = os.environ.get("LOCAL_RANK", "")
    return f"cuda:{number}" if number.isdecimal() and torch.cuda.is_available() else None
