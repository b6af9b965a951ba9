"""The API of a real server on the loopback address."""

from __future__ import annotations

import json
import logging
from base64 import b64encode

import httpx
import numpy as np
import pytest

from evenrank.serving.jobs import encode
from evenrank.serving.service import Service
from evenrank.serving.settings import ServeSettings

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
QUERY = "pool 17"


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [result["id"] for result in answer.json()["results"]]


def test_a_search_gives_what_the_searcher_gives(client, open_index):
    answer = client.post("/search", json={"query": QUERY, "k": 5, "explain": True})
    (expected,) = open_index().search(QUERY, k=5, explain=True)
    assert ids(answer) == [result.id for result in expected]
    for found, result in zip(answer.json()["results"], expected, strict=True):
        assert found["text"] == result.text
        assert found["place"] == result.place
        assert found["score"] == pytest.approx(result.score, abs=1e-6)
        assert found["reason"] == result.reason != ""
        assert found["metadata"] == result.metadata


def test_several_queries_have_one_answer_each(client):
    answer = client.post("/search", json={"queries": [QUERY, "pool 3"], "k": 4}).json()
    for query, own in zip([QUERY, "pool 3"], answer["answers"], strict=True):
        alone = client.post("/search", json={"query": query, "k": 4}).json()
        assert own == alone
        assert "reason" not in own["results"][0]


def test_options_reach_the_search(client):
    def search(**options):
        return client.post("/search", json={"query": QUERY, **options})

    thai = search(languages=["th"], k=3).json()["results"]
    assert {result["language"] for result in thai} == {"th"}
    others = search(exclude=["en", "eng"], k=50).json()["results"]
    assert {result["language"] for result in others} == {"ar", "de", "th"}
    some = search(filters={"number": [3, 4]}, k=50).json()["results"]
    assert {result["metadata"]["number"] for result in some} == {3, 4}
    assert ids(search(k=3)) + ids(search(k=3, offset=3)) == ids(search(k=6))
    groups = [result["group"] for result in search(collapse=True, k=20).json()["results"]]
    assert len({group for group in groups if group}) == len([group for group in groups if group])


def test_languages_have_names_and_shares(client, passages):
    answer = client.get("/languages").json()
    assert answer["passages"] == len(passages)
    first = answer["languages"][0]
    assert (first["language"], first["name"], first["passages"]) == ("en", "English", 64)
    assert sum(one["share"] for one in answer["languages"]) == pytest.approx(1)
    assert [one["language"] for one in answer["languages"] if one["right_to_left"]] == ["ar"]


DEEP = "[" * 100_000
BAD = {
    "empty query": ({"query": ""}, "query", 400),
    "blanks": ({"query": " \u200b\n"}, "query", 400),
    "control characters": ({"query": "\x00\x1b"}, "query", 400),
    "10 MB": ({"query": "a" * 10_000_000}, "body", 413),
    "long query": ({"query": "a" * 10_001}, "query", 413),
    "neither": ({"k": 3}, "body", 400),
    "both": ({"query": "a", "queries": ["b"]}, "body", 400),
    "no queries": ({"queries": []}, "body", 400),
    "one of many": ({"queries": ["a", ""]}, "queries", 400),
    "too many": ({"queries": ["a"] * 257}, "queries", 400),
    "k of 0": ({"query": "a", "k": 0}, "k", 400),
    "k of 10^9": ({"query": "a", "k": 10**9}, "k", 400),
    "offset": ({"query": "a", "offset": 199, "k": 10}, "k", 400),
    "balance": ({"query": "a", "balance": 1.5}, "balance", 400),
    "balance in words": ({"query": "a", "balance": "half"}, "balance", 400),
    "language": ({"query": "a", "languages": ["fi"]}, None, 400),
    "no language": ({"query": "a", "languages": ["qqq-!"]}, None, 400),
    "query language": ({"query": "a", "query_language": "klingon?"}, "query_language", 400),
    "field": ({"query": "a", "filters": {"colour": "red"}}, None, 400),
    "value of a field": ({"query": "a", "filters": {"number": "three"}}, None, 400),
    "unknown option": ({"query": "a", "limit": 3}, "limit", 400),
    "list": (["a"], "body", 400),
    "NaN": (b'{"query": "a", "balance": NaN}', "balance", 400),
    "half a character": (b'{"query": "\\ud800"}', "query", 400),
    "no JSON": (b"query=a", "body", 400),
    "nothing": (b"", "body", 400),
    "not UTF-8": (b'{"query": "\xff"}', "body", 400),
    "deep": (f'{{"query": {DEEP}'.encode(), "body", 400),
}


