from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from evenrank.cli.encode import encode_command
from evenrank.cli.evaluate import evaluate_command
from evenrank.encoding.base import build_encoder
from evenrank.errors import UnknownNameError


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with a corpus of two languages and a model."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus").mkdir()
    for lang, words in {"de": ["eins", "zwei"], "en": ["one", "two"]}.items():
        rows = [
            {"id": str(at), "passage_id": f"p{at}", "query": f"{word}?", "passage": f"{word}."}
            for at, word in enumerate(words)
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "corpus" / f"{lang}.jsonl").write_text(lines, encoding="utf-8")
    build_encoder("static", ["eins zwei one two ? ."], {"width": 8}).save_pretrained("model")
    return tmp_path


def run(command, *arguments):
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, list(arguments))


def test_what_is_encoded_is_not_encoded_again(place):
    options = ("model", "-b", "corpus:corpus", "--store", "store", "--half")
    assert json.loads(run(encode_command, *options, "--json").stdout) == {
        "benchmark": "corpus:corpus",
        "encoded": {"query": 4, "passage": 4},
        "store": "store",
    }
    done = run(encode_command, *options)
    assert "encoded  0 queries and 0 passages of corpus:corpus" in done.stdout
    assert "evenrank evaluate model -b corpus:corpus --store store --half" in done.stdout
    chunks = sorted(place.rglob("chunks/*.json"))
    assert run(evaluate_command, *options).exit_code == 0
    assert sorted(place.rglob("chunks/*.json")) == chunks


def test_an_unknown_benchmark_is_found_before_the_model_is_read(place):
    with pytest.raises(UnknownNameError, match="nearest is 'xquad-r'"):
        raise run(encode_command, "nowhere", "-b", "xquad", "--store", "store").exception
