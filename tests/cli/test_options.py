"""Options that mean the same in every command."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from evenrank.cli.app import app
from evenrank.cli.options import Languages, Measures, print_json


def parsed(*arguments: str) -> object:
    app = typer.Typer()

    @app.command()
    def show(languages: Languages = None, measures: Measures = None) -> None:
        print_json([languages, measures])

    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--languages", "de,en", "--measures", "AP,nDCG@10"],
        ["-l", "de", "-l", "en", "-m", "AP", "-m", "nDCG@10"],
        ["-l", "de, en,", "-m", " AP ,nDCG@10"],
    ],
)
def test_names_are_separated_by_commas_or_given_again(arguments):
    assert parsed(*arguments) == [["de", "en"], ["AP", "nDCG@10"]]


def test_an_option_that_names_nothing_is_refused():
    done = CliRunner().invoke(app, ["compare", "a", "b", "--measures", " ,"])
    assert done.exit_code == 2
    assert "'--measures' / '-m': it names nothing" in done.output


def test_an_option_that_is_not_given_is_none():
    assert parsed() == [None, None]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp1252"])
def test_json_is_json_in_any_encoding(encoding):
    code = (
        "from evenrank.cli.options import print_json\n"
        "print_json({'text': 'Straße ไทย 🙂', 'name': 'Gr\\udcc3\\udcbcn'})\n"
    )
    environment = {"PYTHONIOENCODING": encoding, "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=environment, check=True
    )
    assert json.loads(done.stdout.decode(encoding)) == {"text": "Straße ไทย 🙂", "name": "Grün"}
