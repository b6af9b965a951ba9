"""Models behind an address: a real HTTP server that serves a static encoder, well and badly."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from evenrank.encoding.base import build_encoder
from evenrank.encoding.encode import Work, encode_texts
from evenrank.encoding.opening import open_model
from evenrank.errors import ConfigError, EndpointError, UnknownNameError
from evenrank.evaluation.evaluate import evaluate

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
KEY = "sk-very-secret-0123456789"
HTML = b"<!doctype html><html><body>Welcome to nginx</body></html>"


class Server:
    """What the server does, which tests change while it runs.

    Attributes:
        spoil: From the answer as an object to what is sent: an object, or bytes as they are.
        refuse: Called for each request; a status to refuse it with, "cut" to break the connection.
        texts: All texts that were answered.
        keys: All Authorization headers.
    """

    def __init__(self, model, port):
        self.url, self.model = f"http://127.0.0.1:{port}/v1", model
        self.lock = threading.Lock()
        self.texts, self.keys, self.models = [], set(), ["static"]
        self.spoil, self.refuse, self.pause = lambda answer: answer, lambda number: None, 0.0
        self.requests = self.running = self.most = 0

    def answer(self, asked):
        texts = asked["input"]
        rows = self.model.encode(texts)[:, : asked.get("dimensions")]
        data = [
            {"object": "embedding", "index": at, "embedding": row.tolist()}
            for at, row in enumerate(rows)
        ]
        tokens = sum(len(text.split()) for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": asked["model"], "usage": usage}


def handler_of(server):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            models = [{"id": name, "object": "model"} for name in server().models]
            self.send(200, {"object": "list", "data": models})

        def do_POST(self):
            served = server()
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with served.lock:
                served.requests += 1
                served.running += 1
                served.most = max(served.most, served.running)
                served.keys.add(self.headers["Authorization"])
                refused = served.refuse(served.requests)
            time.sleep(served.pause)
            if refused == "cut":
                self.close_connection = True
            elif refused:
                self.send(refused, {"error": {"message": f"no, {self.headers['Authorization']}"}})
            else:
                with served.lock:
                    answer = served.answer(asked)
                    served.texts += asked["input"]
                self.send(200, served.spoil(answer))
            with served.lock:
                served.running -= 1

        def send(self, status, body):
            html = isinstance(body, bytes)
            content = body if html else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if html else "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("retry-after-ms", "1")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    return Handler


@pytest.fixture(scope="module")
def static(benchmark):
    texts = [*benchmark.queries.texts.to_pylist(), *benchmark.passages.texts.to_pylist()]
    return build_encoder("static", texts, {"width": 16})


@pytest.fixture
def server(static, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(lambda: served)) as http:
        served = Server(static, http.server_port)
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield served
        http.shutdown()
        thread.join()


@pytest.fixture
def address(server):
    return f"openai:static@{server.url}"


TEXTS = [f"{word} {number}" for number in range(40) for word in ("eins", "two", "tres")]


def encoded(model, **options):
    return encode_texts(Work(model, "passage", batch_size=8, **options), TEXTS)


def test_an_address_gives_the_result_of_the_model_behind_it(
    server, address, static, benchmark, tmp_path, capfd
):
    found = evaluate(address, benchmark, output=tmp_path / "result", batch_size=4)
    expected = evaluate(static, benchmark)
    assert found.result.settings == expected.result.settings
    assert found.result.bias == expected.result.bias
    facts = found.result.model
    assert (facts.label, facts.path, facts.dimension) == ("static", address, 16)
    assert facts.encoder["url"] == server.url
    assert found.result.config["tokens"] > 0
    assert server.keys == {f"Bearer {KEY}"}
    written = b"".join(path.read_bytes() for path in (tmp_path / "result").iterdir())
    assert KEY.encode() not in written
    out, err = capfd.readouterr()
    assert KEY not in out + err
    assert "tokens so far" in err


def test_the_model_of_a_server_of_one_model_needs_no_name(server, static):
    np.testing.assert_array_equal(encoded(open_model(server.url)), encoded(static))
    server.models = ["one", "two"]
    with pytest.raises(EndpointError, match=r"found 2 models: one, two, .*openai:MODEL@"):
        open_model(server.url)


def test_slow_refusing_and_cut_answers_in_any_order_change_nothing(server, address, static):
    model = open_model(address, {"concurrency": 8})
    server.pause = 0.02
    server.requests = server.most = 0
    server.refuse = {1: 429, 2: 500, 3: "cut", 5: 503, 8: 429}.get
    server.spoil = lambda answer: {**answer, "data": answer["data"][::-1]}
    np.testing.assert_array_equal(encoded(model), encoded(static))
    assert server.most > 2
    assert sorted(set(server.texts) & set(TEXTS)) == sorted(TEXTS)


def cut_data(answer):
    return {**answer, "data": answer["data"][1:]}


def wider(answer):
    return {**answer, "data": [{**one, "embedding": [1.0] * 17} for one in answer["data"]]}


def uneven(answer):
    first = {**answer["data"][0], "embedding": [1.0] * 3}
    return {**answer, "data": [first, *answer["data"][1:]]}


def with_nan(answer):
    rows = [[*one["embedding"][:-1], float("nan")] for one in answer["data"]]
    pairs = zip(answer["data"], rows, strict=True)
    return {**answer, "data": [{**one, "embedding": row} for one, row in pairs]}


def same_place(answer):
    return {**answer, "data": [{**one, "index": 0} for one in answer["data"]]}


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (cut_data, "7 vectors for 8 texts"),
        (wider, "vectors of width 17, expected width 16"),
        (uneven, "vectors of several widths"),
        (with_nan, "NaN"),
        (same_place, "without the numbers of their texts"),
        (lambda answer: HTML, "something else, such as a web page"),
        (lambda answer: {"hello": "world"}, "something else"),
        (lambda answer: {**answer, "data": None}, "something else"),
    ],
)
def test_an_answer_that_is_not_one_is_one_line(server, address, spoil, found):
    model = open_model(address)
    server.spoil = spoil
    with pytest.raises(EndpointError, match=rf"^{server.url}: found .*{found}") as met:
        encoded(model)
    assert KEY not in str(met.value)


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (401, r"key of OPENAI_API_KEY refused \(401\)"),
        (403, r"key of OPENAI_API_KEY refused \(403\)"),
        (404, "status 404"),
        (429, "status 429 also after 2 retries"),
        (500, "status 500 also after 2 retries"),
        ("cut", "no connection, or one that breaks"),
    ],
)
def test_a_refusal_is_one_line_without_the_key(server, address, status, found):
    server.refuse = lambda number: status
    with pytest.raises(EndpointError, match=found) as met:
        open_model(address, {"retries": 2 if status != "cut" else 0})
    assert KEY not in str(met.value)
    assert met.value.__suppress_context__
    assert server.requests == (3 if status in (429, 500) else 1)


def test_no_answer_in_time(server, address):
    server.pause = 0.3
    with pytest.raises(EndpointError, match=r"no answer in 0.05 s.*timeout"):
        open_model(address, {"retries": 0, "timeout": 0.05})


def test_no_server():
    with pytest.raises(EndpointError, match="no connection"):
        open_model("openai:m@http://127.0.0.1:9/v1", {"retries": 0})


def test_a_missing_key(server, address, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ConfigError, match="no environment variable OPENAI_API_KEY"):
        open_model("openai:text-embedding-3-small")
    open_model(address)  # a server that wants none
    server.refuse = lambda number: 401
    with pytest.raises(EndpointError, match=r"no key \(401\).*OPENAI_API_KEY"):
        open_model(address)
    monkeypatch.setenv("OPENAI_API_KEY", "sk two\nlines")
    with pytest.raises(ConfigError, match=r"^OPENAI_API_KEY: found white space") as met:
        open_model(address)
    assert "sk two" not in str(met.value)


@pytest.mark.parametrize(
    "url", ["http://me:secret@host/v1", "http://host/v1?key=secret", "http://host/v1#secret"]
)
def test_a_key_in_the_address_is_refused_and_not_shown(url):
    with pytest.raises(ConfigError, match="user, password, query") as met:
        open_model(f"openai:m@{url}")
    assert "secret" not in str(met.value)


@pytest.mark.parametrize("address", ["openai:", "openai:@http://host/v1", "http://", "http://a:b"])
def test_no_address(address):
    with pytest.raises(ConfigError, match=r"^model address: found no"):
        open_model(address)


def test_settings(server, address, static):
    with pytest.raises(UnknownNameError, match=r"unknown setting 'dimension'.*'dimensions'"):
        open_model(address, {"dimension": 3})
    with pytest.raises(ConfigError, match="concurrency: found '0'"):
        open_model(address, {"concurrency": "0"})
    short = open_model(address, {"dimensions": "4", "query_prompt": "query: "})
    assert short.width == 4
    encode_texts(Work(short, "query"), ["eins"])
    assert server.texts[-1] == "query: eins"
    others = [open_model(address), open_model(address, {"version": "2"})]
    assert len({model.fingerprint for model in (short, *others)}) == 3
    assert others[0].fingerprint == open_model(address).fingerprint


def test_prompts_of_a_known_model_are_used(server):
    model = open_model(f"openai:intfloat/multilingual-e5-small@{server.url}")
    assert model.prompts == ("query: ", "passage: ")
    assert server.texts[-1].startswith(("query: ", "passage: "))


def test_a_run_that_was_stopped_goes_on_from_the_store(server, address, static, tmp_path):
    many = [f"{word} {number}" for number in range(1500) for word in ("eins", "two")]
    work = Work(open_model(address, {"retries": 0}), "passage", batch_size=64)
    before = server.requests
    server.refuse = lambda number: 500 if number > before + 30 else None
    with pytest.raises(EndpointError, match="status 500"):
        encode_texts(work, many, store=tmp_path)
    kept = len(list(tmp_path.rglob("*.safetensors")))
    assert kept
    server.refuse = lambda number: None
    server.texts.clear()
    again = Work(open_model(address), "passage", batch_size=64)
    found = encode_texts(again, many, store=tmp_path)
    assert len(set(server.texts) & set(many)) <= len(many) - 512 * kept
    np.testing.assert_array_equal(found, encode_texts(Work(static, "passage"), many))
