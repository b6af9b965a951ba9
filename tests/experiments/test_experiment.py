"""An experiment end to end: cells, results, tests, resume, failures, shards."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

from evenrank.batching.strategies import STRATEGIES, X_Y, Strategy, make_strategy
from evenrank.cli.app import app
from evenrank.errors import ConfigError, DataError
from evenrank.experiments.experiment import Experiment, Shard
from evenrank.files import lock_folder
from evenrank.results.folder import read_result

from .conftest import write


@pytest.fixture
def copied(finished, tmp_path):
    """Return a copy of the folder of the finished experiment, which a test may change."""
    return shutil.copytree(finished[0].folder, tmp_path / "copy")


@pytest.mark.slow
def test_a_soup_is_created_once_its_parts_are_finished(copied, values, tmp_path):
    variants = {
        "mono": {"strategy": "x-x-mono"},
        "cross": {"strategy": "x-y"},
        "as-is": {"as_is": True},
        "half": {"soup": {"of": ["mono", "cross"], "weight": 0.25}},
        "chosen": {
            "soup": {
                "of": ["mono", "as-is"],
                "weight": [0, 0.5],
                "dev_benchmark": "corpus:tiny/train",
            }
        },
    }
    one = Experiment(write(tmp_path / "soup.yaml", values(variants=variants)), copied)
    mono, cross, _, half, chosen = one.cells
    statuses = one.runner.run_all(one.cells)
    assert set(statuses.values()) == {"finished"}, facts_of(one, chosen)
    weights = [weights_of(one, cell) for cell in (mono, cross, half)]
    assert np.allclose(weights[0] / 4 + weights[1] * 0.75, weights[2], atol=1e-6)
    tried = one.runner.folder(chosen).run.read_facts()["tried"]
    assert [entry["weight"] for entry in tried] == [0, 0.5]
    assert set(one.report().benchmarks[0].systems) == set(variants)
    alone = Experiment(write(tmp_path / "alone.yaml", values(variants=variants)), tmp_path / "new")
    alone.prepare()
    assert alone.runner.run(alone.cells[3]) == "waiting"


def weights_of(experiment, cell):
    (path,) = experiment.runner.folder(cell).run.model.glob("**/*.safetensors")
    (weights,) = load_file(path).values()
    return weights


@pytest.mark.slow
def test_corrected_scores_are_ranked_without_the_device(copied, values, tmp_path):
    evaluation = {"benchmarks": ["corpus:tiny/test"], "rank_device": "cpu", "measures": ["AP"]}
    evaluation["model_settings"] = {"query_prompt": "query: "}
    corrections = {"scores": {"corpus": "tiny/train", "method": "calibrate"}}
    variants = {"mono": {"strategy": "x-x-mono"}}
    content = values(variants=variants, corrections=corrections, evaluate=evaluation)
    again = Experiment(write(tmp_path / "device.yaml", content), copied)
    (cell,) = again.cells
    assert again.runner.run(cell) == "finished", facts_of(again, cell)
    folder = again.runner.folder(cell)
    result = read_result(folder.result("corpus-tiny-test"))
    assert result.config["rank_device"] == "cpu"
    assert result.config["model_settings"] == {"query_prompt": "query: "}
    assert result.model.query_prompt == "query: "
    corrected = read_result(folder.result("corpus-tiny-test+scores"))
    assert "rank_device" not in corrected.config
    assert corrected.config["debias"]["method"] == "calibrate"
    evaluation["model_settings"] = {"query_prompt": "find: "}
    content = values(variants=variants, corrections=corrections, evaluate=evaluation)
    other = Experiment(write(tmp_path / "device.yaml", content), copied)
    assert other.runner.run(other.cells[0]) == "finished", facts_of(other, other.cells[0])


def facts_of(experiment, cell):
    return experiment.runner.folder(cell).read()


def test_each_cell_is_a_folder_with_its_run_and_results(finished):
    experiment, outcome = finished
    assert [cell.status for cell in outcome.cells] == ["finished"] * 6
    folders = {cell.folder for cell in outcome.cells}
    assert len(folders) == 6
    for cell in experiment.cells:
        folder = experiment.runner.folder(cell)
        assert (folder.run.model / "modules.json").is_file()
        names = {path.name for path in (folder.path / "results").iterdir()}
        corrected = {"corpus-tiny-test+mean"} if cell.variant == "cross" else set()
        assert names == {"corpus-tiny-test"} | corrected
        result = read_result(folder.result("corpus-tiny-test"))
        assert result.model.label == cell.name
        if cell.kind == "train":
            assert result.model.training["config"]["strategy"] == cell.config.strategy


def test_the_outcome_is_the_mean_of_the_results(finished):
    experiment, outcome = finished
    (found,) = outcome.benchmarks
    assert list(found.systems) == ["mono", "cross", "as-is", "cross + mean"]
    names = [f"{figure.setting} {figure.measure}" for figure in found.figures]
    for system, folder in (("mono", "corpus-tiny-test"), ("cross + mean", "corpus-tiny-test+mean")):
        results = [
            read_result(experiment.runner.folder(cell).result(folder))
            for cell in experiment.cells
            if cell.system == system.split()[0]
        ]
        row = found.systems[system][names.index("multi AP")]
        values = [one.settings["multi"]["AP"] for one in results]
        assert row.mean == pytest.approx(np.mean(values))
        assert row.deviation == pytest.approx(np.std(values, ddof=1))
        distance = found.systems[system][names.index("bias rank_distance")].mean
        assert distance == pytest.approx(np.mean([one.bias["rank_distance"] for one in results]))
    assert set(found.against) == {"cross", "as-is", "cross + mean"} == set(found.tests)
    assert set(found.against.values()) == {"mono"}
    test = found.tests["cross"][names.index("multi AP")]
    expected = found.systems["cross"][2].mean - found.systems["mono"][2].mean
    assert test.difference == pytest.approx(expected)
    assert test.low <= test.difference <= test.high


def test_curves_have_a_point_for_each_evaluation_on_dev(finished):
    _, outcome = finished
    assert len(outcome.learned) == 4
    for one in outcome.learned:
        assert one.steps == (3, 6)
        assert 0 < one.tokens[0] < one.tokens[1]
        assert all(0 <= value <= 1 for value in one.values)


def test_the_report_shows_systems_tests_front_and_curves(finished):
    experiment, _ = finished
    text = (experiment.folder / "report.md").read_text(encoding="utf-8")
    for part in ("cross + mean (2 seeds)", "difference from the baseline", "Pareto front",
                 "multi AP on dev, by tokens encoded", "Tokens to a given multi AP",
                 "6 cells: 6 finished"):  # fmt: skip
        assert part in text
    page = (experiment.folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg viewBox") >= 3
    plain = json.loads((experiment.folder / "results.json").read_text(encoding="utf-8"))
    assert plain["benchmarks"][0]["tests"]["cross"]["multi AP"]["p_holm"] <= 1


def test_a_second_call_runs_nothing_again(finished):
    experiment, _ = finished
    before = {cell: facts_of(experiment, cell) for cell in experiment.cells}
    again = Experiment(experiment.source.path, experiment.folder)
    assert all(status == "finished" for status in again.runner.run_all(again.cells).values())
    assert list(before.values()) == [facts_of(again, cell) for cell in again.cells]


def test_another_benchmark_is_measured_without_training_again(copied, values, tmp_path):
    variants = {"mono": {"strategy": "x-x-mono"}}
    wider = values(
        variants=variants, evaluate={"benchmarks": ["corpus:tiny/test", "corpus:tiny/train"]}
    )
    again = Experiment(write(tmp_path / "wider.yaml", wider), copied)
    (cell,) = again.cells
    trained = again.runner.folder(cell).run.facts.stat().st_mtime_ns
    assert again.runner.status(cell) == "open"
    assert again.runner.run(cell) == "finished"
    assert again.runner.folder(cell).run.facts.stat().st_mtime_ns == trained
    assert read_result(again.runner.folder(cell).result("corpus-tiny-train"))


@pytest.mark.slow
def test_shards_failures_and_another_try(experiment):
    """Cells of other shards stay open; one that fails is recorded, the others go on."""
    one = experiment()
    outcome = one.run(Shard.parse("2/2"))
    assert [cell.status for cell in outcome.cells] == ["open", "finished"]
    first = one.runner.folder(one.cells[0]).path
    first.mkdir()
    (first / "run").write_text("in the way")
    command = ["experiment", str(one.source.path), "-o", str(one.folder)]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 1
    assert "failed   mono, seed 0: " in shown.output
    plain = json.loads((one.folder / "results.json").read_text(encoding="utf-8"))
    assert [cell["status"] for cell in plain["cells"]] == ["failed", "finished"]
    assert "expected a folder" in plain["cells"][0]["error"]
    (first / "run").unlink()
    shown = CliRunner().invoke(app, [*command, "--shard", "1/2", "--json"])
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.stdout)
    assert [cell["status"] for cell in found["cells"]] == ["finished"] * 2
    assert set(found["benchmarks"][0]["systems"]) == {"mono", "cross"}


def test_a_run_that_was_stopped_goes_on_from_its_checkpoint(experiment):
    stops = iter([False] * 5 + [True])

    @STRATEGIES.decorator("stops-once")
    def stops_once(alpha):
        mono = make_strategy("x-x-mono")

        def draw(*given):
            if next(stops, False):
                signal.raise_signal(signal.SIGINT)
            return X_Y.draw(*given)

        return Strategy("stops-once", (replace(X_Y, draw=draw),), mono.mixture)

    one = experiment(variants={"stops": {"strategy": "stops-once"}})
    (cell,) = one.cells
    with pytest.raises(KeyboardInterrupt):
        one.run()
    folder = one.runner.folder(cell)
    assert folder.run.read_facts()["status"] == "running"
    stopped_at = int(folder.run.last_checkpoint().name.removeprefix("checkpoint-"))
    assert 0 < stopped_at < 6
    assert one.runner.status(cell) == "open"
    assert one.run().cells[0].status == "finished"
    steps = [json.loads(line)["step"] for line in folder.run.log.read_text().splitlines()]
    assert stopped_at in steps  # logged before the stop, and kept
    assert steps == sorted(steps)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0"])
def test_a_wrong_shard_is_refused(text):
    with pytest.raises(ConfigError, match="--shard"):
        Shard.parse(text)


def test_a_cell_that_another_process_works_on_is_left_to_it(experiment):
    one = experiment()
    one.prepare()
    with lock_folder(one.runner.folder(one.cells[0]).path):
        outcome = one.run(Shard(1, 2))
    assert [cell.status for cell in outcome.cells] == ["busy", "open"]
    assert not (one.folder / "report.md").exists()  # left to the other process, too
    assert not outcome.failed


def test_the_cost_in_advance_counts_steps_and_measures_the_pace(experiment, finished):
    before = experiment().cost()
    assert (before.probed, before.evaluations_known) == (1, False)
    assert [cell.steps for cell in before.cells] == [6, 6]
    assert before.seconds > 0
    after = finished[0].cost()
    assert (after.probed, after.seconds, after.evaluations_known) == (0, 0, True)


def test_cells_are_named_by_content_not_by_place(experiment, values, corpus_folder, tmp_path):
    one = experiment()
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    for path in corpus_folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    split = {"train": 0.6, "test": 0.4}
    moved = values(data={"tiny": {"source": str(copy), "split": split}})
    other = Experiment(write(tmp_path / "moved.yaml", moved), tmp_path / "other")
    names = [one.runner.folder(cell).path.name for cell in one.cells]
    assert names == [other.runner.folder(cell).path.name for cell in other.cells]
    (copy / "en.jsonl").write_text('{"id": "1", "query": "new", "passage": "text"}\n')
    changed = Experiment(other.source.path, tmp_path / "third")
    assert not set(names) & {changed.runner.folder(cell).path.name for cell in changed.cells}


def test_data_that_cannot_be_read_is_an_error_before_the_first_cell(experiment, monkeypatch):
    monkeypatch.delenv("NO_SUCH_FOLDER", raising=False)
    variants = {"mono": {"strategy": "x-x-mono"}, "other": {"corpora": "$NO_SUCH_FOLDER/x"}}
    one = experiment(variants=variants)
    with pytest.raises(ConfigError, match=r"tiny.yaml:\d+: \$NO_SUCH_FOLDER without a value"):
        one.run()
    assert not (one.folder / "cells").exists()
    with pytest.raises(ConfigError, match="expected one of tiny/train, tiny/test"):
        experiment(variants={"mono": {"corpora": "tiny/dev"}}).run()


def test_a_correction_is_not_fitted_on_what_it_is_measured_on(experiment):
    one = experiment(corrections={"mean": {"corpus": "tiny/test"}})
    with pytest.raises(DataError, match="texts that the correction was fitted on"):
        one.run()


def test_a_folder_of_something_else_is_refused(experiment):
    one = experiment()
    one.folder.mkdir()
    (one.folder / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="a folder of something else"):
        one.run()
