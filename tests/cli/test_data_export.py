import json

import pytest
from typer.testing import CliRunner

from evenrank.benchmarks.benchmark import load_benchmark
from evenrank.cli.app import app
from evenrank.encoding.base import build_encoder
from evenrank.errors import ConfigError, UnknownNameError

WORDS = {
    "de": ["eins", "zwei", "drei", "vier", "fünf", "sechs"],
    "en": ["one", "two", "three", "four", "five", "six"],
    "fi": ["yksi", "kaksi", "kolme", "neljä", "viisi", "kuusi"],
}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A working folder with a corpus, of which one translation is missing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus").mkdir()
    for lang, words in WORDS.items():
        rows = [
            {"id": str(at), "passage_id": f"p{at}", "query": f"{word}?", "passage": f"{word}."}
            for at, word in enumerate(words)
            if (lang, at) != ("fi", 2)
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "corpus" / f"{lang}.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_trec_files_and_our_run_give_back_our_numbers(place):
    texts = [f"{word}{mark}" for words in WORDS.values() for word in words for mark in "?."]
    build_encoder("static", texts, {"width": 8}).save_pretrained("model")
    options = (
        "--json",
        "-m",
        "AP",
        "-m",
        "nDCG@10",
        "-m",
        "rank_distance",
        "-m",
        "W",
        "-m",
        "MRC@5",
    )
    ours = run("evaluate", "model", "-b", "corpus:corpus", "--output", "a", "--write-run", *options)
    assert run("data", "export", "corpus:corpus", "out", "--format", "trec").exit_code == 0
    files = ("--qrels", "out/qrels.trec", "--languages-file", "out/languages.tsv")
    read = run("evaluate", "--trec-run", "a/run.trec", *files, "--output", "b", *options)
    named = run(
        "evaluate", "--trec-run", "a/run.trec", "-b", "corpus:corpus", "--output", "c", *options
    )
    assert read.exit_code == 0, read.output
    ours, read, named = (json.loads(done.stdout) for done in (ours, read, named))
    for key in ("settings", "bias", "pairs", "pool", "scored", "share", "references"):
        assert ours[key] == read[key] == named[key], key
    assert ours["bias"]["W"] is not None
    assert ours["bias"]["MRC@5"] is not None
    assert (place / "out" / "qrels.trec").read_bytes() == (place / "a" / "qrels.trec").read_bytes()


def test_a_pool_of_one_language_as_a_beir_folder(place):
    done = run(
        "data",
        "export",
        "corpus:corpus",
        "out",
        "--query-languages",
        "deu",
        "--passage-languages",
        "fi,en",
    )
    assert done.exit_code == 0, done.output
    assert done.stdout == "out: 6 queries, 11 passages, 11 relevant pairs\n"
    rows = [json.loads(line) for line in (place / "out" / "corpus.jsonl").read_bytes().splitlines()]
    assert {row["metadata"]["language"] for row in rows} == {"fi", "en"}
    known = {row["_id"] for row in rows}
    header, *lines = (place / "out" / "qrels" / "test.tsv").read_text().splitlines()
    assert header == "query-id\tcorpus-id\tscore"
    assert {line.split("\t")[1] for line in lines} == known
    assert len(load_benchmark("corpus:corpus").queries) == 17


def test_mistakes_are_refused_and_nothing_is_written(place):
    assert isinstance(run("data", "export", "xquad", "out").exception, UnknownNameError)
    wrong = run("data", "export", "corpus:corpus", "out", "--passage-languages", "sv").exception
    assert isinstance(wrong, ConfigError)
    assert "no passage in sv, expected some of de, en, fi" in str(wrong)
    assert not (place / "out").exists()
    existing = run("data", "export", "corpus:corpus", "corpus").exception
    assert isinstance(existing, ConfigError)


def test_an_export_replaces_exports_only_and_never_its_source(place):
    def refused(*arguments):
        return isinstance(run("data", "export", *arguments).exception, ConfigError)

    assert run("data", "export", "corpus:corpus", "out").exit_code == 0
    assert run("data", "export", "corpus:corpus", "out", "--overwrite").exit_code == 0
    assert refused("corpus:corpus", "out")
    assert refused("corpus:corpus", "corpus", "--overwrite")
    assert refused("corpus:corpus", "corpus/out")
    assert refused("corpus:out", "out", "--overwrite")
    assert refused("corpus:corpus", "out", "--format", "trec", "--overwrite")
    assert run("data", "convert", "corpus", "converted").exit_code == 0
    assert refused("corpus:corpus", "converted", "--overwrite")
    (place / "out" / "corpus.jsonl.bak").write_text("mine")
    assert refused("corpus:corpus", "out", "--overwrite")
    assert (place / "out" / "corpus.jsonl.bak").read_text() == "mine"
    assert sorted(path.name for path in (place / "corpus").iterdir()) == [
        "de.jsonl",
        "en.jsonl",
        "fi.jsonl",
    ]
