"""A run that is killed, interrupted or out of disk goes on as if nothing had happened."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import orjson
import pytest

from evenrank.errors import ConfigError, DataError, FileError
from evenrank.training.run import train

TRANSFORMER = {
    "encoder": "scratch",
    "encoder_settings": {
        "layers": 2, "width": 16, "heads": 2, "inner_width": 32, "vocabulary": 600,
    },
}  # fmt: skip
STOPS_EARLY = {"steps": 60, "batch_size": 12, "eval_every": 4, "patience": 2, "alpha": (1.0, 0.0)}


def log_of(run_folder):
    facts = orjson.loads((run_folder / "run.json").read_bytes())
    saved = orjson.loads((run_folder / "model" / "evenrank.json").read_bytes())
    return facts["last_step"], facts["selected_step"], saved["log"]


@pytest.fixture
def assert_same_run(weights_of):
    def check(one, other):
        assert log_of(one) == log_of(other)
        assert weights_of(one) == weights_of(other)
        assert not (other / "checkpoints").exists()

    return check


def send_signal():
    os.kill(os.getpid(), signal.SIGTERM)  # unlike SIGINT, not ignored in the background


@contextmanager
def interruption(log, step, action=send_signal):
    """Do something once the log has so many losses."""

    def watch():
        while not (log.exists() and log.read_bytes().count(b'"loss"') >= step):
            time.sleep(0.001)
        action()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield
    thread.join()


@contextmanager
def file_size_limit(size):
    """Refuse files of more bytes, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoder", "rate"),
    [pytest.param({}, 0.3, id="static"), pytest.param(TRANSFORMER, 0.03, id="transformer")],
)
def test_a_run_that_is_killed_again_and_again_gives_the_same_bytes(
    config, tmp_path, encoder, rate, assert_same_run
):
    settings = STOPS_EARLY | encoder | {"learning_rate": rate}
    whole = train(config(output=tmp_path / "whole", **settings))
    last, selected, _ = log_of(whole.folder)
    assert selected < last < 60  # the patience ended the run
    killed = config(output=tmp_path / "killed", **settings)
    path = tmp_path / "killed.json"
    path.write_text(killed.model_dump_json())
    script = Path(__file__).with_name("kill_and_resume.py")
    done = subprocess.run(
        [sys.executable, script, path, "1"], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(set(done.stdout.split())) > 2  # it was killed, at different steps
    assert_same_run(whole.folder, killed.output)


@pytest.mark.parametrize("step", [2, pytest.param(13, marks=pytest.mark.slow)])
def test_an_interrupted_run_resumes_to_the_same_bytes(config, tmp_path, step, assert_same_run):
    """24 steps are several passes over this corpus; the run that goes on has been moved."""
    settings = {"steps": 24, "batch_size": 12, "learning_rate": 0.05}
    whole = train(config(output=tmp_path / "whole", **settings))
    broken = config(output=tmp_path / "broken", **settings)
    with (
        pytest.raises(KeyboardInterrupt, match="--resume"),
        interruption(broken.output / "log.jsonl", step),
    ):
        train(broken)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with pytest.raises(ConfigError, match=r"an unfinished run.*--resume"):
        train(broken)
    moved = broken.output.rename(tmp_path / "moved")
    resumed = train(broken, output=moved, resume=True)
    assert_same_run(whole.folder, resumed.folder)


@pytest.mark.slow
@pytest.mark.parametrize("encoder", [{}, TRANSFORMER], ids=["static", "transformer"])
def test_ctrl_c_stops_a_run_with_workers_which_resumes_to_the_same_bytes(
    config, tmp_path, encoder, assert_same_run
):
    """A terminal sends Ctrl-C to the workers too. A run without workers has the same bytes."""
    settings = {"steps": 90, "batch_size": 12, "eval_every": 30, "learning_rate": 0.01} | encoder
    whole = train(config(output=tmp_path / "whole", **settings))
    workers = {"trainer": {"dataloader_num_workers": 2}, "output": tmp_path / "broken"}
    path = tmp_path / "config.json"
    path.write_text(config(**settings, **workers).model_dump_json())
    command = [sys.executable, "-m", "evenrank", "train", str(path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as process:
        ctrl_c = partial(os.killpg, process.pid, signal.SIGINT)
        with interruption(tmp_path / "broken" / "log.jsonl", 10, ctrl_c):
            printed, _ = process.communicate()
    assert process.returncode == 130, printed
    assert "stopped at step" in printed
    assert "Traceback" not in printed
    assert "fork" not in printed
    with pytest.raises(ProcessLookupError):  # no worker is left
        os.killpg(process.pid, 0)
    resumed = train(path, resume=True)
    assert_same_run(whole.folder, resumed.folder)


def test_a_signal_that_is_ignored_stays_ignored(config):
    """A job that a shell started in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        settings = config(steps=24, dev_fraction=0)
        ctrl_c = partial(os.kill, os.getpid(), signal.SIGINT)
        with interruption(settings.output / "log.jsonl", 2, ctrl_c):
            run = train(settings)
    finally:
        signal.signal(signal.SIGINT, before)
    assert run.log[-1]["step"] == 24


@pytest.mark.slow
def test_the_loss_is_a_mean_over_its_own_steps_after_a_kill(config, tmp_path, assert_same_run):
    """200 steps log every second one, and checkpoints come in between."""
    settings = {"steps": 200, "eval_every": 33, "patience": None, "learning_rate": 0.05}
    whole = train(config(output=tmp_path / "whole", **settings))
    broken = config(output=tmp_path / "broken", **settings)
    with (
        pytest.raises(KeyboardInterrupt),
        interruption(broken.output / "log.jsonl", 22),
    ):
        train(broken)
    newest = max((broken.output / "checkpoints").iterdir(), key=lambda path: path.stat().st_mtime)
    shutil.rmtree(newest)  # as if killed, so that the run goes on from a planned checkpoint
    resumed = train(broken, resume=True)
    assert_same_run(whole.folder, resumed.folder)


@pytest.mark.parametrize(
    "share",
    [
        pytest.param(0.5, id="weights"),
        pytest.param(1.5, id="optimizer", marks=pytest.mark.slow),
    ],
)
def test_a_full_disk_is_one_line_and_the_run_resumes(
    config, tmp_path, share, weights_of, assert_same_run
):
    whole = train(config(output=tmp_path / "whole"))
    broken = config(output=tmp_path / "broken")
    size = int(share * len(weights_of(whole.folder)))  # the optimizer's file is twice as large
    with pytest.raises(FileError, match="same command again"), file_size_limit(size):
        train(broken)
    resumed = train(broken, resume=True)
    assert_same_run(whole.folder, resumed.folder)


@pytest.mark.slow
def test_a_full_disk_at_the_end_loses_nothing(config, tmp_path, assert_same_run):
    """The model cannot be saved: ``model.part`` is a file in the way of it."""
    broken = config()
    log = broken.output / "log.jsonl"
    with (
        pytest.raises(FileError),
        interruption(log, 2, (broken.output / "model.part").touch),
    ):
        train(broken)
    (broken.output / "model.part").unlink()
    whole = train(config(output=tmp_path / "whole"))
    resumed = train(broken, resume=True)
    assert_same_run(whole.folder, resumed.folder)


def unfinished(config, **changes):
    """Return the settings of a run that was interrupted."""
    settings = config(steps=24, **changes)
    with pytest.raises(KeyboardInterrupt), interruption(settings.output / "log.jsonl", 5):
        train(settings)
    return settings


def test_resume_refuses_what_has_changed(config, corpus_folder):
    settings = unfinished(config)
    before = weights_of_checkpoints(settings.output)
    with pytest.raises(ConfigError, match=r"run, seed: found 4, expected 3, as when"):
        train(settings, seed=4, resume=True)
    with pytest.raises(ConfigError, match=r"run, eval_every: found 3, expected 4"):
        train(settings, eval_every=3, resume=True)
    path = corpus_folder / "de.jsonl"
    path.write_text(path.read_text().replace("tells", "speaks"))
    with pytest.raises(ConfigError, match=r"run, (data|encoder): found .*, as when the run began"):
        train(settings, resume=True)
    assert weights_of_checkpoints(settings.output) == before


def test_resume_refuses_a_changed_start_encoder(config, tmp_path):
    start = train(config(output=tmp_path / "start", steps=2)).model
    settings = unfinished(config, encoder=str(start), encoder_settings={}, learning_rate=0.1)
    other = train(config(output=tmp_path / "other", steps=3)).model
    shutil.rmtree(start)
    shutil.copytree(other, start)
    with pytest.raises(ConfigError, match="run, encoder: found"):
        train(settings, resume=True)


def test_resume_needs_the_best_checkpoint(config):
    settings = unfinished(config, learning_rate=0.05)
    state = orjson.loads(
        max((settings.output / "checkpoints").glob("*/trainer_state.json")).read_bytes()
    )
    best = settings.output / "checkpoints" / f"checkpoint-{state['best_global_step']}"
    shutil.rmtree(best)
    with pytest.raises(DataError, match="the best checkpoint so far"):
        train(settings, resume=True)


def test_a_damaged_run_file_is_one_line(config):
    settings = unfinished(config)
    for text in (b"", b"{", b"[]", b'{"config": 3}'):
        (settings.output / "run.json").write_bytes(text)
        with pytest.raises(DataError, match=r"run\.json: found a damaged file"):
            train(settings, resume=True)


def test_resume_begins_a_run_where_there_is_none(config, tmp_path):
    assert train(config(steps=2), resume=True).model.is_dir()


def weights_of_checkpoints(run_folder):
    return {path: path.read_bytes() for path in run_folder.glob("checkpoints/*/*.safetensors")}
