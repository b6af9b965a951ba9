"""Every command that writes, and what an operating system can refuse: one line, exit code 2."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evenrank.cli.app import main
from evenrank.encoding.base import build_encoder

LANGUAGES = ("de", "en")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A corpus, a model and a result on it."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "corpus").mkdir()
    for lang in LANGUAGES:
        rows = [
            {"id": str(n), "passage_id": str(n), "query": f"{lang} {n}?", "passage": f"{n} {lang}."}
            for n in range(12)
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "corpus" / f"{lang}.jsonl").write_text(text)
    shutil.copytree(folder / "corpus", folder / "broken")
    with (folder / "broken" / "de.jsonl").open("a") as file:
        file.write("{}\n")
    texts = [f"{n} {lang}?" for n in range(12) for lang in LANGUAGES]
    build_encoder("static", texts, {"width": 8}).save_pretrained(str(folder / "model"))
    return folder


@pytest.fixture(scope="module")
def result(inputs, tmp_path_factory):
    """A result folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVENRANK_CACHE", str(tmp_path_factory.mktemp("cache")))
        command = ["evaluate", inputs / "model", "-b", f"corpus:{inputs / 'corpus'}"]
        assert ended(patch, *command, "--output", inputs / "result") == 0
    return inputs / "result"


def ended(monkeypatch, *arguments: object) -> object:
    """Run a command in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["evenrank", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    return stop.value.code


COMMANDS = {
    "data convert": "data convert {corpus} {out}",
    "data convert --split": "data convert {corpus} {out} --split train=0.5,test=0.5",
    "data convert --skip-bad": "data convert {broken} {spare} --skip-bad {out}/bad.jsonl",
    "data validate --skip-bad": "data validate {broken} --skip-bad {out}/bad.jsonl",
    "data export": "data export corpus:{corpus} {out}",
    "data export --format trec": "data export corpus:{corpus} {out} --format trec",
    "train": "train --encoder static --encoder-settings width=8 --corpora {corpus} --output {out}"
    " --steps 2 --batch-size 4 --dev-fraction 0.4",
    "encode": "encode {model} -b corpus:{corpus} --store {out}",
    "evaluate": "evaluate {model} -b corpus:{corpus} --output {out}",
    "evaluate --store": "evaluate {model} -b corpus:{corpus} --output {spare} --store {out}",
    "probe": "probe {model} {corpus} --canaries none --output {out}/probe.html",
    "probe --store": "probe {model} {corpus} --canaries none --store {out}",
    "report": "report {result} --output {out}/report.html",
    "demo": "demo --output {out} --steps 1",
}
PLACES = ["file", "name too long", "read-only", "full"]


@pytest.fixture
def refused(request, tmp_path) -> Path:
    """A place where nothing can be written, for the reason that the test is named after."""
    if request.param == "file":
        (tmp_path / "file").write_text("mine")
        return tmp_path / "file" / "out"
    if request.param == "name too long":
        return tmp_path / ("x" * 300)
    disk: Path = request.getfixturevalue("small_disk")
    if request.param == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    else:
        with pytest.raises(OSError, match="No space"):
            (disk / "ballast").write_bytes(bytes(300_000))
    return disk / "out"


def check(monkeypatch, capsys, command: str) -> str:
    """Check that a command is refused, and return its line."""
    monkeypatch.setenv("EVENRANK_QUIET", "1")
    capsys.readouterr()
    assert ended(monkeypatch, *command.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == "" or command.startswith("demo")  # which says first what it is
    assert shown.err.count("\n") == 1, shown.err
    assert shown.err.startswith("error: ")
    return shown.err


@pytest.mark.parametrize("refused", PLACES, indirect=True)
@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_an_output_that_cannot_be_written(
    command, refused, inputs, result, tmp_path, monkeypatch, capsys
):
    places = {name: inputs / name for name in ("corpus", "broken", "model", "result")}
    before = sorted(inputs.rglob("*"))
    line = command.format(**places, out=refused, spare=tmp_path / "spare")
    shown = check(monkeypatch, capsys, line)
    assert str(tmp_path) in shown  # it names the place
    assert sorted(inputs.rglob("*")) == before
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".part")]


@pytest.mark.parametrize("refused", PLACES, indirect=True)
@pytest.mark.parametrize(
    "command", ["data describe", "data export", "train", "encode", "evaluate", "demo"]
)
def test_a_cache_that_cannot_be_written(command, refused, inputs, tmp_path, monkeypatch, capsys):
    places = {"corpus": inputs / "corpus", "model": inputs / "model", "out": tmp_path / "out"}
    monkeypatch.setenv("EVENRANK_CACHE", str(refused))
    line = COMMANDS.get(command, f"{command} {{corpus}}").format(**places)
    shown = check(monkeypatch, capsys, line)
    assert str(refused)[:200] in shown
    assert "EVENRANK_CACHE" in shown


def test_a_filled_cache_is_read_where_it_cannot_be_written(inputs, small_disk, monkeypatch, capsys):
    monkeypatch.setenv("EVENRANK_CACHE", str(small_disk))
    command = ["data", "describe", inputs / "corpus", "--json"]
    assert ended(monkeypatch, *command) == 0
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    shown = capsys.readouterr().out
    assert ended(monkeypatch, *command) == 0
    assert capsys.readouterr().out == shown
