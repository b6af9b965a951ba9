"""Bad input through the command itself: one line that helps, exit code 2, nothing half-written."""

from __future__ import annotations

import gzip
import json
import sys

import pytest

from evenrank.cli.app import main

GOOD = [
    {"id": str(n), "passage_id": str(n), "query": f"question {n}?", "passage": f"answer {n}."}
    for n in range(12)
]


def lines(rows):
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@pytest.fixture
def folder(tmp_path):
    """A good corpus in two languages."""
    path = tmp_path / "corpus"
    path.mkdir()
    for lang in ("de", "en"):
        (path / f"{lang}.jsonl").write_bytes(lines(GOOD))
    return path


@pytest.fixture
def failing(monkeypatch, capsys):
    """Run a command that must fail, and return its line on the standard error stream."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["evenrank", *map(str, arguments)])
        monkeypatch.setenv("EVENRANK_QUIET", "1")
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        assert stop.value.code == 2
        assert captured.out == ""
        assert captured.err.startswith("error: ")
        assert captured.err.count("\n") == 1
        return captured.err

    return run


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"id": "1", "query": \n', "en.jsonl:1"),
        (lines([{"id": "1", "query": "who?"}]), "passage"),
        (lines([*GOOD, GOOD[3]]), "en.jsonl:13"),
        (lines([GOOD[0] | {"query": "  "}]), "query"),
        (lines([GOOD[0] | {"passage": 7}]), "passage"),
        (b'{"id": "1", "query": "\xff?", "passage": "a."}\n', "UTF-8"),
    ],
    ids=["not JSON", "no field", "repeated id", "empty text", "no string", "not UTF-8"],
)
def test_a_bad_row(folder, failing, tmp_path, data, message):
    (folder / "en.jsonl").write_bytes(data)
    out = tmp_path / "out"
    for command in (("describe", folder), ("convert", folder, out)):
        assert message in failing("data", *command)
    assert not out.exists()


def test_a_gz_cut_short(folder, failing):
    (folder / "en.jsonl").unlink()
    (folder / "en.jsonl.gz").write_bytes(gzip.compress(lines(GOOD))[:-12])
    assert "en.jsonl.gz" in failing("data", "describe", folder)


def test_a_language_code_that_is_none(folder, failing):
    (folder / "en.jsonl").rename(folder / "englisch.jsonl")
    assert "englisch.jsonl: found a name that is not a language code" in failing(
        "data", "describe", folder
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--strategy", "x-y", "--languages", "de"], "at least 2"),
        (["--batch-size", "64"], "distinct passages"),
        (["--alpha", "1.5"], "alpha: found 1.5"),
        (["--strategy", "hybird"], "The nearest is 'hybrid'"),
        (["--encoder-settings", "widht=16"], "The nearest is 'width'"),
        (["--select-by", "multi ndgc@10"], "The nearest is 'nDCG'"),
        (["--lora", "rank=4", "--lora", "targets=query,value"], "an encoder without a transformer"),
        (["--matryoshka", "4=1", "--matryoshka", "9999=0.5"], "matryoshka: found 9999"),
        (["--matryoshka", "narrow=1"], "matryoshka: found 'narrow', expected a valid integer"),
        (["--teacher", "x", "--losses", "keep=0"], "losses with teacher"),
        (["--push-to-hub", "name"], "push_to_hub: found 'name', expected owner/name"),
    ],
)
def test_training_settings(folder, failing, tmp_path, flags, message):
    run = tmp_path / "run"
    base = ["train", "--output", run, "--encoder", "static", "--corpora", folder]
    base += ["--batch-size", "4", "--dev-fraction", "0.4", "--steps", "2"]
    assert message in failing(*base, *flags)
    assert not run.exists()


def test_an_unknown_key_of_a_configuration(folder, failing, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(f"output: run\nencoder: static\ncorpora: [{folder}]\nalhpa: 0.5\n")
    assert "The nearest is 'alpha'" in failing("train", config)


def test_a_run_folder_that_holds_something(folder, failing, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    base = ["train", "--output", tmp_path / "run", "--encoder", "static", "--corpora", folder]
    for flags in ([], ["--overwrite"]):
        assert "found a folder of something else" in failing(*base, *flags)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["notes.txt"]


def test_a_folder_for_a_file_and_a_file_for_a_folder(folder, failing, tmp_path):
    assert "is a directory" in failing("train", folder)
    (tmp_path / "file").write_text("mine")
    base = ["train", "--output", tmp_path / "file", "--encoder", "static", "--corpora", folder]
    assert "found a file" in failing(*base, "--overwrite")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_without_a_model_and_an_unknown_benchmark(folder, failing, tmp_path):
    out = tmp_path / "results"
    assert str(folder) in failing("evaluate", folder, "-b", "world-facts", "--output", out)
    assert "The nearest is 'xquad-r'" in failing("evaluate", folder, "-b", "xquad", "--output", out)
    assert not out.exists()


def test_a_benchmark_file_with_a_wrong_checksum(failing, tmp_path, monkeypatch):
    data = tmp_path / "data" / "xquad-r"
    data.mkdir(parents=True)
    for lang in ["ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"]:
        (data / f"{lang}.json").write_text('{"data": []}')
    monkeypatch.setenv("EVENRANK_DATA", str(data.parent))
    model = tmp_path / "model"
    assert "SHA-256" in failing("evaluate", model, "-b", "xquad-r", "--output", tmp_path / "out")


def test_an_empty_name_is_not_the_current_folder(failing, folder, tmp_path, monkeypatch):
    """Such as that of a variable without a value: ``evenrank data describe "$CORPUS"``."""
    monkeypatch.chdir(folder)
    assert "corpus: found an empty name" in failing("data", "describe", "")
    assert "encoder: found an empty name" in failing("probe", " ", folder)


def test_a_refused_evaluation_leaves_no_folder(failing, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert "'nowhere': found nothing" in failing("evaluate", "nowhere", "-b", f"corpus:{folder}")
    assert sorted(tmp_path.rglob("*")) == before
