"""``evenrank debias compare``, on ready vectors: they are fitted, compared and corrected."""

from __future__ import annotations

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from evenrank.cli.debias import app
from evenrank.cli.evaluate import evaluate_command
from evenrank.debias.saving import load_correction
from evenrank.errors import ConfigError, DataError, UnknownNameError

LANGUAGES = ("de", "en", "fi")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two corpora, and vectors of both with an offset for each language."""
    folder = tmp_path_factory.mktemp("compare")
    random = np.random.default_rng(1)
    offsets = dict(zip(LANGUAGES, random.normal(0, 0.6, (3, 16)), strict=True))
    ids, vectors = [], {"queries": [], "passages": []}
    for name, items in (("fit", range(60)), ("test", range(60, 120))):
        (folder / name).mkdir()
        meanings = random.normal(0, 1, (len(items), 16))
        for lang in LANGUAGES:
            rows = []
            for item, meaning in zip(items, meanings, strict=True):
                texts = {"query": f"{lang} {item}?", "passage": f"{lang} {item}."}
                rows.append({"id": str(item), "passage_id": str(item), **texts})
                ids.append(f"{lang}/{item}")
                for some in vectors.values():
                    row = meaning + offsets[lang] + random.normal(0, 0.6, 16)
                    some.append(row / np.linalg.norm(row))
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (folder / name / f"{lang}.jsonl").write_text(text)
    (folder / "vectors").mkdir()
    for name, some in vectors.items():
        np.save(folder / "vectors" / f"{name}.npy", np.array(some, dtype=np.float32))
        (folder / "vectors" / f"{name}.txt").write_text("\n".join(ids))
    return folder


@pytest.fixture
def run(place, monkeypatch):
    monkeypatch.chdir(place)
    commands = typer.Typer()
    commands.add_typer(app, name="debias")
    commands.command("evaluate")(evaluate_command)
    return lambda *arguments: CliRunner().invoke(commands, [str(one) for one in arguments])


OPTIONS = ("vectors:vectors", "test", "--fit-on", "fit", "--resamples", "100")


def test_the_command_ends_with_the_one_that_applies_the_choice(run, tmp_path):
    some = ("--methods", "project,calibrate", "--strengths", "0.5,1", "--own-bonus", "0.5")
    done = run("debias", "compare", *OPTIONS, *some, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    last = [line for line in done.stdout.splitlines() if line.startswith("next")]
    assert last[0].split()[:3] == ["next", "evenrank", "evaluate"]
    benchmark = last[0].split()[5]
    correction = tmp_path / "out" / "correction.safetensors"
    assert "Recommended: " in done.stdout
    assert "chosen on half of" in done.stdout
    scored = run(*last[0].split()[2:], "--json", "--output", tmp_path / "result")
    assert scored.exit_code == 0, (benchmark, scored.output)
    facts = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert json.loads(scored.stdout)["config"]["debias"]["method"] in facts["recommended"]
    assert load_correction(correction).facts == json.loads(scored.stdout)["config"]["debias"]


def test_json_has_every_figure(run):
    some = ("--methods", "center", "--strengths", "1", "--goal", "multi")
    printed = json.loads(run("debias", "compare", *OPTIONS, *some, "--json").stdout)
    (row,) = printed["rows"]
    figure = row["figures"]["AP multi"]
    assert figure["of"]["low"] <= figure["of"]["value"] <= figure["of"]["high"]
    change = figure["of"]["value"] - printed["without"]["AP multi"]["of"]["value"]
    assert figure["change"]["value"] == pytest.approx(change)


def test_a_correction_is_fitted_from_ready_vectors(run, tmp_path):
    file = tmp_path / "center.safetensors"
    fitted = run("debias", "fit", "vectors:vectors", "fit", "-o", file)
    assert fitted.exit_code == 0, fitted.output
    done = run(
        "evaluate", "vectors:vectors", "-b", "corpus:test", "--debias", file, "--json",
        "--output", tmp_path / "result",
    )  # fmt: skip
    plain = run(
        "evaluate", "vectors:vectors", "-b", "corpus:test", "--json",
        "--output", tmp_path / "plain",
    )  # fmt: skip
    after, before = (json.loads(one.stdout)["settings"]["multi"]["AP"] for one in (done, plain))
    assert after > before + 0.1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("--strengths", "much"), ConfigError, "numbers such as"),
        (("--methods", "centre"), UnknownNameError, "'center'"),
        (("--goal", "best"), ConfigError, "one of even"),
        (("-o", "fit"), ConfigError, "folder of something else"),
        (("--fit-on", "nowhere"), DataError, "nowhere"),
        (("--choose-on", "fit"), ConfigError, "ready vectors"),
    ],
)
def test_wrong_options(run, arguments, error, message):
    refused = run("debias", "compare", *OPTIONS, *arguments)
    assert isinstance(refused.exception, error), refused.output
    assert message in str(refused.exception)
