"""Output is written whole or not at all, and replaces nothing that evenrank did not write."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.errors import ConfigError, FileError
from evenrank.files import (
    cache_folder,
    fingerprint_of,
    lock_folder,
    mark_folder,
    refuse_existing_file,
    refuse_overlap,
    require_writable,
    sha256_of,
    whole_file,
    whole_folder,
    write_json,
)


def write(folder: Path, *, marker: str = "result", overwrite: bool = False, **files: str) -> None:
    """Write a folder of small files."""
    with whole_folder(folder, marker=marker, overwrite=overwrite) as part:
        for name, text in files.items():
            (part / name).write_text(text)


def read(folder: Path) -> dict[str, str]:
    """Return the files of a folder that are not hidden."""
    paths = folder.rglob("[!.]*")
    return {str(path.relative_to(folder)): path.read_text() for path in paths if path.is_file()}


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
    with pytest.raises(KeyboardInterrupt), whole_file(target, overwrite=True) as part:
        interrupted(part)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_is_replaced_only_when_told(tmp_path):
    target = tmp_path / "note.txt"
    target.write_text("old")
    with pytest.raises(ConfigError, match="Use --overwrite"), whole_file(target):
        pass
    assert target.read_text() == "old"
    with whole_file(str(target), overwrite=True) as part:
        part.write_text("new")
    assert target.read_text() == "new"


def test_only_a_regular_file_is_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, what in ((tmp_path, "a folder"), (Path("/dev/null"), "a device")):
        with pytest.raises(ConfigError, match=f"found {what}"):
            refuse_existing_file(path, overwrite=True)
    with pytest.raises(ConfigError), whole_file(tmp_path / "pipe", overwrite=True):
        pass
    assert (tmp_path / "pipe").is_fifo()


def test_a_link_stays_a_link(tmp_path):
    for name in ("file", "folder"):
        (tmp_path / f"link to {name}").symlink_to(tmp_path / "elsewhere" / name)
    (tmp_path / "elsewhere").mkdir()
    for text in ("old", "new"):
        with whole_file(tmp_path / "link to file", overwrite=True) as part:
            part.write_text(text)
        write(tmp_path / "link to folder", note=text, overwrite=True)
    assert read(tmp_path / "elsewhere") == {"file": "new", "folder/note": "new"}
    assert (tmp_path / "link to file").is_symlink()
    assert (tmp_path / "link to folder").is_symlink()


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077, 0o002])
def test_the_umask_decides_who_may_read(tmp_path, mask):
    before = os.umask(mask)
    try:
        with whole_file(tmp_path / "note.txt") as part:
            part.write_text("whole")
        write(tmp_path / "run", note="whole")
    finally:
        os.umask(before)
    assert (tmp_path / "note.txt").stat().st_mode & 0o777 == 0o666 & ~mask
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o777 & ~mask
    assert (tmp_path / "run" / ".evenrank").stat().st_mode & 0o777 == 0o666 & ~mask


def test_the_longest_names_can_be_written(tmp_path):
    for name in ("x" * 255, "é" * 127):
        with whole_file(tmp_path / name) as part:
            part.write_text("whole")
        write(tmp_path / "in" / name, note="whole")
        assert read(tmp_path / "in" / name) == {"note": "whole"}


def test_a_folder_appears_when_it_is_whole(tmp_path):
    target = tmp_path / "run"
    target.mkdir()  # an empty folder may be filled
    with whole_folder(str(target), marker="result") as part:
        (part / "a.txt").write_text("a")
        assert not (target / "a.txt").exists()
    assert read(target) == {"a.txt": "a"}
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_with_files_is_replaced_only_when_told(tmp_path):
    write(tmp_path / "run", old="old")
    with pytest.raises(ConfigError, match="Use --overwrite or another name"):
        write(tmp_path / "run", new="new")
    assert read(tmp_path / "run") == {"old": "old"}
    write(tmp_path / "run", new="new", overwrite=True)
    assert read(tmp_path / "run") == {"new": "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("marker", [None, "corpus", "", '{"marker": 3}', '["result"]'])
def test_a_folder_of_something_else_is_never_replaced(tmp_path, marker):
    """Without our marker, with that of another kind, or with a file of that name."""
    run = tmp_path / "run"
    if marker == "corpus":
        write(run, marker=marker)
    run.mkdir(exist_ok=True)
    (run / "result.json").write_text("mine")
    if marker not in (None, "corpus"):
        (run / ".evenrank").write_text(marker)
    for overwrite in (True, False):
        with pytest.raises(ConfigError, match=r"[^-]Use another name"):
            write(run, new="new", overwrite=overwrite)
    assert read(run) == {"result.json": "mine"}


@pytest.mark.parametrize("place", ["notes.txt", "deep/er/notes.txt", ".hidden", "link"])
def test_a_file_that_evenrank_did_not_write_keeps_its_folder(tmp_path, place):
    write(tmp_path / "run", old="old")
    mine = tmp_path / "run" / place
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.symlink_to("nowhere") if place == "link" else mine.write_text("mine")
    with pytest.raises(ConfigError, match=f"{place}: found a file of something else"):
        write(tmp_path / "run", new="new", overwrite=True)
    assert (tmp_path / "run" / "old").read_text() == "old"


def test_a_folder_whose_files_change_may_be_marked_as_a_whole(tmp_path):
    mark_folder(tmp_path, "demo")
    (tmp_path / "later.txt").write_text("later")
    write(tmp_path, marker="demo", new="new", overwrite=True)
    assert read(tmp_path) == {"new": "new"}


def test_an_interrupted_folder_leaves_the_old_one_and_no_litter(tmp_path):
    write(tmp_path / "run", old="old")
    again = whole_folder(tmp_path / "run", marker="result", overwrite=True)
    with pytest.raises(KeyboardInterrupt), again as part:
        interrupted(part / "new.txt")
    assert read(tmp_path) == {"run/old": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("inside", [False, True])
def test_a_file_in_the_way_of_a_folder_is_refused(tmp_path, inside):
    (tmp_path / "run").write_text("a file")
    with pytest.raises((ConfigError, FileError), match="file"):
        write(tmp_path / "run" / "more" if inside else tmp_path / "run", new="new", overwrite=True)
    assert (tmp_path / "run").read_text() == "a file"


def test_a_mounted_disk_can_be_filled_and_filled_again(small_disk):
    """A container's volume cannot be renamed, and the folder around it is often read-only."""
    for text in ("old", "new"):
        write(small_disk, overwrite=True, **{text: text})
        assert read(small_disk) == {text: text}
    assert sorted(path.name for path in small_disk.iterdir()) == [".evenrank", "new"]
    with lock_folder(small_disk):
        write(small_disk, overwrite=True, again="again")
    assert read(small_disk) == {"again": "again"}


