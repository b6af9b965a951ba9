"""The command itself: errors are one line with exit code 2, help comes without torch."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from evenrank.cli.app import app, main


def run(*arguments):
    command = [sys.executable, "-m", "evenrank", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_a_known_error_is_one_line_and_exit_code_two(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evenrank", "report", str(tmp_path / "nothing [here]")])
    with pytest.raises(SystemExit) as stop:
        main()
    captured = capsys.readouterr()
    assert stop.value.code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("error: ")
    assert "nothing [here]" in captured.err


def test_every_command_has_help_with_an_example():
    names = ("demo", "train", "evaluate", "report", "list")
    for command in [[name] for name in names] + [["data", "validate"], ["data", "convert"]]:
        shown = CliRunner().invoke(app, [*command, "--help"])
        assert shown.exit_code == 0, command
        assert "evenrank" in shown.output, command


def test_importing_and_help_do_not_load_torch():
    code = (
        "import sys, evenrank, evenrank.cli.app\n"
        "heavy = {'torch', 'sentence_transformers', 'transformers', 'datasets', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_the_packages():
    from importlib.metadata import version

    assert run("--version").stdout.strip() == f"evenrank {version('evenrank')}"
