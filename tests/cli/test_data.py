"""``evenrank data``: what it prints, writes and refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from evenrank.cli.data import app
from evenrank.data.opening import open_corpus
from evenrank.errors import ConfigError, DataError


def row(item: int, lang: str) -> dict[str, str]:
    """Two items a passage, two passages an article."""
    return {
        "id": f"q{item}",
        "context_id": f"p{item // 2}",
        "title": f"a{item // 4}",
        "question": f"Question {item} ({lang})?",
        "context": f"Passage {item // 2} ({lang}).",
    }


@pytest.fixture
def corpus(tmp_path) -> Path:
    """40 items in German and English, half of them in Finnish too."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for lang, items in (("de", 40), ("en", 40), ("fi", 20)):
        lines = (json.dumps(row(item, lang)) + "\n" for item in range(items))
        (folder / f"{lang}.jsonl").write_text("".join(lines))
    return folder


@pytest.fixture
def broken(tmp_path) -> Path:
    """A file with one good line and 12 bad ones."""
    good = row(0, "en") | {"lang": "en"}
    lines = [json.dumps(good), "no JSON", *(json.dumps(good | {"question": ""}) for _ in range(11))]
    (tmp_path / "broken.jsonl").write_text("\n".join(lines))
    return tmp_path / "broken.jsonl"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def output(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exception is None, result.exception
    assert result.exit_code == 0
    return result.stdout


def error(*arguments: object) -> BaseException:
    result = run(*arguments)
    assert result.exception is not None
    return result.exception


def test_validate_says_what_is_there(corpus):
    assert output("validate", corpus) == (
        f"{corpus}: 40 items, 100 rows, languages de, en, fi, 0 bad rows\n"
    )


def test_validate_names_bad_rows_and_fails(broken, corpus):
    result = run("validate", corpus, broken)
    lines = result.stdout.splitlines()
    assert lines[1] == f"{broken}: 1 items, 1 rows, languages en, 12 bad rows"
    assert lines[2].startswith(f"  {broken}:2: found 'no JSON', which is not JSON")
    assert lines[3].startswith(f"  {broken}:3: found field 'question' with an empty string")
    assert lines[-1] == "  and 2 more"
    assert isinstance(result.exception, DataError)
    assert str(result.exception).startswith(f"{broken}: found 12 bad rows")


def test_validate_writes_bad_rows_and_succeeds(broken, tmp_path):
    (tmp_path / "other.jsonl").write_text(broken.read_text())
    out = tmp_path / "bad.jsonl"
    text = output("validate", broken, tmp_path / "other.jsonl", "--skip-bad", out)
    assert text.count("12 bad rows") == 2
    places = [json.loads(line)["place"] for line in out.read_text().splitlines()]
    assert len(places) == 24
    assert places[0] == f"{broken}:2"


def test_validate_as_json(corpus, broken):
    result = run("validate", "--json", corpus, broken, "nothing")
    good, bad, missing = json.loads(result.stdout)
    assert good == {
        "source": str(corpus),
        "read": 100,
        "filtered": 0,
        "other_languages": 0,
        "skipped": 0,
        "items": 40,
        "languages": {"de": 40, "en": 40, "fi": 20},
        "problems": [],
    }
    assert (bad["skipped"], len(bad["problems"])) == (12, 10)
    assert set(bad["problems"][0]) == {"place", "reason", "raw"}
    assert missing["error"].startswith("nothing: found no such file or folder")
    assert "Reading" not in result.stderr
    assert f"error: {broken}: found 12 bad rows" in result.stderr
    assert str(result.exception).startswith("nothing: ")


def test_validate_takes_a_filter(corpus):
    assert "20 items, 60 rows" in output("validate", corpus, "--where", "title < 'a5'")
    assert isinstance(error("validate", corpus, "--where", "year = 1"), ConfigError)
    assert isinstance(error("validate", corpus, "--where", "year = "), ConfigError)


def test_validate_does_not_write_over_its_source(broken):
    before = broken.read_bytes()
    assert isinstance(error("validate", broken, "--skip-bad", broken), ConfigError)
    assert broken.read_bytes() == before


def test_describe_shows_languages_overlap_and_repeats(corpus):
    text = output("describe", corpus)
    assert text.startswith("corpus: 40 items, 100 rows, 3 languages, 20 passages, 10 articles\n")
    assert re.search(r"fi +Finnish +20 +50%", text)
    assert re.search(r"\nfi +20 +20 +20\b", text)
    assert "the same query" not in text


def test_describe_explains_repeated_passages(tmp_path):
    rows = [row(item, "en") | {"lang": "en", "context": "The same."} for item in range(4)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    text = output("describe", tmp_path / "a.jsonl")
    assert "4 rows have the same passage as another" in text
    assert "false negatives of one another" in text.replace("\n", " ")
    assert "in English (q0, q2): 'The same.'" in text


def test_describe_as_json(corpus):
    about = json.loads(output("describe", corpus, "--json", "--languages", "de,fi"))
    assert about["languages"] == {"de": 40, "fi": 20}
    assert about["overlap"]["de"]["fi"] == 20
    assert about["texts"]["fi"]["query_characters"][0] == len("Question 0 (fi)?")


def test_convert_writes_a_folder_that_opens(corpus, tmp_path):
    text = output("convert", corpus, tmp_path / "out", "--where", "title != 'a0'")
    assert text == (
        f"{tmp_path / 'out'}: 36 items, 88 rows, languages de, en, fi\n"
        "12 rows of 100 left out by the filter\n"
    )
    assert len(open_corpus(tmp_path / "out")) == 36


def test_convert_writes_the_parts_of_a_split(corpus, tmp_path):
    text = output(
        *("convert", corpus, tmp_path / "out", "--languages", "de, en"),
        *("--split", "train=0.8,dev=0.1,test=0.1", "--by", "article", "--seed", "3"),
    )
    assert [line.partition(":")[0] for line in text.splitlines()] == [
        str(tmp_path / "out" / part) for part in ("train", "dev", "test")
    ]
    parts = [open_corpus(tmp_path / "out" / part) for part in ("train", "dev", "test")]
    assert [len(part) for part in parts] == [32, 4, 4]
    articles = [set(part.column("article", part.first_rows)) for part in parts]
    assert len(set().union(*articles)) == sum(map(len, articles)) == 10


def test_convert_counts_what_it_skips(broken, tmp_path):
    assert isinstance(error("convert", broken, tmp_path / "out"), DataError)
    assert not (tmp_path / "out").exists()
    bad = tmp_path / "bad.jsonl"
    text = output("convert", broken, tmp_path / "out", "--skip-bad", bad)
    assert f"12 rows of 13 bad and written to {bad}" in text
    assert len(bad.read_text().splitlines()) == 12


def test_convert_replaces_a_folder_only_when_told(corpus, tmp_path):
    out = tmp_path / "out"
    output("convert", corpus, out)
    before = sorted(out.iterdir())
    assert isinstance(error("convert", corpus, out, "--languages", "de"), ConfigError)
    assert sorted(out.iterdir()) == before
    output("convert", corpus, out, "--languages", "de", "--overwrite")
    assert [path.name for path in out.glob("*.gz")] == ["de.jsonl.gz"]


@pytest.mark.parametrize(
    "split",
    ["", "train", "train=0.5,train=0.5", "../out=1.0", "a/b=1", "train=0.5;test=0.5", "a=x"],
)
def test_convert_refuses_what_is_no_split(corpus, tmp_path, split):
    caught = error("convert", corpus, tmp_path / "out", "--split", split)
    assert isinstance(caught, ConfigError)
    assert caught.place == "--split"
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_convert_leaves_nothing_where_a_split_fails(corpus, tmp_path):
    for split in ("train=0.5,test=0.6", ",".join(f"p{n}=0.01" for n in range(100))):
        assert isinstance(
            error("convert", corpus, tmp_path / "out", "--split", split), ConfigError | DataError
        )
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["validate", "describe", "convert"])
def test_every_command_shows_an_example(command):
    assert f"Example: evenrank data {command} " in output(command, "--help")


def test_describe_counts_groups_with_several_passages_in_one_language(tmp_path):
    rows = [
        {"id": n, "passage_id": p, "lang": "en", "query": f"{n}?", "passage": f"Sentence {n}."}
        for n, p in enumerate("aaabbc")
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, [*rows, rows[5] | {"id": 9}])))
    text = output("describe", tmp_path / "a.jsonl")
    assert "2 passage groups have several passages in one language, up to 3. corpus:PATH " in text
    about = json.loads(output("describe", tmp_path / "a.jsonl", "--json"))["texts"]["en"]
    assert (about["several_passages"], about["maximum_passages"]) == (2, 3)


