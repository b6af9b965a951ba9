"""``evenrank list`` shows everything that has a name."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from evenrank.cli.app import app


def test_every_kind_is_listed_with_a_line():
    shown = CliRunner().invoke(app, ["list", "--json"])
    catalogue = json.loads(shown.output)
    assert {"xquad-r", "mlqa-r", "world-facts", "corpus"} <= set(catalogue["benchmarks"])
    assert {"x-x", "x-x-mono", "x-y", "hybrid"} <= set(catalogue["strategies"])
    assert {"static", "scratch"} <= set(catalogue["encoders"])
    assert {"AP", "nDCG", "rank_distance", "LPR", "W", "share"} <= set(catalogue["measures"])
    assert all(line for entries in catalogue.values() for line in entries.values())


def test_the_table_is_readable_in_a_terminal():
    shown = CliRunner().invoke(app, ["list"])
    assert shown.exit_code == 0
    assert "hybrid" in shown.output
