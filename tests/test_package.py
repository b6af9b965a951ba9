"""The public interface of the package."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.main import get_command

import evenrank
from evenrank.cli.app import app


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", evenrank.__all__)
def test_a_public_name_is_there_and_explained(name):
    value = getattr(evenrank, name)
    assert value.__name__ == name
    assert value.__doc__


def test_every_command_has_a_function_that_the_documentation_names():
    page = (Path(__file__).parents[1] / "docs" / "interoperability.md").read_text(encoding="utf-8")
    named = dict(re.findall(r"\n\| `evenrank ([a-z ]+)` \| `evenrank\.(\w+)", page))
    assert set(named.values()) <= set(evenrank.__all__)
    group = get_command(app)
    commands = {
        f"{name} {inner}".strip()
        for name, command in group.commands.items()
        for inner in getattr(command, "commands", {"": None})
    }
    assert commands - set(named) == {"list", "debias methods"}  # they only print names


def test_the_package_shows_its_interface():
    assert evenrank.__version__ == version("evenrank")
    assert {*evenrank.__all__, "__version__"} == set(dir(evenrank))


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        evenrank.evalute  # noqa: B018
    assert not hasattr(evenrank, "_no_such_name")


def test_importing_the_package_imports_nothing_else():
    code = (
        "import sys; before = set(sys.modules); import evenrank; print(set(sys.modules) - before)"
    )
    loaded = run(code)
    assert "'evenrank'" in loaded
    assert "numpy" not in loaded
    assert "evenrank." not in loaded
