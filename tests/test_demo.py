"""The demo, shortened: one strategy, three languages, results and report."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from evenrank.benchmarks.parallel_corpus import benchmark_from_corpus
from evenrank.benchmarks.world_facts import world_facts
from evenrank.cli.demo import show_demo
from evenrank.demo import run_demo
from evenrank.errors import ConfigError
from evenrank.files import lock_folder, mark_folder


def test_the_demo_trains_evaluates_and_reports(tmp_path):
    """It replaces an earlier demo, and keeps what evenrank did not write."""
    output = tmp_path / "demo"
    (output / "runs" / "older").mkdir(parents=True)
    mark_folder(output, "demo")
    (output / "notes.txt").write_text("mine")
    data = benchmark_from_corpus(world_facts("dev", languages=["de", "en", "tr"]))
    demo = run_demo(str(output), strategies=("hybrid",), benchmark=data, steps=120, overwrite=True)
    (hybrid,) = demo.results
    assert hybrid.bias["rank_distance"] < demo.start.bias["rank_distance"]
    assert hybrid.settings["multi"]["AP"] > demo.start.settings["multi"]["AP"]
    assert (output / "notes.txt").read_text() == "mine"
    assert [path.name for path in (output / "runs").iterdir()] == ["hybrid"]
    page = demo.report.read_text(encoding="utf-8")
    assert "hybrid 0.5" in page
    shown = io.StringIO()
    show_demo(demo, Console(file=shown, width=200))
    for word in ("hybrid 0.5", "before training", "* relevant", "report.html", "English"):
        assert word in shown.getvalue()
    with pytest.raises(ConfigError, match="--overwrite"):
        run_demo(str(output))
    with lock_folder(output), pytest.raises(ConfigError, match="another run that writes"):
        run_demo(output, overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="a folder that evenrank wrote"):
        run_demo(tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").exists()
