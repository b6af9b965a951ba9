from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from evenrank.cli.encode import encode_command
from evenrank.cli.evaluate import evaluate_command
from evenrank.encoding.base import build_encoder
from evenrank.errors import DataError, FileError, UnknownNameError


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


def test_tokens_are_counted(place):
    sizes = {"width": 8, "heads": 2, "layers": 1, "inner_width": 8}
    model = build_encoder("scratch", ["eins zwei one two ? ."], sizes)
    model.save_pretrained("transformer")
    words = ("eins", "zwei", "one", "two")
    texts = [f"Query: {word}?" for word in words] + [f"Passage: {word}." for word in words]
    tokens = sum(map(len, model.tokenizer(texts)["input_ids"]))
    options = ("transformer", "-b", "corpus:corpus", "--store", "store")
    assert json.loads(run(encode_command, *options, "--json").stdout)["tokens"] == tokens
    assert "0 passages of corpus:corpus (0 tokens)" in run(encode_command, *options).stdout


def test_what_is_encoded_is_not_encoded_again(place):
    options = ("model", "-b", "corpus:corpus", "--store", "store", "--precision", "float16")
    assert json.loads(run(encode_command, *options, "--json").stdout) == {
        "benchmark": "corpus:corpus",
        "encoded": {"query": 4, "passage": 4},
        "tokens": None,  # a static encoder needs no count
        "store": "store",
    }
    done = run(encode_command, *options)
    assert "encoded  0 queries and 0 passages of corpus:corpus" in done.stdout
    assert (
        "evenrank evaluate model -b corpus:corpus --store store --precision float16" in done.stdout
    )
    files = sorted(place.rglob("*.safetensors"))
    assert len(files) == 3  # queries, passages, the model itself
    assert run(evaluate_command, *options).exit_code == 0
    assert sorted(place.rglob("*.safetensors")) == files


def test_an_unknown_benchmark_is_found_before_the_model_is_read(place):
    with pytest.raises(UnknownNameError, match="nearest is 'xquad-r'"):
        raise run(encode_command, "nowhere", "-b", "xquad", "--store", "store").exception


def test_a_store_that_cannot_be_written_is_found_before_the_model_is_read(place):
    (place / "store").write_text("a file")
    with pytest.raises(FileError, match="store"):
        raise run(
            encode_command, "nowhere/model", "-b", "corpus:corpus", "--store", "store"
        ).exception


def test_empty_passages_are_named_or_ranked_last(place):
    path = place / "corpus" / "en.jsonl"
    row = {"id": "1", "passage_id": "p1", "query": "two?", "passage": "\u2581"}
    path.write_text(path.read_text().splitlines()[0] + "\n" + json.dumps(row) + "\n")
    options = ("model", "-b", "corpus:corpus", "--store", "store")
    for command in (encode_command, evaluate_command):
        with pytest.raises(
            DataError, match=r"^corpus, passage '.*p1.*' \(en\), .*--empty-texts last"
        ):
            raise run(command, *options).exception
    options += ("--empty-texts", "last")
    done = run(encode_command, *options)
    assert "--store store --empty-texts last" in done.stdout
    done = run(evaluate_command, *options, "--json")
    config = json.loads(done.stdout.splitlines()[-1])["config"]
    assert config["empty_passages"] == 1
