"""Settings from a file and from flags, and what is said when they are wrong."""

from __future__ import annotations

import pytest

from evenrank.errors import ConfigError
from evenrank.training.config import parse_yaml, read_config

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
        ({"temperature": 0}, r"temperature: found 0, expected greater than 0"),
        ({"temperature": float("inf")}, r"temperature: found inf, expected a finite number"),
        ({"weight_decay": float("nan")}, r"weight_decay: found nan, expected a finite number"),
        ({"steps": "many"}, r"steps: found 'many', expected a valid integer"),
        ({"steps": True}, r"steps: found True, expected a number or a text"),
        ({"steps": [3]}, r"steps: found \[3\], expected a valid integer"),
        ({"seed": 2**32}, r"seed: found 4294967296, expected less than"),
        ({"corpora": []}, r"corpora: found \[\], expected List should have at least 1 item"),
        ({"corpora": {"a": 1}}, r"corpora: found {'a': 1}, expected a valid list"),
        ({"languages": [1]}, r"languages: found 1, expected a valid string"),
        ({"alpha": "half"}, r"alpha: found 'half', expected a valid number"),
        ({"alpha": []}, r"alpha: found \[\], expected"),
        ({"losses": {"consistency": -1}}, r"losses: found -1, expected greater than or equal to 0"),
        ({"pool_languages": 0}, r"pool_languages: found 0, expected greater than or equal to 1"),
        ({"encoder_settings": "width"}, r"encoder_settings: found 'width', expected a valid dict"),
        ({"gather_negatives": "perhaps"}, r"gather_negatives: found 'perhaps', expected a valid"),
    ],
)
def test_wrong_values_are_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        read_config(None, **(GIVEN | changes))


def test_a_missing_setting_is_named():
    with pytest.raises(ConfigError, match=r"no 'encoder', expected a .* text\. Add --encoder\.$"):
        read_config(None, output="run", corpora=["corpus"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", r"config\.yaml:1: found .* expected YAML"),
        ("- a", "found a list, expected a mapping"),
        ("", "found an empty file, expected a mapping"),
        ("static", "found a text, expected a mapping"),
        (None, "found no such file"),
        ("seed: 1\nsteps: 2\nseed: 3", r"config\.yaml:3: found 'seed' again"),
        ("trainer: &x\n  a: *x", r"config\.yaml:2: found an alias"),
        ("encoder: !!python/object/apply:os.system [ls]", r"config\.yaml:1: found a tag"),
        ("[" * 5000, "found maximum recursion depth exceeded"),
        ("seed: " + "9" * 5000, r"config\.yaml: found .* expected YAML"),
        (b"encoder: \xff", "found not utf-8, expected a YAML file in UTF-8"),
    ],
)
def test_a_file_that_is_not_a_mapping_is_one_line(tmp_path, text, message):
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=message) as caught:
        read_config(path)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-8", 1e-8), ("1E+3", 1000.0), ("010", 10), ("0x1f", 31), (".5", 0.5), ("-3", -3),
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("true", True), ("~", None), ("", None),
        ("12:30", "12:30"), ("2024-01-01", "2024-01-01"), ("1_000", "1_000"), ("'1'", "1"),
        ("-.inf", float("-inf")), ("=", "="),
    ],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(text, value):
    parsed = parse_yaml(f"key: {text}", "test")
    assert parsed == {"key": value}
    assert type(parsed["key"]) is type(value)


def test_values_of_a_file_reach_their_settings_as_written(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "\ufeffoutput: run\r\nencoder: static\r\ncorpora: world-facts\r\nlearning_rate: 1e-5\r\n"
        "languages: [no, de]\r\ntrainer: {adam_epsilon: 1e-8}\r\n"
    )
    config = read_config(path)
    assert config.learning_rate == 1e-5
    assert config.languages == ["no", "de"]
    assert config.corpora == ["world-facts"]
    assert config.trainer == {"adam_epsilon": 1e-8}


@pytest.mark.parametrize("languages", ["de,en", "de, en", ["de,en"], ["de", "en"]])
def test_one_rule_for_lists_of_languages(tmp_path, languages):
    path = tmp_path / "config.yaml"
    path.write_text(f"languages: {languages}\n")
    assert read_config(path, **GIVEN).languages == ["de", "en"]
    assert read_config(None, **GIVEN, languages=languages).languages == ["de", "en"]
