"""Opening: converted once, mapped from then on, and read again when the source changes."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evenrank.data.opening import open_corpus
from evenrank.errors import ConfigError, DataError, FileError

GOOD = {"id": "1", "lang": "en", "query": "Who won?", "passage": "The Broncos won."}


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("EVENRANK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EVENRANK_QUIET", raising=False)
    return tmp_path / "cache" / "corpora"


def converted(cache: Path) -> list[Path]:
    return sorted(path for path in cache.iterdir() if path.is_dir())


def test_a_corpus_opened_again_is_the_same_and_is_not_read_again(rows, write_lines, cache, capfd):
    path = write_lines("a.jsonl", rows)
    first = open_corpus(path)
    assert "Reading a" in capfd.readouterr().err
    second = open_corpus(str(path))
    assert capfd.readouterr().err == ""
    assert second.table.equals(first.table)
    assert np.array_equal(second.rows, first.rows)
    assert np.array_equal(second.groups, first.groups)
    assert (second.fingerprint, second.languages) == (first.fingerprint, first.languages)
    assert len(converted(cache)) == 1


def test_an_opened_corpus_is_mapped_not_loaded(write_lines):
    import pyarrow as pa

    passage = "x" * 1000
    path = write_lines("a.jsonl", [GOOD | {"id": n, "passage": passage} for n in range(2000)])
    open_corpus(path)
    before = pa.total_allocated_bytes()
    corpus = open_corpus(path)
    assert pa.total_allocated_bytes() - before < 100_000
    assert not corpus.rows.flags.writeable
    assert corpus.table.nbytes > 2_000_000


def test_a_changed_source_is_read_again_and_its_old_form_removed(rows, write_lines, cache):
    path = write_lines("a.jsonl", rows)
    old = open_corpus(path)
    write_lines("a.jsonl", rows[:-1])
    new = open_corpus(path)
    assert new.table.num_rows == old.table.num_rows - 1
    assert new.fingerprint != old.fingerprint
    assert len(converted(cache)) == 1
    assert old.column("id", old.first_rows)[0] == "q0"  # what is mapped stays readable


def test_a_source_changed_within_its_size_is_read_again(write_lines):
    path = write_lines("a.jsonl", [GOOD])
    open_corpus(path)
    write_lines("a.jsonl", [GOOD | {"id": "2"}])
    os.utime(path, ns=(1, 1))
    assert open_corpus(path).column("id", np.array([0])) == ["2"]


def test_a_source_changed_within_a_tick_of_the_clock_is_read_again(write_lines):
    for item in ("1", "22"):
        path = write_lines("a.jsonl", [GOOD | {"id": item}])
        os.utime(path, ns=(1, 1))
        assert open_corpus(path).column("id", np.array([0])) == [item]


def test_a_new_file_in_a_folder_changes_the_source(write_lines, tmp_path):
    write_lines("c/en.jsonl", [GOOD])
    assert open_corpus(tmp_path / "c").languages == ("en",)
    write_lines("c/de.jsonl", [GOOD | {"lang": "de"}])
    assert open_corpus(tmp_path / "c").languages == ("de", "en")


def test_each_view_of_a_source_is_kept(rows, write_lines, cache):
    path = write_lines("a.jsonl", rows)
    views = [
        {},
        {"where": "article = 'a0'"},
        {"where": "article = 'a1'"},
        {"languages": ["de"]},
        {"languages": ["de", "en"]},
    ]
    sizes = [open_corpus(path, **view).table.num_rows for view in views]
    assert sizes == [16, 12, 4, 6, 12]
    assert len(converted(cache)) == len(views)
    assert [open_corpus(path, **view).table.num_rows for view in views] == sizes
    assert open_corpus(path, where="article='a0'", languages=["en", "de"]).table.num_rows == 8
    assert len({open_corpus(path, **view).fingerprint for view in views}) == len(views)


def test_the_fingerprint_follows_the_content_not_the_path_or_time(rows, write_lines):
    first = open_corpus(write_lines("a.jsonl", rows))
    path = write_lines("elsewhere/b.jsonl.gz", rows)
    os.utime(path, ns=(5, 5))
    assert open_corpus(path).fingerprint == first.fingerprint


def test_the_same_relative_name_in_two_places_is_two_sources(
    rows, write_lines, tmp_path, cache, monkeypatch
):
    for place, part in (("one", rows), ("two", rows[:4])):
        write_lines(f"{place}/a.jsonl", part)
        monkeypatch.chdir(tmp_path / place)
        assert open_corpus("a.jsonl").table.num_rows == len(part)
    assert len(converted(cache)) == 2


def test_a_corpus_has_a_name(write_lines):
    path = write_lines("folder/en.jsonl", [GOOD])
    assert open_corpus(path).name == "en"
    assert open_corpus(path.parent).name == "folder"
    assert open_corpus(path, name="mine").name == "mine"


def test_a_failed_conversion_leaves_nothing(write_lines, cache):
    path = write_lines("a.jsonl", [GOOD, "no JSON"])
    with pytest.raises(DataError):
        open_corpus(path)
    assert converted(cache) == []
    assert not list(cache.glob(".*"))


def test_bad_rows_are_not_written_into_the_source(write_lines):
    path = write_lines("c/en.jsonl", [GOOD])
    for source, place in (
        (path.parent, path),
        (path.parent, path.parent / "bad.jsonl"),
        (path, path),
        (f"hf:{path.parent}", path),
    ):
        with pytest.raises(ConfigError, match="expected a place that does not overlap"):
            open_corpus(source, skip_bad=place)
    assert json.loads(path.read_text()) == GOOD


@pytest.mark.parametrize("text", ["my notes\n", '{"id": 1}\n', "[1]\n", "7\n"])
def test_bad_rows_replace_no_file_of_something_else(write_lines, tmp_path, text):
    path = write_lines("c/en.jsonl", [GOOD, "not JSON"])
    (tmp_path / "mine").write_text(text)
    with pytest.raises(ConfigError, match="mine: found a file of something else"):
        open_corpus(path, skip_bad=tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == text


def test_a_cache_that_cannot_be_written_is_named(write_lines, tmp_path, monkeypatch):
    path = write_lines("a.jsonl", [GOOD])
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EVENRANK_CACHE", str(tmp_path / "file"))
    with pytest.raises(FileError, match=r"file/corpora: a part of this path is a file"):
        open_corpus(path)


def test_a_damaged_conversion_is_made_again(rows, write_lines, cache):
    path = write_lines("a.jsonl", rows)
    expected = open_corpus(path).fingerprint
    (converted(cache)[0] / "facts.json").unlink()
    assert open_corpus(path).fingerprint == expected


def _rows_of(path: Path) -> int:
    return int(open_corpus(path).table.num_rows)


def test_processes_that_open_one_source_together_convert_it_once(rows, write_lines, cache, capfd):
    path = write_lines(
        "a.jsonl", [row | {"id": f"{n} {row['id']}"} for n in range(200) for row in rows]
    )
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        counts = pool.map(_rows_of, [path] * 6, chunksize=1)
    assert counts == [200 * len(rows)] * 6
    assert capfd.readouterr().err.count("Reading a ...") == 1
    assert len(converted(cache)) == 1


def test_a_process_that_dies_leaves_no_conversion_and_no_litter(write_lines, cache):
    path = write_lines("a.jsonl", [GOOD | {"id": n} for n in range(20_000)])
    code = (
        "import os, sys\nfrom evenrank.data import conversion\n"
        "conversion.index_rows = lambda *_: os._exit(9)\n"
        "from evenrank.data.opening import open_corpus\nopen_corpus(sys.argv[1])"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert killed.returncode == 9
    assert [folder.name[0] for folder in converted(cache)] == ["."]
    assert len(open_corpus(path)) == 20_000
    assert [folder.name[0] for folder in converted(cache)] != ["."]
    assert len(converted(cache)) == 1


def test_a_removed_cache_is_filled_again(write_lines, cache):
    path = write_lines("a.jsonl", [GOOD])
    open_corpus(path)
    shutil.rmtree(cache)
    assert len(open_corpus(path)) == 1