def test_texts_reach_the_terminal_without_control_characters(tmp_path):
    rows = [row(item, "en") | {"lang": "en", "question": "\x1b[31m?"} for item in range(2)]
    (tmp_path / "a\x1b.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\nbad\x1bline")
    bad = tmp_path / "bad"
    shown = output("validate", tmp_path / "a\x1b.jsonl", "--skip-bad", bad)
    (tmp_path / "a\x1b.jsonl").write_text("\n".join(map(json.dumps, rows)))
    shown += output("describe", tmp_path / "a\x1b.jsonl")
    shown += output("convert", tmp_path / "a\x1b.jsonl", tmp_path / "out\x1b")
    assert "\x1b" not in shown
    assert "?" in shown


@pytest.mark.parametrize("place", ["corpus", "corpus/out", ".", "link", "corpus/../corpus"])
def test_convert_never_writes_over_its_source(corpus, tmp_path, place, monkeypatch):
    (tmp_path / "link").symlink_to(corpus)
    before = {path: path.read_bytes() for path in corpus.iterdir()}
    for source in (corpus, f"hf:{corpus}"):
        caught = error("convert", source, tmp_path / place, "--overwrite")
        assert isinstance(caught, ConfigError)
    assert {path: path.read_bytes() for path in corpus.iterdir()} == before


def test_convert_replaces_its_own_output_but_not_its_own_source(corpus, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    output("convert", corpus, one)
    for out in (one, one / "two"):
        assert isinstance(error("convert", one, out, "--overwrite"), ConfigError)
    output("convert", one, two)
    (two / "notes.txt").write_text("mine")
    assert isinstance(error("convert", one, two, "--overwrite"), ConfigError)
    assert (two / "notes.txt").read_text() == "mine"
    for out in (corpus, tmp_path / "bad"):
        assert isinstance(
            error("convert", corpus, tmp_path / "bad", "--skip-bad", out / "bad.jsonl"), ConfigError
        )


def test_languages_may_be_given_together_or_again(corpus):
    texts = [
        output("validate", corpus, *languages)
        for languages in (
            ["--languages", "de,eng"],
            ["--languages", "de", "--languages", "en"],
            ["-l", "German, en"],
        )
    ]
    assert texts[0].startswith(f"{corpus}: 40 items, 80 rows, languages de, en,")
    assert len(set(texts)) == 1
