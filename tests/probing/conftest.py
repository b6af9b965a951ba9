from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from evenrank.probing.observe import Asked, Canaries, observe
from evenrank.probing.scan import Pool

LANGUAGES = ("de", "en", "es", "fr")


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


class World(NamedTuple):
    pool: Pool
    sample: np.ndarray
    asked: Asked
    canaries: Canaries


@pytest.fixture
def world():
    """Vectors of a model whose only language bias is an offset of a given length."""

    def create(seed, offset=0.0, sizes=(120, 120, 120, 120), width=24, items=40, queries=30):
        random = np.random.default_rng(seed)
        count = len(sizes)
        offsets = offset * np.eye(width)[:count]

        def texts(*shape):
            return random.normal(size=(*shape, width)) / np.sqrt(width)

        langs = np.repeat(np.arange(count), sizes).astype(np.int16)
        asked = np.repeat(np.arange(count), queries)
        meanings = texts(items, 1)
        planted = [unit(meanings + 0.5 * texts(items, count) + offsets) for _ in range(2)]
        pool = Pool(unit(texts(len(langs)) + offsets[langs]), langs, LANGUAGES[:count])
        sample = np.concatenate(
            [
                random.choice(np.flatnonzero(langs == lang), 30, replace=False)
                for lang in range(count)
            ]
        )
        vectors = unit(texts(len(asked)) + offsets[asked])
        return World(pool, sample, Asked(vectors, asked), Canaries(np.arange(count), *planted))

    return create


@pytest.fixture
def observed(world):
    def create(seed, offset=0.0, **sizes):
        return observe(*world(seed, offset, **sizes), seed=seed)

    return create
