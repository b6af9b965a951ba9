"""The command itself: errors are one line with exit code 2, help comes without torch."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
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
    load_benchmark("world-facts")  # the cache has enough space
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


def run_code(body: str, *, cache: Path | None = None, shell: str = "", **environment: str):
    """Run a command ``go`` with some code as its body, through the real entry point."""
    code = (
        "import errno, os, sys\n"
        "from evenrank.cli import app\n"
        "@app.app.command()\n"
        f"def go() -> None: {body}\n"
        "sys.argv = ['evenrank', 'go']\n"
        "app.main()\n"
    )
    command = ["bash", "-c", f'"$0" -c "$1" {shell}', sys.executable, code]
    own = {"EVENRANK_CACHE": str(cache)} if cache else {}
    return subprocess.run(
        command,
        capture_output=True,
        encoding=environment.get("PYTHONIOENCODING", "utf-8"),
        env={**os.environ, **own, **environment},
        check=False,
    )


def test_ctrl_c_says_so_and_exits_with_130():
    """What a command says of it, such as how to go on, is shown."""
    done = run_code("raise KeyboardInterrupt('stopped at step 3: use --resume')")
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "interrupted stopped at step 3: use --resume\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("OSError(errno.ENOSPC, 'No space', 'run/a')", "run/a: disk full. Free some space"),
        ("OSError(errno.EDQUOT, 'Quota')", "evenrank go: disk quota used up. Free"),
        ("OSError(errno.EROFS, 'Read-only', 'a')", "a: read-only file system. Use another"),
        ("PermissionError(errno.EACCES, 'no', b'\\xc3\\xa9')", "é: permission denied. Change"),
        ("OSError(errno.EMFILE, 'Too many', 'a')", "a: too many open files. Raise the limit"),
        ("OSError(errno.EIO, 'Input/output', 'a')", "a: the disk cannot be read or written."),
        ("OSError(errno.ESTALE, 'Stale file handle', 'a')", "a: Stale file handle. Correct"),
        ("OSError('a library says so')", "evenrank go: a library says so. Correct this and run"),
        ("RuntimeError('I/O error: no (os error 28)')", "evenrank go: disk full. Free some"),
        ("MemoryError('Unable to allocate 16 GiB')", "evenrank go: out of memory (Unable to"),
    ],
)
def test_what_the_system_refuses_is_one_line_and_exit_code_two(error, line):
    done = run_code(f"raise {error}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {line}")
    assert done.stderr.count("\n") == 1


def test_a_bug_is_one_line_that_says_where_its_traceback_is(tmp_path):
    done = run_code("{}['\x1b[31mkey']", cache=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    (saved,) = (tmp_path / "errors").iterdir()
    assert str(saved) in done.stderr
    assert "KeyError" in done.stderr
    assert "\x1b" not in done.stderr
    assert "'evenrank doctor'" in done.stderr
    assert saved.read_text().startswith("Traceback (most recent call last)")


def test_a_bug_is_told_where_the_cache_cannot_be_written(tmp_path):
    (tmp_path / "cache").write_text("a file")
    done = run_code("1 / 0", cache=tmp_path / "cache", TMPDIR=str(tmp_path))
    (saved,) = tmp_path.glob("error-*.txt")
    assert str(saved) in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_traceback_is_printed_on_demand():
    done = run_code("raise OSError(errno.ENOSPC, 'No space', 'run/a')", EVENRANK_DEBUG="1")
    assert done.stderr.startswith("Traceback (most recent call last)")
    assert done.stderr.splitlines()[-1].startswith("error: run/a: disk full")
    assert done.returncode == 2


LONG = "[print('line', n) for n in range(100_000)]; sys.exit(7)"


def test_a_reader_that_has_gone_changes_nothing():
    """The work goes on: its exit code, and what it writes elsewhere, are what they would be."""
    done = run_code(LONG, shell="| head -1; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stdout, done.stderr) == (7, "line 0\n", "")
    done = run_code(
        LONG.replace("n)", "n, file=sys.stderr)"), shell="2>&1 | head -1; exit ${PIPESTATUS[0]}"
    )
    assert (done.returncode, done.stdout) == (7, "line 0\n")


def test_an_output_that_takes_nothing_is_said_after_the_work(tmp_path):
    done = run_code(
        "print('a'); open('done', 'w')".replace("done", f"{tmp_path}/done"), shell="> /dev/full"
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: standard output: disk full. Free some space")
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_files_of_ours(tmp_path, closed):
    """A file that is opened takes the lowest free number: it must not become standard output."""
    body = f"out = open('{tmp_path}/out', 'w'); print('text'); os.write(1, b'text'); sys.exit(3)"
    done = run_code(body, shell=closed)
    assert done.returncode == 3
    assert (tmp_path / "out").read_bytes() == b""
    assert done.stdout == ("texttext\n" if closed == "2>&-" else "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_no_character_is_too_much_for_the_terminal(encoding):
    body = "app.say('Straße ไทย'); app.say('é', error=True); sys.stderr.write('ไทย')"
    done = run_code(body, PYTHONIOENCODING=encoding)
    assert done.returncode == 0
    assert done.stderr.endswith("\n" + r"\u0e44\u0e17\u0e22")
    assert r"\u0e44\u0e17\u0e22" in done.stdout


NO_UTF8 = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}


@pytest.mark.slow
def test_names_of_files_need_no_locale(tmp_path):
    """Python decodes ASCII only there, and most libraries take no name with another letter."""
    (tmp_path / "Grün").mkdir()
    for lang in ("de", "en"):
        row = {"id": "1", "passage_id": "1", "query": f"{lang}?", "passage": "ไทย."}
        (tmp_path / "Grün" / f"{lang}.jsonl").write_text(json.dumps(row) + "\n")
    names = {"EVENRANK_CACHE": str(tmp_path / "cäche"), "EVENRANK_QUIET": "1"}
    for command in (["data", "convert", "Grün", "öut"], ["data", "export", "corpus:Grün", "éx"]):
        done = subprocess.run(
            [sys.executable, "-m", "evenrank", *command],
            capture_output=True,
            env={**os.environ, **NO_UTF8, **names},
            cwd=tmp_path,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()
        assert done.stdout.decode().startswith(f"{command[-1]}: ")
    assert {path.name for path in tmp_path.iterdir()} == {"Grün", "cäche", "öut", "éx"}


def test_a_name_that_is_not_utf8_is_one_line():
    done = run_code("'Gr\\udcfcn'.encode()")
    assert done.returncode == 2
    assert done.stderr == "error: evenrank go: a name that is not UTF-8: Gr\\udcfcn. Rename it.\n"


def test_a_table_is_drawn_with_what_the_terminal_has():
    body = (
        "from rich.table import Table; from rich.console import Console; "
        "table = Table('ไทย', title='é'); table.add_row('–'); Console().print(table)"
    )
    done = run_code(body, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert r"\u0e44" in done.stdout
    assert "+-" in done.stdout


def commands(group=None, path=()):
    """Yield the words of every command."""
    for name, command in (group or get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_every_command_has_help_with_an_example(command):
    shown = CliRunner().invoke(app, [*command, "--help"])
    assert shown.exit_code == 0
    words = " ".join(shown.output.replace("│", " ").split())
    assert re.search(rf"Examples?: .*evenrank {' '.join(command)}", words), words


def test_help_has_the_commands_in_groups():
    shown = CliRunner().invoke(app, ["--help"]).output
    for text in ("Train and encode", "Evaluate and compare", "Start with: evenrank demo"):
        assert text in shown


def test_a_shell_completes_commands():
    environment = {"_EVENRANK_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "evenrank eva"}
    code = "from evenrank.cli.app import app; app(prog_name='evenrank')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=True,
    )
    assert "evaluate" in done.stdout
    assert "train" not in done.stdout.split()


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


@pytest.mark.slow
def test_a_broken_plug_in_breaks_no_command(tmp_path):
    (tmp_path / "broken.py").write_text("import no_such_module\n")
    metadata = tmp_path / "broken-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[evenrank.extensions]\nmine = broken\n")
    done = subprocess.run(
        [sys.executable, "-m", "evenrank", "list", "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        check=True,
    )
    assert "x-x-mono" in json.loads(done.stdout)["strategies"]
    assert done.stderr.startswith("plug-in 'mine = broken' is skipped: ModuleNotFoundError")
    assert done.stderr.count("\n") == 1
