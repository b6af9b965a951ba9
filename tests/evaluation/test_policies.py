"""Policies evaluated on a benchmark, as results like any other."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import evenrank
from evenrank.benchmarks.benchmark import Benchmark
from evenrank.cli.app import app
from evenrank.comparison.compare import compare
from evenrank.encoding.base import build_encoder
from evenrank.errors import ConfigError, DataError, UnknownNameError
from evenrank.evaluation.policies import evaluate_policies
from evenrank.report.entry import read_entries
from evenrank.report.section import SECTIONS
from evenrank.results.folder import read_evaluation

MEASURES = ["R@3", "RR@10", "rank_distance", "share@10"]


@pytest.fixture(scope="module")
def model(benchmark: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("policies") / "model"
    texts = [*benchmark.queries.texts.to_pylist(), *benchmark.passages.texts.to_pylist()]
    build_encoder("static", texts, {"width": 8}).save_pretrained(str(folder))
    return str(folder)


@pytest.fixture(scope="module")
def benchmark_corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("corpus")
    for lang, words in {"de": ["eins", "zwei", "drei"], "en": ["one", "two", "three"]}.items():
        rows = [
            {"id": str(at), "passage_id": f"p{at}", "query": f"{word}?", "passage": f"{word}."}
            for at, word in enumerate(words)
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{lang}.jsonl").write_text(lines, encoding="utf-8")
    return f"corpus:{folder}"


def test_each_policy_has_a_result_that_can_be_compared(
    benchmark: Benchmark, model: str, tmp_path
) -> None:
    policies = ["raw", "balanced(balance=0)", "balanced(balance=1)"]
    found = evaluate_policies(
        model, benchmark, policies, output=tmp_path, measures=MEASURES, label="m"
    )
    raw, same, even = (read_evaluation(one.folder) for one in found)
    assert even.folder == tmp_path / "balanced-balance=1"
    assert even.result.model.label == "m balanced(balance=1)"
    assert even.result.config["policy"]["settings"]["balance"] == 1
    assert raw.result.settings == same.result.settings
    plain = evenrank.evaluate(model, benchmark, measures=MEASURES)
    assert raw.result.settings == plain.result.settings
    assert raw.result.bias == plain.result.bias
    for setting in ("mono", "cross"):
        assert even.result.settings[setting] == raw.result.settings[setting]
    assert even.result.settings["multi"] != raw.result.settings["multi"]
    shown = SECTIONS.get("policies")
    entries = read_entries([one.folder for one in found])
    assert shown.applies(entries)
    assert not shown.applies(entries[:1])
    _, figure = shown.content(entries)
    (chart,) = figure.panels
    expected = [
        tuple(one.result.settings[name]["R@3"] for name in ("own", "other")) for one in found
    ]
    assert [point[1:] for point in chart.points] == expected
    comparison = compare([raw.folder, even.folder], measures=["R@3"], permutations=20)
    assert comparison is not None


def test_a_correction_of_scores_and_one_of_vectors(benchmark: Benchmark, model: str) -> None:
    corpus = evenrank.open_corpus("world-facts:train")
    encoder = evenrank.open_model(model)
    for method, settings in (("calibrate", {"by": "mean"}), ("center", {})):
        correction = evenrank.fit_on_corpus(encoder, corpus, method, settings=settings, items=20)
        (raw,) = evaluate_policies(model, benchmark, ["raw"], measures=MEASURES, debias=correction)
        plain = evenrank.evaluate(model, benchmark, measures=MEASURES, debias=correction)
        assert raw.result.config["debias"]["method"] == method
        figures = (one.result.settings["multi"]["RR@10"] for one in (raw, plain))
        np.testing.assert_allclose(*figures, atol=1e-6)


@pytest.mark.parametrize(
    ("policies", "error", "message"),
    [
        ([], ConfigError, "at least one"),
        (["raw", "raw"], ConfigError, "'raw' twice"),
        (["row"], UnknownNameError, "The nearest is 'raw'"),
    ],
)
def test_wrong_policies(
    benchmark: Benchmark, policies: list[str], error: type[ConfigError], message: str
) -> None:
    with pytest.raises(error, match=message):
        evaluate_policies("no-model", benchmark, policies)


def test_the_command(benchmark_corpus: str, model: str, tmp_path) -> None:
    output = tmp_path / "results"
    arguments = ["policies", model, "-b", benchmark_corpus, "-o", str(output)]
    done = CliRunner().invoke(app, [*arguments, "--policy", "raw", "--policy", "round-robin"])
    assert done.exit_code == 0, done.output
    assert "round-robin" in done.output
    assert {path.name for path in output.iterdir()} == {"raw", "round-robin"}
    index = tmp_path / "index"
    evenrank.build_index(benchmark_corpus.removeprefix("corpus:"), model, index)
    again = [arguments[0], "--index", str(index), *arguments[2:], "--policy", "raw", "--json"]
    done = CliRunner().invoke(app, [*again, "--overwrite"])
    assert done.exit_code == 0, done.output
    first = read_evaluation(output / "raw").result
    assert first.config["policy"]["name"] == "raw"


def test_the_command_refuses(tmp_path) -> None:
    for arguments in (["-b", "xquad-r"], ["model", "--index", "x", "-b", "xquad-r"], ["model"]):
        done = CliRunner().invoke(app, ["policies", *arguments])
        assert isinstance(done.exception, ConfigError), done.output
    done = CliRunner().invoke(app, ["policies", "--index", str(tmp_path), "-b", "xquad-r"])
    assert isinstance(done.exception, DataError | ConfigError)
