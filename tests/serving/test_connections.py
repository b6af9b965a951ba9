"""Clients that break the rules of HTTP, on raw sockets."""

from __future__ import annotations

import socket

import httpx
import pytest

from evenrank.serving.service import Service
from evenrank.serving.settings import ServeSettings

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
HEAD = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def address(open_index, running):
    service = Service(open_index, ServeSettings(timeout=0.2))
    with running(service) as found:
        yield found


def send(address, *parts, read=True):
    """Send bytes and return all that comes back until the server closes the connection."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        found = b""
        while read and (some := connection.recv(65536)):
            found += some
    return found


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([b""], None),  # a connection without a word
        ([b"GET /hea"], None),  # half a head
        ([b"\x16\x03\x01\x02\x00\x01"], b"400"),  # TLS
        ([b"GET / HTTP/1.1\r\n", b"X: " + b"x" * 100_000], b"400"),  # an endless head
        ([HEAD, b"Content-Length: 50\r\n\r\n", b'{"query": '], b"408"),  # half a body
        ([HEAD, b"Content-Length: x\r\n\r\n"], b"400"),
        ([HEAD, b"Content-Length: 9000000\r\nExpect: 100-continue\r\n\r\n"], b"413"),
        ([HEAD, b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"], b"400"),
    ],
)
def test_a_client_that_breaks_the_rules_gets_an_answer_or_an_end(address, parts, status):
    answer = send(address, *parts)
    assert answer.split(b" ")[1:2] == ([status] if status else [])
    assert httpx.get(f"{address}/health", trust_env=False).status_code == 200


def test_a_client_that_leaves_does_no_harm(served):
    _, address = served
    body = b'{"query": "pool 3"}'
    for _ in range(20):
        length = f"Content-Length: {len(body)}\r\n\r\n".encode()
        send(address, HEAD, length, body, read=False)
        send(address, HEAD, length, body[:5], read=False)
    answer = httpx.post(f"{address}/search", content=body, trust_env=False,
                        headers={"Content-Type": "application/json"})  # fmt: skip
    assert len(answer.json()["results"]) == 10
