"""Filling an embedding store ahead of evaluations, by one process or by several."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from evenrank.benchmarks.benchmark import Benchmark, TextSet, load_benchmark
from evenrank.encoding.embed import fill_store
from evenrank.encoding.encode import Kind
from evenrank.encoding.loading import load_encoder
from evenrank.encoding.store import Precision, open_store
from evenrank.processes import joined, own_device
from evenrank.progress import quiet

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
    them return when the store is complete.

    Args:
        model: A folder or a Hugging Face id.
        benchmark: A name such as ``miracl:sw``, or the benchmark itself.
        store: The embedding store.
        dtype: Precision on the disk.
        batch_size: Texts encoded at once.

    Returns:
        How many queries and passages were encoded, by all processes together.

    Raises:
        DataError: Model, benchmark or store cannot be read, or a text has no direction.
        ProcessError: Another process failed.
    """
    with joined() as team, quiet(not team.first):
        data = team.first_then_others(partial(load_benchmark, benchmark))
        encoder = load_encoder(str(model), device=own_device())
        sets: dict[Kind, TextSet] = {"query": data.queries, "passage": data.passages}
        counts = [
            fill_store(
                open_store(store, encoder, kind, dtype=dtype),
                encoder,
                texts.texts,
                kind=kind,
                batch_size=batch_size,
                team=team,
                description=f"Encoding {_PLURAL[kind]} of {data.name}",
            )
            for kind, texts in sets.items()
        ]
        return dict(zip(sets, team.add_up(np.array(counts)).tolist(), strict=True))
