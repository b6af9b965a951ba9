"""``evenrank serve`` as a process: its address, its signals, its end, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from evenrank.cli.app import main
from evenrank.encoding.base import build_encoder
from evenrank.search.index.build import build_index

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


def write(path, count):
    rows = [
        {"id": f"{lang}{n}", "lang": lang, "text": f"{word} {n}"}
        for lang, word in (("de", "Bad"), ("en", "pool"))
        for n in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def index(tmp_path):
    texts = [f"{word} {n}" for word in ("Bad", "pool") for n in range(40)]
    build_encoder("static", texts, {"width": 16}).save_pretrained(str(tmp_path / "model"))
    build_index(write(tmp_path / "p.jsonl", 20), str(tmp_path / "model"), tmp_path / "index")
    return tmp_path / "index"


def ended(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["evenrank", "serve", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    return stop.value.code, said


def test_a_port_in_use_is_one_line(index, monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, said = ended(monkeypatch, capsys, index, "--port", port)
    assert code == 2
    assert f"127.0.0.1:{port}: found a port in use" in said


@pytest.mark.parametrize(
    ("arguments", "key", "words"),
    [
        (["nowhere"], None, "nowhere"),
        (["{index}", "--host", "192.0.2.1"], None, "an address of this machine"),
        (["{index}", "--host", "no such host"], None, "--host"),
        (["{index}"], "", "EVENRANK_SERVE_KEY"),
        (["{index}"], "short", "EVENRANK_SERVE_KEY"),
    ],
)
def test_what_it_cannot_use_is_one_line(index, monkeypatch, capsys, arguments, key, words):
    if key is not None:
        monkeypatch.setenv("EVENRANK_SERVE_KEY", key)
    given = [argument.format(index=index) for argument in arguments]
    code, said = ended(monkeypatch, capsys, *given, "--port", 0)
    assert code == 2
    assert words in said


def is_open(host, port):
    try:
        socket.create_connection((host, port)).close()
    except OSError:
        return False
    return True


@pytest.mark.slow
def test_signals_open_a_newer_index_and_end_the_process(index, tmp_path):
    command = [sys.executable, "-m", "evenrank", "serve", str(index), "--port", "0"]
    command += ["--log-level", "info"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        address = process.stdout.readline().decode().split()[-1]
        with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
            assert client.get("/languages").json()["passages"] == 40
            build_index(write(tmp_path / "p.jsonl", 30), str(tmp_path / "model"), index)
            os.kill(process.pid, signal.SIGHUP)
            while client.get("/languages").json()["passages"] != 60:
                assert client.post("/search", json={"query": "pool 3"}).status_code == 200
            shutil.rmtree(index)
            os.kill(process.pid, signal.SIGHUP)  # cannot be opened: the running one stays
            while 'reloads_total{outcome="failed"} 1' not in client.get("/metrics").text:
                pass
            assert client.post("/search", json={"query": "pool 25", "k": 1}).status_code == 200
        body = b'{"query": "pool 25", "k": 1}'
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            head = "POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            length = f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
            connection.sendall((head + length).encode())
            assert b"100" in connection.recv(1000)  # the server reads the request
            os.kill(process.pid, signal.SIGTERM)
            while is_open(host, int(port)):
                pass
            connection.sendall(body)
            assert b" 200 OK" in connection.recv(65536)
        assert process.wait(60) == 0
        written = process.stderr.read()
    assert b"not reopened" in written
    assert b"POST /search 200" in written
    assert b"pool" not in written
