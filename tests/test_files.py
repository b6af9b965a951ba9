"""Files are written whole or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.errors import ConfigError
from evenrank.files import (
    cache_folder,
    fingerprint_of,
    sha256_of,
    whole_file,
    whole_folder,
    write_json,
)


def interrupted(file: Path) -> None:
    """Write half of a file, then be interrupted."""
    file.write_text("half")
    raise KeyboardInterrupt


def test_a_file_appears_when_it_is_whole(tmp_path):
    target = tmp_path / "new" / "note.txt"
    with whole_file(target) as part:
        part.write_text("half")
        assert not target.exists()
        part.write_text("whole")
    assert target.read_text() == "whole"
    assert [path.name for path in target.parent.iterdir()] == ["note.txt"]


def test_an_interrupted_file_leaves_the_old_one_and_no_litter(tmp_path):
    target = tmp_path / "note.txt"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), whole_file(target) as part:
        interrupted(part)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_written_file_can_be_read_by_others(tmp_path):
    with whole_file(tmp_path / "note.txt") as part:
        part.write_text("whole")
    assert (tmp_path / "note.txt").stat().st_mode & 0o044 == 0o044


def test_a_folder_appears_when_it_is_whole(tmp_path):
    target = tmp_path / "run"
    target.mkdir()  # an empty folder may be filled
    with whole_folder(target) as part:
        (part / "a.txt").write_text("a")
        assert not (target / "a.txt").exists()
    assert (target / "a.txt").read_text() == "a"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_holds_something_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old.txt").write_text("old")
    refused = pytest.raises(ConfigError, match="Use --overwrite or a new name")
    with refused, whole_folder(tmp_path / "run"):
        pass
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["old.txt"]


def test_overwriting_replaces_the_whole_folder(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old.txt").write_text("old")
    with whole_folder(tmp_path / "run", overwrite=True) as part:
        (part / "new.txt").write_text("new")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["new.txt"]


def test_an_interrupted_folder_leaves_the_old_one_and_no_litter(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old.txt").write_text("old")
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "run", overwrite=True) as part:
        interrupted(part / "new.txt")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["old.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_file_in_the_way_of_a_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(ConfigError), whole_folder(tmp_path / "run"):
        pass


def test_json_is_the_same_bytes_for_the_same_value(tmp_path):
    write_json(tmp_path / "a.json", {"b": np.float64(0.5), "a": [1]})
    write_json(tmp_path / "b.json", {"a": [1], "b": 0.5})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert orjson.loads((tmp_path / "a.json").read_bytes()) == {"a": [1], "b": 0.5}


def test_sha256_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()


@given(st.lists(st.binary(max_size=3), max_size=4), st.lists(st.binary(max_size=3), max_size=4))
def test_fingerprints_differ_where_parts_differ(left, right):
    assert (fingerprint_of(*left) == fingerprint_of(*right)) == (left == right)


def test_text_and_its_bytes_have_one_fingerprint():
    assert fingerprint_of("ä") == fingerprint_of("ä".encode())


def test_the_cache_is_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("EVENRANK_CACHE", "/one")
    monkeypatch.setenv("XDG_CACHE_HOME", "/two")
    assert cache_folder() == Path("/one")
    monkeypatch.delenv("EVENRANK_CACHE")
    assert cache_folder() == Path("/two/evenrank")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "evenrank"