def test_a_full_disk_says_so_before_and_after(small_disk):
    write(small_disk / "run", old="old")
    with pytest.raises(FileError, match=f"{small_disk / 'run'}: disk full"):
        write(small_disk / "run", overwrite=True, new="n" * 300_000)
    assert read(small_disk) == {"run/old": "old"}
    with pytest.raises(OSError, match="No space"):
        (small_disk / "ballast").write_bytes(bytes(300_000))
    with pytest.raises(FileError, match="disk full"):
        require_writable(small_disk / "run")


def test_an_output_is_never_an_input(tmp_path):
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "de.jsonl").write_text("{}")
    (tmp_path / "link").symlink_to("data")
    (tmp_path / "data.old").mkdir()
    data, file = tmp_path / "data", tmp_path / "data" / "de.jsonl"
    overlaps = [
        (data, data),
        (data / "deep" / "new", data),
        (tmp_path / "data.old" / ".." / "data" / "new", data),
        (tmp_path / "link" / "new.html", str(data)),
        (data, tmp_path / "link"),
        (tmp_path, file),
        (file, file),
        (file, data),
        (str(tmp_path / "link"), file),
    ]
    for output, source in overlaps:
        with pytest.raises(ConfigError, match=f"output {output}"):
            refuse_overlap(output, "hub/model", source)
    refuse_overlap(tmp_path / "data.new", data, file, tmp_path / "data.old", "hub/model", "")
    refuse_overlap("hub/model", "hub/model")  # names of things that are not on this machine


