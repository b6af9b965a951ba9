"""Passages with vectors, what a search must find, and every engine that can be had."""

from __future__ import annotations

import json
import os
import secrets
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

import numpy as np
import pytest

from evenrank.search.base import Engine, Passage
from evenrank.search.engines.exact import ExactEngine
from evenrank.search.engines.opening import open_engine, write_engine
from evenrank.search.engines.qdrant import QdrantEngine, QdrantSettings
from evenrank.search.engines.qdrant_server import connect
from evenrank.search.engines.qdrant_writing import QdrantStorage, QdrantWriter
from evenrank.search.engines.writing import Written, write
from evenrank.search.index.passages import table_of_passages

from .postgres_server import PostgresServer

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

    def expected(self, vector, language, k, allowed, *, by_id):
        """Return ids and scores of the best: score descending, then id or position."""
        hits = [
            (-float(np.float32(row @ vector)), passage.id if by_id else at, passage.id)
            for at, (passage, row) in enumerate(zip(self.passages, self.vectors, strict=True))
            if passage.language == language and allowed(passage)
        ]
        best = sorted(hits)[:k]
        return [id for *_, id in best], [-score for score, *_ in best]

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
def tied_queries() -> np.ndarray:
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

    def remove(self) -> None:
        """Remove what was written, where it would outlive the test."""


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

    def remove(self):
        server, _, collection = self.url.removeprefix("qdrant+").rpartition("/")
        connect(server, timeout=60).delete_collection(collection)


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("XDG_RUNTIME_DIR", raising=False)
        server = PostgresServer()
    server.execute("create extension vector")
    yield server
    server.remove()


class Pgvector(Case):
    def __init__(self, postgres, **storage):
        name = f"Tést {secrets.token_hex(4)} \"x' %s;--"
        self.url = postgres.url(quote(name))
        self.storage = storage

    def write(self, data, **about):
        return write_engine(
            self.url, data.passages, data.vectors, about=about, batch=16, **self.storage
        )

    def open(self, **settings):
        return open_engine(self.url, **settings)


class Exact(Case):
    def write(self, data, **about):
        self.data = data

    def open(self):
        return ExactEngine(self.data.vectors, table_of_passages("news", self.data.passages))


THEIRS = {
    "id_field": "Key",
    "language_field": "info.lang",
    "text_field": "the body",
    "group_field": "grp",
    "metadata_field": "info.more",
}
"""Names of fields that evenrank would not choose."""


class TheirQdrant(QdrantLocal):
    """A collection that evenrank did not write."""

    def write(self, data, **about):
        from qdrant_client import models

        params = models.VectorParams(size=WIDTH, distance=models.Distance.COSINE)
        self.client.create_collection("news", vectors_config={"v": params})
        points = [
            models.PointStruct(
                id=at,
                vector={"v": (3 * row).tolist()},
                payload={
                    "Key": passage.id,
                    "info": {"lang": passage.language, "more": passage.metadata},
                    "the body": passage.text,
                    "grp": passage.group,
                },
            )
            for at, (passage, row) in enumerate(zip(data.passages, data.vectors, strict=True))
        ]
        self.client.upsert("news", points)

    def open(self):
        return super().open(**THEIRS | {"text_field": '"the body"'})


class TheirTable(Pgvector):
    """A table that evenrank did not write."""

    def __init__(self, postgres):
        super().__init__(postgres)
        self.server, self.table = postgres, f"Their {secrets.token_hex(4)}"
        self.url = postgres.url(quote(self.table))

    def write(self, data, **about):
        columns = '"Key" varchar(20), info json, "the body" text, grp text, v vector(8)'
        self.server.execute(f'create table "{self.table}" ({columns})')
        for passage, row in zip(data.passages, data.vectors, strict=True):
            info = json.dumps({"lang": passage.language, "more": passage.metadata})
            values = [passage.id, info, passage.text, passage.group, str((3 * row).tolist())]
            self.server.execute(f'insert into "{self.table}" values (%s, %s, %s, %s, %s)', *values)

    def open(self):
        return super().open(**THEIRS)


CASES = {
    "exact": lambda request: Exact(),
    "qdrant-local": lambda request: QdrantLocal(),
    "qdrant-server": lambda request: QdrantServer(),
    "qdrant-theirs": lambda request: TheirQdrant(),
    "pgvector": lambda request: Pgvector(request.getfixturevalue("postgres")),
    "pgvector-theirs": lambda request: TheirTable(request.getfixturevalue("postgres")),
}
READ_ONLY = ("exact", "qdrant-theirs", "pgvector-theirs")
"""Those that are not written through an address."""


@pytest.fixture
def local_warnings():
    """Allow what Qdrant's local mode warns of: it has no indexes, and is always exact."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Payload indexes have no effect")
        warnings.filterwarnings("ignore", "Local mode performs exact")
        yield


KINDS = [
    pytest.param(name, marks=pytest.mark.enable_socket if name == "qdrant-server" else ())
    for name in CASES
]


@pytest.fixture(params=[kind for kind in KINDS if kind.values[0] not in READ_ONLY])
def case(request, local_warnings) -> Case:
    """A fresh place to write to, for tests that change what is in it."""
    place = CASES[request.param](request)
    yield place
    place.remove()


@pytest.fixture(scope="module")
def written():
    """The places that have the passages, by kind; each is written when it is first needed."""
    places: dict[str, Case] = {}
    yield places
    for place in places.values():
        place.remove()


@pytest.fixture(params=KINDS)
def filled(request, tied, written, local_warnings) -> Engine:
    """An engine with the passages, for tests that only read."""
    if request.param not in written:
        written[request.param] = CASES[request.param](request)
        written[request.param].write(tied)
    return written[request.param].open()


def changed(passage: Passage, **what) -> Passage:
    return replace(passage, **what)
