"""What is particular to Qdrant: collections of others, addresses, and what a server may answer."""

from __future__ import annotations

import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from evenrank.errors import ConfigError, DataError, EngineError
from evenrank.search.base import Passage
from evenrank.search.engines.opening import open_engine, write_engine
from evenrank.search.engines.qdrant import QdrantEngine, QdrantSettings
from evenrank.search.engines.qdrant_writing import QdrantStorage, QdrantWriter
from evenrank.search.engines.writing import write

from .qdrant_http import serving

SECRET = "very-secret-0123456789"


@pytest.fixture
def client():
    """A collection as LangChain writes it: ids of points, text and metadata in an object."""
    client = QdrantClient(":memory:")
    client.create_collection(
        "theirs",
        vectors_config={
            "text": models.VectorParams(size=4, distance=models.Distance.DOT),
            "image": models.VectorParams(size=2, distance=models.Distance.EUCLID),
        },
    )
    points = [
        models.PointStruct(
            id=number if number % 2 else str(uuid.UUID(int=number)),
            vector={"text": np.eye(4)[number % 4].tolist(), "image": [1.0, 0.0]},
            payload={
                "page_content": f"Text {number}",
                "metadata": {"lang": "de" if number < 6 else "en", "n": number, "tags": ["a"]},
                "key": f"k{number}",
            },
        )
        for number in range(10)
    ]
    client.upsert("theirs", points)
    return client


FIELDS = {
    "language_field": "metadata.lang",
    "text_field": "page_content",
    "metadata_field": "metadata",
    "vector_field": "text",
}


def test_a_collection_of_somebody_else_is_searched_as_it_is(client):
    engine = QdrantEngine(client, "theirs", QdrantSettings(**FIELDS))
    assert engine.counts == {"de": 6, "en": 4}
    query = np.array([[[2, 1, 0, 0]]], dtype=np.float32)
    [lists] = engine.search(query, ["de"], 3)
    assert lists["de"].ids == (str(uuid.UUID(int=0)), str(uuid.UUID(int=4)), "1")
    assert lists["de"].scores.tolist() == [2, 2, 1]
    [lists] = engine.search(query, ["de"], 3, {"n": [1, 4]})
    assert lists["de"].ids == (str(uuid.UUID(int=4)), "1")
    [passage] = engine.fetch(["1"])
    assert passage.text == "Text 1"
    assert passage.metadata == {"lang": "de", "n": 1, "tags": '["a"]'}


def test_its_ids_may_be_in_a_field(client):
    settings = QdrantSettings(**FIELDS | {"id_field": "key", "group_field": "metadata.n"})
    engine = QdrantEngine(client, "theirs", settings)
    [lists] = engine.search(np.array([[[0, 1, 0, 0]]], dtype=np.float32), ["de"], 2)
    assert lists["de"].ids == ("k1", "k5")
    assert engine.fetch(["k5", "k2"])[0].group == "5"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"language_field": "lang"}, "no values in field 'lang'"),
        ({"vector_field": "txt"}, "no vector 'txt', expected one of text, image"),
        ({"vector_field": ""}, "no name of a vector, expected one of text, image"),
        ({"vector_field": "image"}, "distance Euclid, expected Cosine or Dot"),
    ],
)
def test_a_wrong_name_of_a_field_is_refused(client, change, message):
    with pytest.raises(DataError, match=message):
        QdrantEngine(client, "theirs", QdrantSettings(**FIELDS | change))


def test_it_is_never_written(client):
    writer = QdrantWriter(client, "theirs", QdrantStorage())
    before = client.scroll("theirs", limit=100, with_vectors=True)
    with pytest.raises(ConfigError, match="evenrank did not write"):
        write(writer, [Passage("a", "de", "x")], np.ones((1, 4), dtype=np.float32))
    assert client.scroll("theirs", limit=100, with_vectors=True) == before


