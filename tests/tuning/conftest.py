"""A model whose embeddings have a language offset of a known size."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from evenrank.benchmarks.parallel_corpus import benchmark_from_corpus
from evenrank.data.corpus import corpus_from_rows

LANGUAGES = ("de", "en", "fi")
WIDTH = 24


class Offsets:
    """Encodes ``de item 7``: the meaning of the item, some noise, and the offset of German."""

    fingerprint = "offsets"

    def __init__(self, size: float) -> None:
        random = np.random.default_rng(0)
        self.offsets = dict(zip(LANGUAGES, size * random.normal(0, 1, (3, WIDTH)), strict=True))

    def encode_query(self, texts):
        return np.stack([self.row(text, "query") for text in texts])

    def encode_document(self, texts):
        return np.stack([self.row(text, "passage") for text in texts])

    def row(self, text, kind):
        lang, _, number = text.partition(" item ")
        meaning = self.noise(number)
        row = meaning + 0.7 * self.noise(text + kind) + self.offsets.get(lang, 0)
        return row / np.linalg.norm(row)

    def noise(self, text):
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
        return np.random.default_rng(seed).normal(0, 1, WIDTH)


def corpus(first: int, count: int, languages=LANGUAGES):
    numbers = range(first, first + count)
    return corpus_from_rows(
        [
            {
                "id": str(number),
                "passage_id": str(number),
                "lang": lang,
                "query": f"{lang} item {number}",
                "passage": f"{lang} item {number}",
            }
            for number in numbers
            for lang in languages
        ],
        f"items-{first}",
    )


@pytest.fixture(scope="session")
def offsets():
    """The class of models."""
    return Offsets


@pytest.fixture(scope="session")
def corpus_of():
    """Creates corpora."""
    return corpus


@pytest.fixture(scope="session")
def biased():
    return Offsets(0.8)


@pytest.fixture(scope="session")
def fit_on():
    return corpus(0, 60)


@pytest.fixture(scope="session")
def measured_on():
    return benchmark_from_corpus(corpus(1000, 80))


@pytest.fixture(scope="session")
def canaries():
    return corpus(5000, 40)
