"""``evenrank list`` shows everything that has a name."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path

from typer.testing import CliRunner

import evenrank
from evenrank.cli.app import app


def test_every_kind_is_listed_with_a_line():
    shown = CliRunner().invoke(app, ["list", "--json"])
    catalogue = json.loads(shown.output)
    assert {"xquad-r", "mlqa-r", "world-facts", "corpus"} <= set(catalogue["benchmarks"])
    assert {"x-x", "x-x-mono", "x-y", "hybrid"} <= set(catalogue["strategies"])
    assert {"static", "scratch"} <= set(catalogue["encoders"])
    assert {"AP", "nDCG", "rank_distance", "LPR", "W", "share"} <= set(catalogue["measures"])
    assert {"consistency", "keep", "teacher"} <= set(catalogue["losses"])
    assert all(line for entries in catalogue.values() for line in entries.values())


def test_no_registry_is_left_out():
    """All registries of the package, found by the line that creates each."""
    catalogue = json.loads(CliRunner().invoke(app, ["list", "--json"]).output)
    shown = [set(entries) for entries in catalogue.values()]
    root = Path(evenrank.__file__).parent
    found = [
        (".".join(path.relative_to(root.parent).with_suffix("").parts), name)
        for path in root.rglob("*.py")
        for name in re.findall(r"^(\w+): Registry\[", path.read_text(), re.MULTILINE)
    ]
    assert len(found) == len(shown)
    for module, name in found:
        assert set(getattr(import_module(module), name)) in shown


def test_the_table_is_readable_in_a_terminal():
    shown = CliRunner().invoke(app, ["list"])
    assert shown.exit_code == 0
    assert "hybrid" in shown.output
