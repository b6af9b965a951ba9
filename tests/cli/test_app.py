"""The command itself: errors are one line with exit code 2, help comes without torch."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from evenrank.benchmarks.benchmark import load_benchmark
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


def test_a_full_disk_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["evenrank", "data", "export", "world-facts", "out"])
    load_benchmark("world-facts")  # the cache has room
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limit[1]))
    try:
        with pytest.raises(SystemExit) as stop:
            main()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    last = capsys.readouterr().err.splitlines()[-1]
    assert (stop.value.code, last[:7]) == (2, "error: ")
    assert "disk" in last
    assert "Free some space and run the same command again." in last
    assert not (tmp_path / "out").exists()


def test_ctrl_c_says_so_and_exits_with_130(tmp_path):
    """What a command says of it, such as how to go on, is shown."""
    code = (
        "import sys\n"
        "from evenrank.cli import app\n"
        "@app.app.command()\n"
        "def wait() -> None: raise KeyboardInterrupt('stopped at step 3: use --resume')\n"
        "sys.argv = ['evenrank', 'wait']\n"
        "app.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "interrupted stopped at step 3: use --resume\n"


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
