"""A small index with texts that try to be more than text, and a real server in this process."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager

import httpx
import pytest

from evenrank.encoding.base import build_encoder
from evenrank.encoding.opening import as_model
from evenrank.search.base import Passage
from evenrank.search.engines.exact import ExactEngine
from evenrank.search.index.passages import table_of_passages
from evenrank.search.searcher import Searcher
from evenrank.serving.jobs import encode
from evenrank.serving.run import listen, make_server, url_of
from evenrank.serving.service import Service
from evenrank.serving.settings import ServeSettings

SENTENCES = {
    "ar": "NATO {}: يفتح المسبح في الساعة الثامنة",
    "de": "Das Schwimmbad {} öffnet um acht Uhr",
    "en": "The swimming pool {} opens at eight",
    "th": "สระว่ายน้ำ {} เปิดเวลาแปดโมง",
}
ITEMS = 30
ATTACK = "<script>window.hacked=1</script><img src=x onerror='window.hacked=1'>"
SPECIAL = [
    Passage(
        "\"><svg onload='window.hacked=1'>",
        "en",
        f"attack 99 {ATTACK}",
        "\" onmouseover='window.hacked=1'",
        {"kind": "<b>bold</b>", "year": 1999},
    ),
    Passage("turn", "en", "attack 99 \u202eevil\u202c \x1b[31mred", "", {"kind": "javascript:1"}),
    Passage("marks", "en", f"marks 98 a{chr(0x301) * 80} b", "", {"kind": "marks"}),
    Passage("long", "en", "long 97 " + "word " * 500 + "end", "", {"kind": "long"}),
]


@pytest.fixture(scope="session")
def passages():
    """Parallel passages in four languages, English ones in double number, and special ones."""
    parallel = [
        Passage(f"{lang}-{n}", lang, text.format(n), f"g{n}", {"kind": "pool", "number": n})
        for lang, text in SENTENCES.items()
        for n in range(ITEMS)
    ]
    more = [Passage(f"en-{n}b", "en", f"More on pool {n}") for n in range(ITEMS)]
    return [*parallel, *more, *SPECIAL]


class Words:
    """A static encoder for which one word has no direction."""

    def __init__(self, encoder):
        self._encoder = encoder

    def encode_query(self, texts):
        rows = self._encoder.encode_query(texts)
        rows[[text == "nowhere" for text in texts]] = 0
        return rows

    def encode_document(self, texts):
        return self._encoder.encode_document(texts)


@pytest.fixture(scope="session")
def model(passages):
    settings = {"width": 64, "passage_prompt": "passage: "}
    return as_model(Words(build_encoder("static", [one.text for one in passages], settings)))


@pytest.fixture(scope="session")
def open_index(passages, model):
    """A function that opens an index of the first passages."""
    table = {}

    def opened(count=None):
        if count not in table:
            rows = table_of_passages("pools", passages[:count])
            by_id = {one.id: one.text for one in passages}
            texts = [by_id[id_] for id_ in rows.ids(range(len(rows)))]
            table[count] = encode(model, texts, "passage"), rows
        return Searcher(ExactEngine(*table[count], threads=1), model)

    return opened


@pytest.fixture(scope="session")
def running():
    """A context that serves in a thread; its value is the address."""
    return _running


@contextmanager
def _running(service):
    server = make_server(service)
    with listen("127.0.0.1", 0) as listening:
        thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True
        )
        thread.start()
        try:
            yield url_of(listening)
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


@pytest.fixture(scope="module")
def served(open_index, running):
    """A server with the usual settings: its service and its address."""
    service = Service(open_index, ServeSettings())
    with running(service) as address:
        yield service, address


@pytest.fixture(scope="module")
def client(served):
    with httpx.Client(base_url=served[1], trust_env=False) as opened:
        yield opened
