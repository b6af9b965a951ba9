"""A publisher on this machine, and small files in the layout of SQuAD."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest


class Publisher:
    """A web server on 127.0.0.1.

    Attributes:
        files: Path to body; a path that is not there is answered with 404.
        announced: Path to a length that is announced in place of the body's own.
        requested: The paths requested so far.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.files: dict[str, bytes] = {}
        self.announced: dict[str, int] = {}
        self.requested: list[str] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.requested.append(self.path)
            body = served.files.get(self.path)
            self.send_response(404 if body is None else 200)
            length = served.announced.get(self.path, len(body or b""))
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served = Publisher(server.server_port)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield served
        server.shutdown()
        thread.join()


@pytest.fixture
def own_data(tmp_path, monkeypatch) -> Path:
    """An empty folder that EVENRANK_DATA names, and an empty cache next to it."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("EVENRANK_DATA", str(folder))
    monkeypatch.setenv("EVENRANK_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """The folder of cached benchmark files, not created yet; EVENRANK_DATA is not set."""
    monkeypatch.delenv("EVENRANK_DATA", raising=False)
    monkeypatch.setenv("EVENRANK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "benchmarks"


@pytest.fixture
def paragraph() -> Callable[..., Any]:
    """Return a paragraph in the layout of SQuAD; a question is its id, text and answer's start."""

    def make(context: str, *questions: tuple[str, str, int], **fields: Any) -> Any:
        written = [
            {"id": id_, "question": text, "answers": [{"text": "", "answer_start": start}]}
            for id_, text, start in questions
        ]
        return {"context": context, "qas": written, **fields}

    return make


@pytest.fixture
def squad() -> Callable[..., bytes]:
    """Make a file in the layout of SQuAD, each paragraph in an article of its own."""
    return lambda *paragraphs: orjson.dumps({"data": [{"paragraphs": [p]} for p in paragraphs]})
