from __future__ import annotations

import json

import pytest
import typer
from sentence_transformers import SentenceTransformer
from typer.testing import CliRunner

from evenrank.cli.debias import app
from evenrank.cli.evaluate import evaluate_command
from evenrank.debias.saving import load_correction
from evenrank.encoding.base import build_encoder
from evenrank.errors import ConfigError, DataError, EvenrankError, UnknownNameError

WORDS = {
    "de": ["eins", "zwei", "drei", "vier", "fünf", "sechs"],
    "en": ["one", "two", "three", "four", "five", "six"],
}


def write_corpus(folder, words):
    folder.mkdir()
    for lang, some in words.items():
        rows = [
            {"id": str(at), "passage_id": f"p{at}", "query": f"{word}?", "passage": f"{word}."}
            for at, word in enumerate(some)
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{lang}.jsonl").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A corpus to fit on, another one to measure on, and a model."""
    folder = tmp_path_factory.mktemp("debias")
    write_corpus(folder / "fit", {lang: words[:4] for lang, words in WORDS.items()})
    write_corpus(folder / "test", {lang: words[4:] for lang, words in WORDS.items()})
    texts = [word for words in WORDS.values() for word in words]
    model = build_encoder("static", [*texts, "? ."], {"width": 8})
    model.save_pretrained(str(folder / "model"))
    return folder


@pytest.fixture
def run(place, monkeypatch, tmp_path):
    monkeypatch.chdir(place)
    commands = typer.Typer()
    commands.add_typer(app, name="debias")
    commands.command("evaluate")(evaluate_command)

    def started(*arguments):
        return CliRunner().invoke(commands, [str(argument) for argument in arguments])

    return started


def test_fit_apply_evaluate(run, tmp_path):
    file, folder = tmp_path / "one.safetensors", tmp_path / "corrected"
    options = ("--method", "project", "--set", "rank=1", "--strength", "0.5")
    fitted = run("debias", "fit", "model", "fit", "-o", file, *options)
    assert fitted.exit_code == 0, fitted.output
    assert "project-0.5 on 2 languages: 4 passages each" in fitted.stdout
    assert load_correction(file).fit.settings == {"rank": 1, "sides": "both"}
    applied = run("debias", "apply", "model", file, "-o", folder)
    assert applied.exit_code == 0, applied.output
    assert SentenceTransformer(str(folder)).encode(["zwei"]).shape == (1, 8)
    results = []
    for model, more in (("model", ("--debias", file)), (folder, ())):
        output = tmp_path / f"result{len(results)}"
        done = run("evaluate", model, "-b", "corpus:test", "--json", "--output", output, *more)
        assert done.exit_code == 0, done.output
        results.append(json.loads(done.stdout))
    assert results[0]["settings"] == results[1]["settings"]
    assert results[0]["model"]["label"].endswith("+project-0.5")
    assert results[0]["config"]["debias"]["strength"] == 0.5


def test_strength_of_a_file_can_be_changed(run, tmp_path):
    file = tmp_path / "center.safetensors"
    printed = run("debias", "fit", "model", "fit", "-o", file, "--json").stdout
    assert json.loads(printed)["counts"]["query"] == {"de": 4, "en": 4}
    options = ("--debias", file, "--strength", "0", "--json", "--output")
    done = [
        json.loads(run("evaluate", "model", "-b", "corpus:test", *more).stdout)["settings"]
        for more in ((*options, tmp_path / "zero"), ("--json", "--output", tmp_path / "plain"))
    ]
    assert done[0] == done[1]


def test_a_language_dependent_correction_is_no_folder(run, tmp_path):
    run("debias", "fit", "model", "fit", "-o", tmp_path / "center.safetensors")
    refused = run(
        "debias", "apply", "model", tmp_path / "center.safetensors", "-o", tmp_path / "new"
    )
    assert isinstance(refused.exception, ConfigError)
    assert "evaluate --debias" in str(refused.exception)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("--method", "centre"), UnknownNameError, "'center'"),
        (("--set", "to"), ConfigError, "NAME=VALUE"),
        (("--set", "to=["), ConfigError, "expected YAML"),
        (("--set", "to=median"), ConfigError, "median"),
        (("--set", "rank=1"), UnknownNameError, "setting 'rank'"),
        (("--strength", "2"), ConfigError, "0 to 1"),
        (("-o", "."), EvenrankError, "expected a"),
    ],
)
def test_wrong_options_are_told_before_anything_is_encoded(
    run, tmp_path, arguments, error, message
):
    refused = run("debias", "fit", "nowhere", "nowhere", "-o", tmp_path / "a", *arguments)
    assert isinstance(refused.exception, error), refused.output
    assert message in str(refused.exception)


def test_measuring_on_texts_of_the_fit_is_refused(run, tmp_path):
    run("debias", "fit", "model", "fit", "-o", tmp_path / "center.safetensors")
    refused = run(
        "evaluate", "model", "-b", "corpus:fit", "--debias", tmp_path / "center.safetensors",
        "--output", tmp_path / "result",
    )  # fmt: skip
    assert isinstance(refused.exception, DataError)
    assert "16 of 16 texts that the correction was fitted on" in str(refused.exception)
    assert not (tmp_path / "result").exists()


def test_strength_without_a_correction(run):
    refused = run("evaluate", "model", "-b", "corpus:test", "--strength", "0.5")
    assert isinstance(refused.exception, ConfigError)
    assert "--debias FILE" in str(refused.exception)


def test_methods_are_listed_with_their_settings(run):
    assert "center" in run("debias", "methods").stdout
    listed = json.loads(run("debias", "methods", "--json").stdout)
    assert listed["calibrate"]["settings"] == {
        "by": "top",
        "k": 10,
        "own_bonus": 0,
        "shrink": True,
    }
