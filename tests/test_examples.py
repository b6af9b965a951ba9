"""The scripts of examples/ do what they say; each runs in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "examples"
EXAMPLES = sorted(FOLDER.glob("add_*.py"))
GUIDE = (FOLDER.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_registers_what_it_adds(path):
    """Its doctest finds it by name; in another process, since registries are for a process."""
    assert ">>>" in path.read_text(encoding="utf-8")
    command = [sys.executable, "-m", "doctest", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_guide_names_the_example(path):
    assert f"(examples/{path.name})" in GUIDE


def test_every_example_of_the_guide_exists():
    named = {part.partition(")")[0] for part in GUIDE.split("(examples/")[1:]}
    assert named == {path.name for path in EXAMPLES}