@pytest.mark.parametrize(("body", "place", "status"), BAD.values(), ids=BAD)
def test_bad_requests_get_a_problem_with_four_parts(client, body, place, status):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post(
        "/search", content=content, headers={"Content-Type": "application/json"}, timeout=30
    )
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert answer.status_code == problem["status"] == status
    assert place is None or problem["place"] == place
    assert "" not in (problem["found"], problem["remedy"])
    assert problem["detail"].startswith(f"{problem['place']}: ")
    assert len(answer.content) < 2000  # no value is repeated in full
    assert client.get("/health").json() == {"status": "ok"}


def test_other_addresses_and_methods_are_problems_too(client):
    assert client.get("/nowhere").json()["status"] == 404
    answer = client.get("/search")
    assert answer.json()["status"] == 405
    assert answer.headers["Allow"] == "POST"
    plain = {"Content-Type": "text/plain"}  # what a form of any web page may send
    assert client.post("/search", content=b'{"query": "a"}', headers=plain).status_code == 400


def test_a_chunked_body_has_the_same_limit(client):
    def body():
        for _ in range(40):
            yield b" " * 100_000

    assert client.post("/search", content=body()).json()["place"] == "body"


def test_embeddings_are_those_of_the_model(served, client, model):
    texts = ["pool 3", "pool 4"]
    for kind in ("query", "passage"):
        body = {"input": texts, "input_type": kind}
        answer = client.post("/v1/embeddings", json=body).json()
        found = np.array([one["embedding"] for one in answer["data"]], dtype=np.float32)
        np.testing.assert_allclose(found, encode(model, texts, kind), atol=1e-6)
    written = client.post("/v1/embeddings", json={"input": texts[0], "encoding_format": "base64"})
    raw = encode(model, texts[:1], "query").astype("<f4").tobytes()
    assert written.json()["data"][0]["embedding"] == b64encode(raw).decode()
    assert client.post("/v1/embeddings", json={"input": "a", "dimensions": 3}).status_code == 400
    assert client.post("/v1/embeddings", json={"input": [1, 2]}).status_code == 400


def test_the_official_client_can_read_them(served, model):
    from openai import OpenAI

    with OpenAI(base_url=f"{served[1]}/v1", api_key="none") as official:
        answer = official.embeddings.create(input=["pool 3"], model="any")
    np.testing.assert_allclose(
        answer.data[0].embedding, encode(model, ["pool 3"], "query")[0], atol=1e-6
    )


def test_rerank_orders_documents(client):
    documents = ["Das Wetter", "The swimming pool 17", {"text": "pool 3", "language": "en"}]
    body = {"query": "swimming pool 17", "documents": documents, "model": "any", "top_n": 2}
    answer = client.post("/rerank", json=body | {"return_documents": True}).json()
    assert [one["index"] for one in answer["results"]] == [1, 2]
    assert answer["results"][1]["document"] == {"text": "pool 3", "language": "en"}
    scores = [one["relevance_score"] for one in answer["results"]]
    assert scores == sorted(scores, reverse=True)
    assert answer["corrected"] is False
    assert client.post("/rerank", json=body | {"documents": []}).status_code == 400
    assert client.post("/rerank", json=body | {"documents": ["", "a"]}).status_code == 400


def test_every_answer_forbids_what_a_page_could_do(client):
    for answer in (client.get("/"), client.get("/nowhere"), client.get("/docs")):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Server" not in answer.headers