def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path):
    require_writable(tmp_path)
    require_writable(tmp_path / "not" / "there" / "yet")
    assert list(tmp_path.iterdir()) == []
    require_writable(tmp_path / "kept" / "folder", keep=True)
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["folder"]
    assert not list((tmp_path / "kept" / "folder").iterdir())


def test_a_lock_leaves_no_folder_unless_something_was_written(tmp_path):
    with pytest.raises(ValueError, match="refused"), lock_folder(tmp_path / "a" / "b" / "run"):
        raise ValueError("refused")
    assert list(tmp_path.iterdir()) == []
    with lock_folder(tmp_path / "a" / "b" / "run"):
        (tmp_path / "a" / "b" / "run").mkdir()
    assert [path.name for path in (tmp_path / "a").rglob("*")] == ["b", "run"]


def test_processes_may_prove_the_same_folder_at_once(tmp_path):
    """Each removes the folders that it created, also from under the others."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda at: require_writable(tmp_path / str(at // 8) / "piece"), range(800)))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_refusal_names_what_the_user_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=r"/file: a part of this path is a file") as caught:
        require_writable(tmp_path / "file")
    assert ".part" not in str(caught.value)


READ_ONLY = "/proc/1"


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("file", "file"),
        ("file/inside", "file"),
        ("x" * 300, "name too long"),
        ("zero\0byte", "null byte"),
        (READ_ONLY, READ_ONLY),
    ],
)
def test_a_folder_that_cannot_be_written_says_why(tmp_path, place, reason):
    (tmp_path / "file").write_text("a file")
    with pytest.raises(FileError, match=reason):
        require_writable(tmp_path / place)
    assert read(tmp_path) == {"file": "a file"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_of_another_user_says_so():
    code = (
        "import os, sys\n"
        "from evenrank.files import require_writable\n"
        "os.setuid(65534)\n"
        "try: require_writable(sys.argv[1])\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    # a folder that another user may enter; pytest's own may not be entered
    script = [sys.executable, "-c", code, "/usr/share/new"]
    shown = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    assert shown.startswith("FileError /usr/share/new: permission denied. Change its permissions")


LOCK = """
import sys, time
from evenrank.files import lock_folder
with lock_folder(sys.argv[1]):
    print("locked", flush=True)
    time.sleep(100)
"""


def test_a_second_run_into_a_folder_is_refused_until_the_first_ends(tmp_path):
    run = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", LOCK, str(run)], stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout.readline() == "locked\n"
        with pytest.raises(ConfigError, match="found another run"), lock_folder(run):
            pass
        with lock_folder(tmp_path / "other run"):
            pass
        first.send_signal(signal.SIGKILL)
    with lock_folder(run):
        write(run, note="whole")
        with pytest.raises(ConfigError, match="found another run"), lock_folder(run):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


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


def test_names_of_files_that_are_not_utf8_can_be_written_as_json(tmp_path):
    write_json(tmp_path / "a.json", {"output": "Gr\udcc3\udcbcn", "more": ["\udcfc", ("\ud800",)]})
    read_back = orjson.loads((tmp_path / "a.json").read_bytes())
    assert read_back == {"output": "Grün", "more": ["?", ["?"]]}
    with pytest.raises(TypeError):
        write_json(tmp_path / "b.json", {"value": object()})
    assert not (tmp_path / "b.json").exists()
