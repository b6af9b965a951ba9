"""``evenrank train``: every setting as a flag, over a file."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from evenrank.cli.app import app
from evenrank.errors import ConfigError, UnknownNameError
from evenrank.training.config import TrainConfig


def invoke(*arguments):
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


def test_every_setting_is_a_flag():
    parameters = typer.main.get_command(app).commands["train"].params
    flags = {flag for parameter in parameters for flag in parameter.opts}
    assert {f"--{name.replace('_', '-')}" for name in TrainConfig.model_fields} <= flags


def test_help_shows_the_settings_in_groups():
    shown = invoke("--help").output
    titles = [line.strip("─╭╮ ") for line in shown.splitlines() if line.startswith("╭")]
    groups = ["Output", "Data", "Model", "Batches", "Optimisation", "Selection"]
    assert [title for title in titles if title in groups] == groups


def test_flags_win_over_the_file_and_reach_the_run(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(
        f"output: {tmp_path / 'run'}\nencoder: static\ncorpora: ['world-facts:dev']\n"
        "encoder_settings: {vocabulary: 4000}\nsteps: 9\nbatch_size: 8\ndev_fraction: 0\n"
    )
    done = invoke(
        config, "--steps", 3, "--alpha", 1.0, "--alpha", 0.0, "--encoder-settings", "width=8",
        "--languages", "de,en", "--no-gather-negatives", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    facts = json.loads(done.output)
    settings = facts["config"]
    assert (facts["status"], settings["steps"], settings["batch_size"]) == ("finished", 3, 8)
    assert settings["alpha"] == [1.0, 0.0]
    assert settings["encoder_settings"] == {"width": 8}
    assert settings["languages"] == ["de", "en"]
    assert settings["gather_negatives"] is False


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((), ConfigError, "no 'output'"),
        (("--output", "x", "--encoder", "static", "--corpora", "c", "--alpha", "2"), ConfigError,
         "alpha: found 2.0"),
        (("--output", "x", "--encoder", "static", "--corpora", "c", "--encoder-settings", "width"),
         ConfigError, "expected NAME=VALUE"),
        (("--output", "x", "--encoder", "static", "--corpora", "c", "--strategy", "x-z"),
         UnknownNameError, "nearest"),
    ],
)  # fmt: skip
def test_bad_flags_are_clear_errors(arguments, error, message):
    done = invoke(*arguments)
    assert isinstance(done.exception, error)
    assert message in str(done.exception)
