"""Synthetic inputs of the ranking benchmarks, and their clock.

Random embeddings in the sizes of XQuAD-R: 13,090 queries, 13,014 passages, 11 languages, one
relevant passage per language.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark, Card, Relevance, TextSet
from evenrank.ranking.cpu import PANEL, PANELS, QUERY_BLOCK

Rows = NDArray[np.float32]

PASSAGES = (1222, 1276, 1234, 1180, 1215, 1244, 1219, 852, 1167, 1209, 1196)
QUESTIONS = 1190
LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")


def synthetic_benchmark(generator: np.random.Generator) -> Benchmark:
    """Return a benchmark of the sizes of XQuAD-R without texts."""
    offsets = np.concatenate([[0], np.cumsum(PASSAGES)])
    relevant = np.stack(
        [generator.integers(offsets[lang], offsets[lang + 1], QUESTIONS) for lang in range(11)], 1
    )
    queries = QUESTIONS * len(LANGUAGES)
    return Benchmark(
        name="synthetic",
        card=Card("synthetic", "", "", ""),
        languages=LANGUAGES,
        queries=texts("q", np.repeat(np.arange(11), QUESTIONS)),
        parallel=np.tile(np.arange(QUESTIONS, dtype=np.int32), 11),
        passages=texts("p", np.repeat(np.arange(11), PASSAGES)),
        relevance=Relevance(np.arange(0, queries * 11 + 1, 11), np.tile(relevant, (11, 1)).ravel()),
    )


def texts(letter: str, langs: NDArray[np.int64]) -> TextSet:
    ids = pa.chunked_array([pa.array([f"{letter}{number}" for number in range(len(langs))])])
    return TextSet(ids, ids, langs.astype(np.int16))


def unit_vectors(generator: np.random.Generator, count: int, width: int) -> NDArray[np.float32]:
    vectors = generator.standard_normal((count, width), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def vectors_of(data: Benchmark, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return embeddings of the queries and of the passages."""
    generator = np.random.default_rng(width)
    return (
        unit_vectors(generator, len(data.queries), width),
        unit_vectors(generator, len(data.passages), width),
    )


def processors() -> int:
    return os.cpu_count() or 1


@contextmanager
def threads_of_one() -> Iterator[ThreadPoolExecutor]:
    """Yield a thread for each processor, on which a product takes one thread."""
    before = torch.get_num_threads()
    threads = processors()
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield pool
    torch.set_num_threads(before)


def products(queries: Rows, passages: Rows) -> None:
    """Only write all scores, as ``rank`` does: in the same panels, tiles and threads."""
    step, width = 7 * QUERY_BLOCK, PANELS * PANEL
    units = [
        (torch.from_numpy(queries[at : at + step]), torch.from_numpy(passages[start:][:width]))
        for start in range(0, len(passages), width)
        for at in range(0, len(queries), step)
    ]

    def work(unit: tuple[torch.Tensor, torch.Tensor]) -> None:
        buffer = torch.empty((PANELS, QUERY_BLOCK * PANEL))
        for block in unit[0].split(QUERY_BLOCK):
            for panel, scores in zip(unit[1].split(PANEL), buffer, strict=False):
                out = scores[: len(block) * len(panel)].view(len(block), len(panel))
                torch.mm(block, panel.T, out=out)

    with threads_of_one() as pool:
        list(pool.map(work, units))


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
