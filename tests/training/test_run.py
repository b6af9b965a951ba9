"""Training with the real trainer: what it learns, what it leaves, and how it goes on."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import orjson
import pytest
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from transformers import TrainerCallback

from evenrank.errors import ConfigError, DataError, UnknownNameError
from evenrank.training import run as run_module
from evenrank.training.run import train


def weights(run_folder):
    (path,) = (run_folder / "model").glob("**/*.safetensors")
    return load_file(path)["embedding.weight"]


class StopAt(TrainerCallback):
    """Sends this process a signal at the start of a step, as Ctrl-C would."""

    def __init__(self, step):
        self.step = step

    def on_step_begin(self, args, state, control, **_):
        if state.global_step == self.step:
            signal.raise_signal(signal.SIGINT)


def test_a_run_learns_and_leaves_a_plain_model(config):
    run = train(config(steps=120, eval_every=60, dev_fraction=0.1, batch_size=16))
    losses = [entry["loss"] for entry in run.log if "loss" in entry]
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) / 2
    assert len([entry for entry in run.log if "dev" in entry]) == 2
    model = SentenceTransformer(str(run.model), local_files_only=True)
    query = model.encode_query(["en question number 6 about thing3?"])
    passages = model.encode_document([f"en passage tells of thing{n}." for n in range(20)])
    assert int(model.similarity(query, passages).argmax()) == 3


def test_the_run_folder_tells_what_was_done(config):
    run = train(config(alpha=0.25))
    facts = orjson.loads((run.folder / "run.json").read_bytes())
    assert facts["status"] == "finished"
    assert facts["strategy"] == "hybrid(0.25)"
    assert facts["config"]["alpha"] == 0.25
    assert facts["data"]["corpus:train"] != facts["dev"]["corpus:dev"]
    assert facts["versions"]["sentence-transformers"]
    saved = orjson.loads((run.model / "evenrank.json").read_bytes())
    assert saved["languages"] == ["de", "en", "fi"]
    assert saved["log"] == run.log
    assert not (run.folder / "checkpoints").exists()


def test_same_seed_same_bytes(config, tmp_path):
    first = train(config(output=tmp_path / "a"))
    second = train(config(output=tmp_path / "b"))
    other = train(config(output=tmp_path / "c", seed=4))
    np.testing.assert_array_equal(weights(first.folder), weights(second.folder))
    assert not np.array_equal(weights(first.folder), weights(other.folder))


@pytest.mark.parametrize("step", [2, 7])
def test_an_interrupted_run_resumes_to_the_same_bytes(config, tmp_path, step):
    """24 steps are several epochs of this corpus, so resuming also finds the right epoch."""
    settings = {"steps": 24, "batch_size": 12, "dev_fraction": 0.0}
    whole = train(config(output=tmp_path / "whole", **settings))
    broken = config(output=tmp_path / "broken", **settings)
    with pytest.MonkeyPatch.context() as patch:
        make = run_module._make_trainer

        def interrupted(*arguments):
            trainer = make(*arguments)
            trainer.add_callback(StopAt(step))
            return trainer

        patch.setattr(run_module, "_make_trainer", interrupted)
        with pytest.raises(KeyboardInterrupt, match="--resume"):
            train(broken)
    with pytest.raises(ConfigError, match=r"an unfinished run.*--resume"):
        train(broken)
    resumed = train(broken, resume=True)
    np.testing.assert_array_equal(weights(whole.folder), weights(resumed.folder))
    assert [one["step"] for one in resumed.log] == [one["step"] for one in whole.log]


def test_early_stopping_keeps_the_best_model(config):
    run = train(config(steps=60, eval_every=2, patience=2, learning_rate=2.0))
    dev = {entry["step"]: entry["dev"] for entry in run.log if "dev" in entry}
    assert max(dev) < 60  # such a learning rate soon does harm


def test_a_benchmark_measure_selects_the_model(config):
    run = train(config(select_by="multi AP", batch_size=6))
    values = [entry["dev"] for entry in run.log if "dev" in entry]
    assert len(values) == 3
    assert all(0 < value <= 1 for value in values)


def test_a_small_transformer_with_cached_loss_and_hard_negatives(config):
    sizes = {"layers": 1, "width": 16, "heads": 2, "inner_width": 32, "vocabulary": 600}
    run = train(config(encoder="scratch", encoder_settings=sizes, mini_batch_size=4, negatives=2))
    assert all(entry["loss"] > 0 for entry in run.log if "loss" in entry)


def test_an_existing_folder_is_refused_or_replaced(config, tmp_path):
    train(config(steps=2))
    with pytest.raises(ConfigError, match=r"a finished run.*--overwrite"):
        train(config(steps=2))
    train(config(steps=2), overwrite=True)
    with pytest.raises(ConfigError, match="Nothing is left to resume"):
        train(config(steps=2), resume=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="files that are no run"):
        train(config(output=tmp_path / "mine"), overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").exists()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"batch_size": 30}, ConfigError, "distinct passages"),
        ({"languages": ["de"], "strategy": "x-y"}, ConfigError, "at least 2"),
        ({"alpha": 1.5}, ConfigError, "alpha: found 1.5"),
        ({"strategy": "hybird"}, UnknownNameError, "nearest is 'hybrid'"),
        ({"select_by": "multy AP"}, ConfigError, "select_by"),
        ({"select_by": "bias LPR"}, ConfigError, "neither more nor less is better"),
        ({"select_by": "mono rank_distance"}, ConfigError, "Use 'bias rank_distance'"),
        ({"select_by": "multi ndgc@10"}, UnknownNameError, "nearest is 'nDCG'"),
        ({"select_by": "multi APP"}, UnknownNameError, "nearest is 'AP'"),
        ({"trainer": {"adam_beta": 1}}, UnknownNameError, "nearest is 'adam_beta"),
        ({"encoder": "no/such/folder", "encoder_settings": {}}, DataError, "no/such/folder"),
        ({"encoder_settings": {"widht": 16}}, UnknownNameError, "nearest is 'width'"),
        ({"corpora": ["nowhere"]}, DataError, "nowhere"),
        ({"negatives": 3}, ConfigError, "found 2 negatives"),
        ({"mini_batch_size": 4}, ConfigError, "mini_batch_size: found 4"),
    ],
)
def test_bad_settings_are_one_clear_error(config, changes, error, message):
    settings = config(**changes)
    with pytest.raises(error, match=message):
        train(settings)
    assert not settings.output.exists()


def test_two_processes_share_every_batch(config, tmp_path):
    """The same batches, split in two with negatives from both, give the same model but for sums."""
    settings = config(output=tmp_path / "two", dev_fraction=0.0, batch_size=16)
    path = tmp_path / "config.json"
    path.write_text(settings.model_dump_json())
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--standalone", "-m", "evenrank", "train", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    alone = train(settings.model_copy(update={"output": tmp_path / "one"}))
    np.testing.assert_allclose(weights(tmp_path / "two"), weights(alone.folder), atol=0.02)
    facts = orjson.loads((tmp_path / "two" / "run.json").read_bytes())
    assert (facts["status"], facts["processes"]) == ("finished", 2)
