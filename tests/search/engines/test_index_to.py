"""``evenrank index --to``: an index and another engine give the same answers."""

from __future__ import annotations

import json

import typer
from typer.testing import CliRunner

from evenrank.cli.index import index_command
from evenrank.cli.search import search_command
from evenrank.encoding.base import build_encoder

app = typer.Typer()
app.command("index")(index_command)
app.command("search")(search_command)


def run(*arguments):
    found = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert found.exit_code == 0, found.exception
    return json.loads(found.stdout)


def test_an_index_is_written_into_another_engine(tmp_path, postgres):
    words = {"de": ["eins", "zwei", "drei"], "en": ["one", "two", "three"]}
    rows = [
        {"id": f"{lang}{at}", "lang": lang, "text": word, "n": at}
        for lang, some in words.items()
        for at, word in enumerate(some)
    ]
    (tmp_path / "words.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    texts = [word for some in words.values() for word in some]
    build_encoder("static", texts, {"width": 8}).save_pretrained(str(tmp_path / "model"))
    model, folder, url = tmp_path / "model", tmp_path / "index", postgres.url("index_to")
    arguments = ("index", tmp_path / "words.jsonl", model, "-o", folder, "--to", url)
    assert run(*arguments)["to"]["sent"] == 6
    assert run(*arguments)["to"] == {"url": url, "sent": 0, "unchanged": 6, "removed": 0}
    options = ("two", "--policy", "raw", "--filter", "n=1", "--filter", "n=2")
    own = run("search", folder, *options)["results"]
    other = run("search", url, *options, "--model", model, "--engine-setting", "exact=true")
    assert [one["id"] for one in other["results"]] == [one["id"] for one in own]
    assert [one["text"] for one in other["results"]] == [one["text"] for one in own]
