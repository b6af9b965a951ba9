"""The model card, and the upload to a hub that answers as the real one does."""

from __future__ import annotations

import base64
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import huggingface_hub
import pytest
import yaml
from sentence_transformers import SentenceTransformer

from evenrank.errors import ConfigError
from evenrank.training.run import train


def test_the_card_says_how_a_model_was_trained_and_used(config, corpus_folder, tmp_path):
    changes = {"losses": {"consistency": 0.5}, "matryoshka": {8: 1}, "alpha": (1, 0.25)}
    run = train(config(**changes), query_prompt="ask|: ", languages=["de", "en"])
    card = (run.model / "README.md").read_text(encoding="utf-8")
    _, header, body = card.split("---\n", 2)
    facts = yaml.safe_load(header)
    assert facts["language"] == ["de", "en"]
    assert facts["library_name"] == "sentence-transformers"
    assert "base_model" not in facts
    dev = {entry["step"]: entry["dev"] for entry in run.log if "dev" in entry}
    for row in (
        "| base model | new encoder (static) |", "| alpha | 1, 0.25 |", "| languages | de, en |",
        "| loss | InfoNCE + 0.5 consistency |", "| widths | 16, 8 |", "| steps | 12 |",
        "| data | corpus:train |", f"| loss on dev | {min(dev.values()):.4f} |",
        r"| prompt of queries | 'ask\|: ' |",
    ):  # fmt: skip
        assert row in body, (row, body)
    assert str(tmp_path) not in card
    code = body.split("```python\n")[1].split("```")[0].replace("FOLDER", str(run.model))
    names = {}
    exec(code, names)
    assert names["queries"].shape == names["passages"].shape == (1, 8)
    again = train(config(output=tmp_path / "again", encoder=str(run.model), encoder_settings={}))
    card = (again.model / "README.md").read_text(encoding="utf-8")
    assert "| base model | model |" in card
    assert "new encoder" not in card


class Hub(BaseHTTPRequestHandler):
    """Accepts a commit of small files, for one token."""

    def do_POST(self):
        length = self.headers.get("Content-Length")
        body = self.rfile.read(int(length)) if length else self._chunks()
        if self.headers["Authorization"] != "Bearer secret":
            return self._answer(401, {"error": "Invalid username or password."})
        if self.path == "/api/repos/create":
            self.server.repository = json.loads(body)
            return self._answer(200, {"url": f"{self.server.url}/me/tuned", "name": "me/tuned"})
        if "/preupload/" in self.path:
            files = [f | {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
                     for f in json.loads(body)["files"]]  # fmt: skip
            return self._answer(200, {"files": files})
        if "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    value = line["value"]
                    self.server.files[value["path"]] = base64.b64decode(value["content"])
            url = f"{self.server.url}/me/tuned/commit/1"
            return self._answer(200, {"commitUrl": url, "commitOid": "1", "pullRequestUrl": None})
        return self._answer(200, {"errors": [], "warnings": []})

    def do_GET(self):
        if self.headers["Authorization"] != "Bearer secret":
            return self._answer(401, {"error": "Invalid username or password."})
        return self._answer(200, {"sha": "0", "id": "me/tuned", "siblings": []})

    def _chunks(self):
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status, content):
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.files, server.url = {}, f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "secret")
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.enable_socket
def test_the_finished_model_is_uploaded_whole(config, hub, tmp_path):
    run = train(config(steps=2, dev_fraction=0), push_to_hub="me/tuned")
    assert hub.repository["visibility"] == "private"
    written = {path.relative_to(run.model).as_posix(): path.read_bytes()
               for path in run.model.rglob("*") if path.is_file()}  # fmt: skip
    del written["evenrank.json"]
    assert hub.files == written
    assert b'SentenceTransformer("me/tuned")' in hub.files["README.md"]
    for path, content in hub.files.items():
        (tmp_path / "copy" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / path).write_bytes(content)
    SentenceTransformer(str(tmp_path / "copy"), local_files_only=True)


@pytest.mark.enable_socket
def test_a_hub_that_refuses_is_one_line_before_the_work(config, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "another")
    settings = config(push_to_hub="me/tuned")
    with pytest.raises(
        ConfigError, match=r"push_to_hub: found a hub that refuses me/tuned .*hf auth login"
    ):
        train(settings)
    assert not (settings.output / "run.json").exists()
    with pytest.raises(ConfigError, match="push_to_hub: found 'tuned', expected owner/name"):
        train(config(), push_to_hub="tuned")