def test_a_missing_collection_is_one_line(client):
    with pytest.raises(DataError, match="no such collection"):
        QdrantEngine(client, "absent", QdrantSettings())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("qdrant+http://user:hunter2@host:6333/c", "a user, password"),
        ("qdrant+http://host:6333/c?api-key=hunter2", "unknown setting 'api-key'"),
        ("qdrant+http://host:6333/c?timeout=hunter2x", "timeout"),
        ("qdrant+http://host:6333/c?text_field={hunter2", "no JSON"),
        ("qdrant+http://host:6333", "no host or collection"),
        ("qdrant+http:///c", "no host or collection"),
        ("qdrant+http://host:hunter2/c", "no known form"),
        ("qdrant://hunter2@host/c", "no known form"),
        ("hunter2", "no known form"),
    ],
)
def test_an_address_that_is_not_one_is_refused_without_its_secrets(url, message):
    with pytest.raises(ConfigError, match=message) as caught:
        open_engine(url)
    assert "hunter2" not in str(caught.value).replace("hunter2x", "")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"languagefield": "x"}, "language_field"),
        ({"hnsw_ef": 0}, "hnsw_ef"),
    ],
)
def test_a_wrong_setting_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        open_engine("qdrant+http://127.0.0.1:1/c", **settings)


def test_a_wrong_setting_of_the_storage_is_refused(client):
    writer = QdrantWriter(client, "new", QdrantStorage(quantization={"scalar": {"type": "int3"}}))
    with pytest.raises(ConfigError, match="quantization"):
        write(writer, [Passage("a", "de", "x")], np.ones((1, 4), dtype=np.float32))


@pytest.fixture
def server(monkeypatch):
    """A server that refuses every request with the status that the test sets, or breaks it."""
    monkeypatch.setenv("QDRANT_API_KEY", SECRET)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.server.status is None:
                self.close_connection = True
                return
            message = {"status": {"error": f"{self.server.words}{self.headers['api-key']}"}}
            body = json.dumps(message).encode()
            self.send_response(self.server.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.mark.allow_hosts(["127.0.0.1"])
@pytest.mark.parametrize(
    ("status", "words", "error", "message"),
    [
        (401, "", EngineError, r"key of QDRANT_API_KEY refused \(401\)"),
        (403, "", EngineError, r"key of QDRANT_API_KEY refused \(403\)"),
        (404, "", DataError, "no such collection"),
        (400, "No appropriate index for faceting: ", EngineError, "Create a keyword index"),
        (500, "out of memory ", EngineError, r"status 500 \(out of memory \*\*\*\)"),
        (None, "", EngineError, "no connection, or one that breaks"),
    ],
)
def test_what_a_server_refuses_is_one_line_without_the_key(server, status, words, error, message):
    server.status, server.words = status, words
    with pytest.raises(error, match=message) as caught:
        open_engine(f"qdrant+http://127.0.0.1:{server.server_port}/news")
    assert SECRET not in str(caught.value)
    assert "/news" in str(caught.value)


@pytest.mark.allow_hosts(["127.0.0.1"])
@pytest.mark.parametrize("settings", [{}, {"grpc_port": 1}])
def test_a_server_that_is_not_there_is_one_line(settings):
    address = "qdrant+http://127.0.0.1:1/news"
    with pytest.raises(EngineError, match="no connection"):
        open_engine(address, **settings)
    with pytest.raises(EngineError, match="no connection"):
        write_engine(address, [], np.ones((0, 4), dtype=np.float32), **settings)


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_requests_of_a_server_write_and_search_like_local_mode(local_warnings, tied, tied_queries):
    languages = ["ar", "de", "en", "ja"]
    local = QdrantClient(":memory:")
    write(QdrantWriter(local, "c", QdrantStorage(workers=1)), tied.passages, tied.vectors)
    with serving() as (port, requests):
        url = f"qdrant+http://127.0.0.1:{port}/c"
        written = write_engine(url, tied.passages, tied.vectors, about={"m": 1}, batch=16)
        assert (written.sent, written.removed) == (90, 0)
        part = tied.part(range(60))
        written = write_engine(url + "?batch=16", part.passages, part.vectors, about={"m": 1})
        assert (written.sent, written.unchanged, written.removed) == (0, 60, 30)
        write_engine(url, tied.passages, tied.vectors, about={"m": 1})
        with open_engine(url, exact=True) as engine:
            assert engine.about == {"m": 1}
            del requests[:]
            found = engine.search(tied_queries, languages, 100, {"topic": ["art", "sport"]})
            assert requests == ["POST /points/scroll", "POST /points/query/batch"]
            ids = [passage.id for passage in tied.passages[::9]]
            passages = engine.fetch(ids)
    with QdrantEngine(local, "c", QdrantSettings(exact=True)) as engine:
        same = engine.search(tied_queries, languages, 100, {"topic": ["art", "sport"]})
        assert passages == engine.fetch(ids)
    for lists, others in zip(found, same, strict=True):
        for language in languages:
            assert lists[language].ids == others[language].ids
            assert lists[language].scores.tolist() == others[language].scores.tolist()
