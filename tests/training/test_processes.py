"""Two processes that train one model, over gloo on the CPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import orjson
import pytest
from safetensors.numpy import load

from evenrank.training.run import train

SETTINGS = {
    "encoder": "scratch",
    "encoder_settings": {
        "layers": 1, "width": 16, "heads": 2, "inner_width": 32, "dropout": 0, "vocabulary": 600,
    },
    "learning_rate": 0.003,
    "steps": 40,
    "batch_size": 12,
    "eval_every": 10,
    "patience": None,
}  # fmt: skip


@pytest.fixture
def together(tmp_path):
    """A function that runs the command in two processes, for each name, step and arguments."""

    def run(*runs):
        script = Path(__file__).with_name("two_processes.py")
        done = subprocess.run(
            [sys.executable, script, tmp_path],
            input=json.dumps(runs), capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        printed = {
            name: [(tmp_path / f"{name}-{rank}.txt").read_text() for rank in range(2)]
            for name, _, _ in runs
        }
        return json.loads(done.stdout), printed

    return run


def facts_of(run_folder):
    return orjson.loads((run_folder / "run.json").read_bytes())


@pytest.mark.slow
def test_two_processes_train_stop_and_resume_as_one(config, tmp_path, together, weights_of):
    path = tmp_path / "config.yaml"
    path.write_text(config(**SETTINGS).model_dump_json())
    runs = tmp_path / "runs"
    codes, printed = together(
        ("whole", None, [str(path)]),
        ("broken", 17, [str(path)]),
        ("broken-resumed", None, [str(path), "--resume"]),
        ("uneven", None, [str(path), "--batch-size", "15"]),
        ("whole-again", None, [str(path)]),
    )
    assert codes == {
        "whole": [0, 0], "broken": [130, 130], "broken-resumed": [0, 0], "uneven": [2, 2],
        "whole-again": [2, 2],
    }  # fmt: skip
    for name, message in [
        ("whole", "next   evenrank evaluate"),
        ("broken", "stopped at step"),
        ("broken-resumed", "next   evenrank evaluate"),
        ("uneven", "equal parts for 2 processes"),
        ("whole-again", "a finished run"),
    ]:
        assert sum(text.count(message) for text in printed[name]) == 1, printed[name]
        if codes[name] != [2, 2]:  # of an error, either process may be the first to tell
            assert "Training" not in printed[name][1]
            assert message in printed[name][0]

    assert facts_of(runs / "whole")["processes"] == 2
    whole, broken = weights_of(runs / "whole"), weights_of(runs / "broken")
    assert whole == broken  # batches of the second and later passes over the corpus, too
    alone = train(config(**SETTINGS, output=tmp_path / "alone"))
    one, two = load(weights_of(alone.folder)), load(whole)
    for name, values in one.items():  # the same batches and negatives, but for the order of sums
        np.testing.assert_allclose(values, two[name], atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"negatives": 2},
        {"negatives": 2, "mini_batch_size": 4},
        {"strategy": "pool", "pool_languages": 2, "losses": {"consistency": 0.5}},
        {"strategy": "pool", "pool_languages": 2, "mini_batch_size": 4, "negatives": 1},
        {"strategy": "hybrid-any", "losses": {"keep": 2.0}},
        {"strategy": "hybrid-queries", "queries_per_passage": 3, "negatives": 1},
        {"losses": {"teacher": 3.0}, "negatives": 1, "matryoshka": {8: 1}},
        {"losses": {"teacher": 3.0}, "negatives": 1, "matryoshka": {8: 1}, "mini_batch_size": 4},
        {"lora": {"rank": 4, "targets": "all-linear"}},
        {"negatives": 2, "in_batch_negatives": "none", "mini_batch_size": 4},
    ],
    ids=[
        "negatives",
        "negatives, in parts",
        "pool",
        "pool, in parts",
        "keep",
        "several queries",
        "teacher, widths",
        "teacher, widths, in parts",
        "lora",
        "no in-batch negatives, in parts",
    ],
)
def test_two_processes_have_the_gradients_of_one(config, tmp_path, together, weights_of, changes):
    """After one step of plain gradient descent, the change of the weights is the gradient.

    A process has 9 of the 18 pairs, so two pairs of one item are in different processes.
    """
    start = train(config(**SETTINGS, output=tmp_path / "start"), steps=2, dev_fraction=0).model
    settings = SETTINGS | changes | {
        "encoder": str(start), "encoder_settings": {}, "batch_size": 18, "steps": 2, "warmup": 0,
        "dev_fraction": 0, "weight_decay": 0, "learning_rate": 1.0,
        "trainer": {"optim": "sgd", "max_grad_norm": 1e9, "lr_scheduler_type": "constant"},
    }  # fmt: skip
    if "teacher" in settings.get("losses", {}):
        teacher = config(**SETTINGS | {"encoder": "static", "encoder_settings": {"width": 8}})
        settings["teacher"] = str(train(teacher, output=tmp_path / "teacher").model)
    path = tmp_path / "config.yaml"
    path.write_text(config(**settings).model_dump_json())
    codes, printed = together(("two", None, [str(path)]))
    assert codes == {"two": [0, 0]}, printed
    alone = train(config(**settings, output=tmp_path / "alone"))
    before = load(next(start.glob("**/*.safetensors")).read_bytes())
    one, two = load(weights_of(alone.folder)), load(weights_of(tmp_path / "runs" / "two"))
    change = max(np.abs(values - before[name]).max() for name, values in one.items())
    difference = max(np.abs(values - two[name]).max() for name, values in one.items())
    assert change > 1e-3
    assert difference < 1e-3 * change
    assert log_of(alone.folder) == pytest.approx(log_of(tmp_path / "runs" / "two"), rel=1e-4)


def log_of(run_folder):
    lines = (run_folder / "log.jsonl").read_bytes().splitlines()
    return [entry["loss"] for entry in map(orjson.loads, lines) if "loss" in entry]
