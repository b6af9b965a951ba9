"""``evenrank index`` and ``evenrank search``: from files to results, with clear refusals."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from evenrank.cli.index import index_command
from evenrank.cli.search import search_command
from evenrank.encoding.base import build_encoder
from evenrank.errors import ConfigError, EvenrankError, UnknownNameError

WORDS = {"de": ["eins", "zwei", "drei"], "en": ["one", "two", "three"]}
app = typer.Typer()
app.command("index")(index_command)
app.command("search")(search_command)


def run(*arguments):
    found = CliRunner().invoke(app, [str(part) for part in arguments])
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == 0, found.output
    return found.stdout


def results(*arguments):
    return json.loads(run("search", *arguments, "--json"))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A file of passages and a model; the passages of ``one`` and ``eins`` are translations."""
    folder = tmp_path_factory.mktemp("search")
    rows = [
        {"id": f"{lang}{at}", "lang": lang, "text": word, "group": f"g{at}", "n": at, "page": "07"}
        for lang, words in WORDS.items()
        for at, word in enumerate(words)
    ]
    (folder / "words.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    texts = [word for words in WORDS.values() for word in words]
    build_encoder("static", texts, {"width": 8}).save_pretrained(str(folder / "model"))
    return folder


@pytest.fixture(scope="module")
def index(place):
    said = run("index", place / "words.jsonl", place / "model", "-o", place / "index")
    assert "passages 6 (de 3, en 3)" in said
    assert "encoded  6 texts" in said
    return place / "index"


def test_the_index_is_brought_up_to_date(place, index):
    arguments = ("index", place / "words.jsonl", place / "model", "-o", index, "--json")
    assert json.loads(run(*arguments)) == {
        "output": str(index),
        "passages": 6,
        "languages": {"de": 3, "en": 3},
        "encoded": 0,
        "correction": "",
    }


def test_the_passage_itself_is_first_and_every_field_is_shown(index):
    first = results(index, "two", "--policy", "raw", "--explain")["results"][0]
    reason = first.pop("reason")
    assert reason
    assert first.pop("score") == first.pop("raw_score") == pytest.approx(1, abs=1e-6)
    assert first == {
        "id": "en1",
        "language": "en",
        "text": "two",
        "metadata": {"n": 1, "page": "07"},
        "group": "g1",
        "correction": 0.0,
        "place": 1,
        "place_in_language": 1,
    }


def test_options_reach_the_search(index):
    def ids(*options):
        return [one["id"] for one in results(index, "two", *options)["results"]]

    assert set(ids("--languages", "de")) == {"de0", "de1", "de2"}
    assert set(ids("--exclude", "de")) == {"en0", "en1", "en2"}
    assert set(ids("--filter", "n=1", "--filter", "n=2", "--filter", "page=07")) == {
        "de1",
        "de2",
        "en1",
        "en2",
    }
    assert ids("--filter", "page=7") == []
    assert ids("-k", "2") + ids("-k", "2", "--offset", "2") == ids("-k", "4")
    assert len(ids("--collapse")) == 3
    assert ids("--weight", "de=1000")[0].startswith("de")
    assert ids("--balance", "0") == ids("--policy", "raw")


def test_both_orders_are_shown(index):
    both = results(index, "two", "--both", "--policy", "round-robin")
    assert set(both) == {"query", "raw", "round-robin"}
    said = run("search", index, "two", "--both", "--explain")
    assert said.index("raw") < said.index("balanced")
    assert "raw place" in said
    said = run("search", index, "two", "--filter", "page=8")
    assert "No passage matches." in said


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["--policy", "fair"], UnknownNameError, "unknown policy 'fair'"),
        (["--balance", "2"], ConfigError, "found 2.0, expected a number from 0 to 1"),
        (["-k", "0"], ConfigError, "found 0, expected a whole number"),
        (["-k", "1000000000"], ConfigError, "found 1,000,000,000 places"),
        (["--languages", "fr"], UnknownNameError, "unknown language 'fr'"),
        (["--filter", "m=1"], UnknownNameError, "unknown field 'm'"),
        (["--filter", "n"], ConfigError, "--filter: found 'n', expected NAME=VALUE"),
        (["--weight", "de=x"], ConfigError, "--weight de: found 'x', expected a number"),
        (["--strength", "0.5"], ConfigError, "strength: found 0.5, expected no strength"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(index, arguments, error, words):
    with pytest.raises(error, match=words):
        run("search", index, "two", *arguments)


@pytest.mark.parametrize("query", ["", "\x07\x1b"])
def test_a_query_without_a_sign_is_refused(index, query):
    with pytest.raises(EvenrankError, match="query: found"):
        run("search", index, query)


def test_settings_that_belong_to_nothing_are_refused(place, index):
    arguments = ["index", place / "words.jsonl", place / "model", "-o", index]
    with pytest.raises(ConfigError, match="--set: found no --fit"):
        run(*arguments, "--set", "to=zero")
    with pytest.raises(ConfigError, match="--strength: found no --debias"):
        run(*arguments, "--strength", "0.5")
    with pytest.raises(EvenrankError, match="no such folder"):
        run("search", place / "nothing", "two")
