"""Progress: a bar on a terminal, a line a minute elsewhere, nothing when quiet."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time

import pytest

from evenrank.progress import bar, quiet, track

NESTED = """
from evenrank.progress import bar, track
with bar("Outer work", total=2, unit="rows") as outer:
    for _ in range(2):
        for _ in track(range(3), "Inner work"):
            pass
        outer.advance()
        outer.note("loss 0.25")
"""


def on_a_terminal(code: str, **environment: str) -> str:
    """Run Python code whose standard error is a terminal, and return what that shows."""
    main, end = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stderr=end,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120", **environment},
    )
    os.close(end)
    shown = b""
    try:
        while piece := os.read(main, 4096):
            shown += piece
    except OSError:  # Linux reports the end of a terminal as an error
        pass
    os.close(main)
    assert child.wait() == 0
    return shown.decode()


@pytest.fixture(autouse=True)
def loud(monkeypatch):
    monkeypatch.delenv("EVENRANK_QUIET", raising=False)


def test_a_file_gets_one_line_at_the_start_and_one_at_the_end(capsys):
    assert list(track(range(1200), "Reading", unit="rows")) == list(range(1200))
    out, err = capsys.readouterr()
    start, end = err.splitlines()
    assert out == ""
    assert start == "Reading ..."
    assert end.startswith("Reading: 1,200 rows in 0.")


def test_long_work_writes_a_line_now_and_then(capsys, monkeypatch):
    """A minute by default; here a twentieth of a second, in work of a fifth."""
    monkeypatch.setenv("EVENRANK_LOG_SECONDS", "0.05")
    with bar("Encoding", total=2000, unit="passages") as progress:
        for step in range(20):
            time.sleep(0.01)
            progress.note(f"loss {step / 10:.1f}\x1b[31m")
            progress.advance(50)
    lines = capsys.readouterr().err.splitlines()
    assert 4 <= len(lines) < 22  # a step takes a hundredth, or more on a busy machine
    form = (
        r"Encoding: [\d,]+ of 2,000 passages, [\d,]+ passages/s, \d\.\d s left, "
        r"loss \d\.\d\\x1b\[31m"
    )
    for line in lines[1:-1]:
        assert re.fullmatch(form, line), line
    assert lines[-1].startswith("Encoding: 1,000 passages in 0.")


def test_slow_work_of_unknown_length_says_what_is_known(capsys, monkeypatch):
    monkeypatch.setenv("EVENRANK_LOG_SECONDS", "0.01")
    with bar("Waiting", unit="steps") as progress:
        time.sleep(0.3)
        progress.note("still there")
        progress.advance()
        time.sleep(0.02)
        progress.advance()
    _, note, count, end = capsys.readouterr().err.splitlines()
    assert note == "Waiting: 0 steps, still there"
    assert re.fullmatch(r"Waiting: 2 steps, \d\.\d\d steps/s, still there", count)
    assert end.startswith("Waiting: 2 steps in 0.")


def test_bytes_are_shown_in_large_units(capsys):
    with bar("Downloading", unit="bytes") as progress:
        progress.advance(1_500_000)
        progress.advance(2_000_000)
    assert "3.5 MB" in capsys.readouterr().err


def test_work_that_fails_is_not_called_done(capsys):
    with pytest.raises(RuntimeError), bar("Reading"):
        raise RuntimeError
    assert capsys.readouterr().err == "Reading ...\n"


@pytest.mark.parametrize("by", ["environment", "block", "outer block"])
def test_quiet_writes_nothing(capsys, monkeypatch, by):
    if by == "environment":
        monkeypatch.setenv("EVENRANK_QUIET", "1")
    with quiet(by != "environment"), quiet(by == "block"):
        assert sum(track([1, 2], "Adding")) == 3
    assert capsys.readouterr().err == ""


def test_quiet_off_changes_nothing(capsys):
    with quiet(False):
        list(track([1], "Adding"))
    assert capsys.readouterr().err != ""


def test_a_terminal_shows_nested_bars_with_notes():
    shown = on_a_terminal(NESTED)
    for text in ("Outer work", "Inner work", "of 2 rows", "loss 0.25", "\x1b["):
        assert text in shown


def test_a_label_is_not_a_command_to_the_terminal():
    shown = on_a_terminal(
        "from evenrank.progress import track\n"
        "list(track([1], 'Reading [red]x[/red] \x1b]0;title\x07'))\n"
    )
    assert r"Reading [red]x[/red] \x1b]0;title\x07" in shown


def test_without_an_error_stream_the_work_is_done():
    code = (
        "from evenrank.progress import track\n"
        "import sys\n"
        "assert sys.stderr is None\n"
        "sys.exit(sum(track([1, 2], 'Adding')))\n"
    )
    command = ["bash", "-c", '"$0" -c "$1" 2>&-', sys.executable, code]
    assert subprocess.run(command, check=False).returncode == 3


def test_a_quiet_terminal_stays_empty():
    assert on_a_terminal(NESTED, EVENRANK_QUIET="1") == ""