def test_the_description_needs_nothing_from_elsewhere(client):
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) > {"/search", "/rerank", "/v1/embeddings", "/languages"}
    assert "application/problem+json" in str(schema["paths"]["/search"]["post"]["responses"]["400"])
    page = client.get("/docs").text
    assert "<script" not in page
    assert "://" not in page.replace("http://json-schema", "")
    assert all(path in page for path in schema["paths"])


def test_a_local_server_answers_only_to_its_own_name(client):
    assert client.get("/languages", headers={"Host": "evil.example"}).status_code == 421
    assert client.get("/languages", headers={"Host": "localhost:80"}).status_code == 200


def test_metrics_count_and_never_show_a_query(client, caplog):
    secret = "pool zebra 12"
    with caplog.at_level(logging.INFO, "evenrank"):
        # a request is logged after its answer: the line of an earlier test may come as late as here
        client.get("/begin")
        client.post("/search", json={"query": secret, "k": 3})
        client.get("/", params={"q": secret})
        answer = client.get("/metrics")
    written = [one.getMessage() for one in caplog.records if one.name.startswith("evenrank")]
    lines = [line.rsplit(" ", 2)[0] for line in written]
    begin = lines.index("GET /begin 404")
    assert lines[begin + 1 : begin + 3] == ["POST /search 200", "GET / 200"]
    assert not any("zebra" in line for line in written)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = dict(
        line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#")
    )
    assert int(lines['evenrank_requests_total{route="/search",status="200"}']) > 0
    assert int(lines['evenrank_results_total{language="en"}']) > 0
    assert lines['evenrank_passages{language="en"}'] == "64"
    assert lines["evenrank_queue_texts"] == "0"
    total = lines['evenrank_request_seconds_bucket{route="/search",le="+Inf"}']
    assert total == lines['evenrank_request_seconds_count{route="/search"}']
    assert "zebra" not in answer.text


KEY = "a-long-and-secret-key"


@pytest.fixture(scope="module")
def guarded(open_index, running):
    """A server with a key, an origin, and an index that grows when it is opened again."""
    sizes = iter([60, None])
    settings = ServeSettings(key=KEY, origins=("https://a.example",))
    service = Service(lambda: open_index(next(sizes)), settings)
    with running(service) as address, httpx.Client(base_url=address, trust_env=False) as opened:
        yield opened


def test_a_key_is_needed_as_token_or_password(guarded):
    assert guarded.get("/health").status_code == 200
    for path in ("/", "/languages", "/metrics", "/docs", "/openapi.json"):
        refused = guarded.get(path)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("Basic")
        assert KEY not in refused.text
        assert guarded.get(path, headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
        assert guarded.get(path, auth=("any", KEY)).status_code == 200
        for wrong in (f"Bearer {KEY}x", "Bearer", f"Digest {KEY}", "Basic !", "Bearer \xe9"):
            headers = {"Authorization": wrong.encode("latin-1")}
            assert guarded.get(path, headers=headers).status_code == 401


def test_a_page_of_the_given_origin_may_read(guarded):
    ask = {"Access-Control-Request-Method": "POST"}
    for origin, allowed in (("https://a.example", True), ("https://b.example", False)):
        answer = guarded.options("/search", headers={**ask, "Origin": origin})
        assert ("Access-Control-Allow-Origin" in answer.headers) is allowed


def test_a_newer_index_is_opened_with_the_key_only(guarded, passages):
    token = {"Authorization": f"Bearer {KEY}"}
    assert guarded.get("/languages", headers=token).json()["passages"] == 60
    assert guarded.post("/reload", auth=("any", KEY)).status_code == 403  # a browser sends it
    answer = guarded.post("/reload", headers=token)
    assert answer.json()["passages"] == len(passages)
    assert guarded.get("/languages", headers=token).json()["passages"] == len(passages)
    found = guarded.post("/search", json={"query": "long 97", "k": 1}, headers=token)
    assert ids(found) == ["long"]


def test_without_a_key_nobody_can_have_it_opened(client):
    assert client.post("/reload").status_code == 403
