"""Settings from a file and from flags, and what is said when they are wrong."""

from __future__ import annotations

import pytest

from evenrank.errors import ConfigError
from evenrank.training.config import read_config

GIVEN = {"output": "run", "encoder": "static", "corpora": ["corpus"]}


def test_defaults_are_the_papers():
    config = read_config(None, **GIVEN)
    assert (config.strategy, config.alpha, config.batch_size) == ("hybrid", 0.5, 100)
    assert (config.weight_decay, config.corpus_exponent, config.language_exponent) == (1e-2, 1, 0)


def test_overrides_win_over_the_file(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("output: run\nencoder: static\ncorpora: [a, b]\nalpha: [1, 0.2]\nseed: 1\n")
    config = read_config(path, seed=2, steps=None)
    assert (config.seed, config.alpha, config.corpora) == (2, (1.0, 0.2), ["a", "b"])


def test_what_is_written_reads_back(tmp_path):
    config = read_config(None, **GIVEN, alpha=(0.9, 0.1), encoder_settings={"width": 8})
    path = tmp_path / "config.yaml"
    path.write_text(config.model_dump_json())
    assert read_config(path) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batchsize": 3}, r"unknown setting 'batchsize'.* The nearest is 'batch_size'"),
        ({"temperature": 0}, r"temperature: found 0, expected input should be greater than 0"),
        ({"steps": "many"}, r"steps: found 'many', expected input should be a valid integer"),
        ({"corpora": []}, r"corpora: found \[\], expected list should have at least 1 item"),
    ],
)
def test_wrong_values_are_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        read_config(None, **(GIVEN | changes))


def test_a_missing_setting_is_named():
    with pytest.raises(ConfigError, match="settings: found no 'encoder'"):
        read_config(None, output="run", corpora=["corpus"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", r"config\.yaml: found .* expected YAML"),
        ("- a", "found list, expected a mapping"),
        (None, "found no file"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, text, message):
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_config(path)
