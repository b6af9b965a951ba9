"""The demo, shortened: three strategies from one start, results and report."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from evenrank.cli.app import app
from evenrank.errors import ConfigError


@pytest.mark.slow
def test_the_whole_story(tmp_path, monkeypatch):
    output = tmp_path / "demo"
    done = CliRunner().invoke(app, ["demo", "--output", str(output), "--steps", "60"])
    assert done.exit_code == 0, done.output
    assert "hybrid" in done.output
    assert "report" in done.output
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "rank distance" in page
    result = {
        name: json.loads((output / "results" / name / "result.json").read_text())
        for name in ("x-x-mono", "x-y", "hybrid", "untrained")
    }
    distance = {name: one["bias"]["rank_distance"] for name, one in result.items()}
    assert distance["x-y"] < distance["x-x-mono"]
    assert distance["hybrid"] < distance["x-x-mono"]
    multi = {name: one["settings"]["multi"]["AP"] for name, one in result.items()}
    assert multi["hybrid"] > multi["untrained"]
    again = CliRunner().invoke(app, ["demo", "--output", str(output)])
    assert isinstance(again.exception, ConfigError)
