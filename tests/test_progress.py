"""Progress: a bar on a terminal, two lines elsewhere, nothing when quiet."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

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


def test_a_quiet_terminal_stays_empty():
    assert on_a_terminal(NESTED, EVENRANK_QUIET="1") == ""
