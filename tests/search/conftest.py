"""A small index in memory, whose passages, vectors and fields are known."""

from __future__ import annotations

import numpy as np
import pytest

from evenrank.search.base import Passage
from evenrank.search.engines.exact import ExactEngine
from evenrank.search.index.passages import table_of_passages

SIZES = {"de": 3000, "en": 70, "sw": 1}
WIDTH = 24


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="session")
def passages() -> list[Passage]:
    """Passages in the order of an index; every group has up to three languages."""
    return [
        Passage(
            f"{lang}-{number}",
            lang,
            f"text {number} in {lang}",
            f"g{number}",
            {"year": 2000 + number % 5, "source": "abc"[number % 3], "open": number % 2 == 0},
        )
        for lang, size in SIZES.items()
        for number in range(size)
    ]


@pytest.fixture(scope="session")
def vectors(passages) -> np.ndarray:
    """Unit vectors, of which some are equal: ties."""
    random = np.random.default_rng(3)
    rows = unit(random.standard_normal((len(passages), WIDTH)) + 1)
    rows[1::7] = rows[0::7][: len(rows[1::7])]
    return rows


@pytest.fixture(scope="session")
def queries() -> np.ndarray:
    return unit(np.random.default_rng(4).standard_normal((20, WIDTH)) + 1)


@pytest.fixture(scope="session")
def engine(vectors, passages):
    with ExactEngine(vectors, table_of_passages("numbers", passages), threads=2) as opened:
        yield opened
