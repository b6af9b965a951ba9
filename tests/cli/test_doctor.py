"""``evenrank doctor``: facts for a report of a fault, and nothing that is secret."""

from __future__ import annotations

import json
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

import evenrank
from evenrank.cli.app import app


@pytest.fixture
def shown(monkeypatch, tmp_path):
    """Run the command with some environment, and return its exit code and facts."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("EVENRANK_API_KEY", "key_secret")
    monkeypatch.setenv("HOME", str(tmp_path / "alice"))
    (tmp_path / "alice").mkdir()

    def run(**environment: str):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        text = CliRunner().invoke(app, ["doctor"])
        done = CliRunner().invoke(app, ["doctor", "--json"])
        assert text.exit_code == done.exit_code
        assert "secret" not in text.output + done.output
        return done.exit_code, json.loads(done.stdout), text.output

    return run


def test_it_shows_what_a_report_needs(shown, tmp_path):
    cache = tmp_path / "alice" / "cache"
    cache.mkdir()
    (cache / "file").write_bytes(bytes(20_000_000))
    code, facts, text = shown(EVENRANK_CACHE=str(cache))
    assert (code, facts["problems"]) == (0, [])
    for name in ("evenrank", "torch", "sentence-transformers", "numpy"):
        assert facts["versions"][name] == version(name)
        assert version(name) in text
    assert facts["system"]["cores"] >= facts["system"]["usable cores"] >= 1
    assert facts["devices"]["torch threads"] >= 1
    assert facts["folders"]["cache"].startswith("~/cache, writable, 0.02 GB, ")
    assert facts["environment"]["EVENRANK_CACHE"] == "~/cache"
    assert "alice" not in json.dumps(facts)
    assert "problems: none found" in text


def test_it_finds_what_is_wrong(shown, tmp_path):
    (tmp_path / "file").write_text("")
    place = str(tmp_path / "file")
    code, facts, text = shown(EVENRANK_CACHE=place, EVENRANK_DATA=f"{place}\x1b[31m")
    assert code == 1
    folder, data = facts["problems"]
    assert folder.startswith(f"{place}")
    assert "a part of this path is a file" in folder
    assert data.startswith("EVENRANK_DATA is not a folder")
    assert "\x1b" not in text
    assert "not writable" in text


def test_it_is_a_function_too():
    assert evenrank.doctor()["versions"]["evenrank"] == evenrank.__version__
