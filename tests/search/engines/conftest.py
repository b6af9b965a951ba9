"""Passages with vectors, what a search must find, and every engine that can be had."""

from __future__ import annotations

import os
import secrets
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from evenrank.search.base import Engine, Passage
from evenrank.search.engines.opening import open_engine, write_engine
from evenrank.search.engines.qdrant import QdrantEngine, QdrantSettings
from evenrank.search.engines.qdrant_writing import QdrantStorage, QdrantWriter
from evenrank.search.engines.writing import Written, write

SIZES = {"ar": 3, "de": 30, "en": 45, "ja": 12}
WIDTH = 8
TOPICS = ("art", "sport", "o'neill; drop table")


@dataclass(frozen=True)
class Data:
    """Passages and their unit vectors.

    Attributes:
        passages: ``N``.
        vectors: ``(N, H)``.
    """

    passages: list[Passage]
    vectors: np.ndarray

    def expected(self, vector, language, k, allowed=lambda passage: True):
        """Return ids and scores of the best: score descending, then id."""
        hits = [
            (-float(np.float32(row @ vector)), passage.id)
            for passage, row in zip(self.passages, self.vectors, strict=True)
            if passage.language == language and allowed(passage)
        ]
        best = sorted(hits)[:k]
        return [id for _, id in best], [-score for score, _ in best]

    def part(self, places: Sequence[int]) -> Data:
        return Data([self.passages[at] for at in places], self.vectors[list(places)])


def make_passages(sizes=SIZES):
    return [
        Passage(
            id=f"{language}/{number * 7 % size:03} é",
            language=language,
            text=f"Text {number} in {language}: \N{ARABIC LETTER ALEF}\u202e 'x' \"y\" \\ %s",
            group=f"g{number}",
            metadata={
                "year": 2000 + number % 5,
                "topic": TOPICS[number % 3],
                "draft": number % 2 == 0,
                "weight": number % 4 / 4,
            },
        )
        for language, size in sizes.items()
        for number in range(size)
    ]


@pytest.fixture(scope="session")
def tied() -> Data:
    """Vectors whose scores are exact multiples of a quarter, so that most are equal."""
    generator = np.random.default_rng(1)
    passages = make_passages()
    vectors = np.zeros((len(passages), WIDTH), dtype=np.float32)
    for row in vectors:
        places = generator.choice(WIDTH, 4, replace=False)
        row[places] = generator.choice([-0.5, 0.5], 4)
    return Data(passages, vectors)


@pytest.fixture(scope="session")
def queries() -> np.ndarray:
    """Three queries, ``(3, 1, H)``, each of length 1 and with scores of exact quarters."""
    rows = np.zeros((3, 1, WIDTH), dtype=np.float32)
    rows[0, 0, :4] = 0.5
    rows[1, 0, 4:] = [0.5, -0.5, 0.5, -0.5]
    rows[2, 0, ::2] = -0.5
    return rows


def unit(rows):
    rows = np.asarray(rows, dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


class Case:
    """An engine that tests write to and open."""

    def write(self, data: Data, **about) -> Written:
        raise NotImplementedError

    def open(self, **settings) -> Engine:
        raise NotImplementedError


class QdrantLocal(Case):
    def __init__(self):
        from qdrant_client import QdrantClient

        self.client = QdrantClient(":memory:")

    def write(self, data, **about):
        writer = QdrantWriter(self.client, "news", QdrantStorage(workers=1, batch=16))
        return write(writer, data.passages, data.vectors, about)

    def open(self, **settings):
        return QdrantEngine(self.client, "news", QdrantSettings(exact=True, **settings))


class QdrantServer(Case):
    def __init__(self):
        if not (server := os.environ.get("EVENRANK_QDRANT_URL")):
            pytest.skip("EVENRANK_QDRANT_URL is not set to the address of a Qdrant server")
        self.url = f"qdrant+{server.rstrip('/')}/evenrank-test-{secrets.token_hex(8)}"

    def write(self, data, **about):
        return write_engine(self.url, data.passages, data.vectors, about=about, batch=16)

    def open(self, **settings):
        return open_engine(self.url, exact=True, **settings)


CASES = {"qdrant-local": QdrantLocal, "qdrant-server": QdrantServer}


@pytest.fixture
def local_warnings():
    """Allow what Qdrant's local mode warns of: it has no indexes, and is always exact."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Payload indexes have no effect")
        warnings.filterwarnings("ignore", "Local mode performs exact")
        yield


KINDS = [
    pytest.param(name, marks=pytest.mark.enable_socket if "server" in name else ())
    for name in CASES
]


@pytest.fixture(params=KINDS)
def case(request, local_warnings) -> Case:
    """A fresh place to write to, for tests that change what is in it."""
    return CASES[request.param]()


_filled: dict[str, Case] = {}


@pytest.fixture(params=KINDS)
def engine(request, tied, local_warnings):
    """An engine with the passages, written once for all tests that only read."""
    if request.param not in _filled:
        _filled[request.param] = CASES[request.param]()
        _filled[request.param].write(tied)
    return _filled[request.param].open()


def changed(passage: Passage, **what) -> Passage:
    return replace(passage, **what)
