"""Averages of two models: their weights, the choice of a weight, and what is refused."""

from __future__ import annotations

import json
import shutil

import numpy as np
import orjson
import pytest
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from typer.testing import CliRunner

from evenrank.cli.app import app
from evenrank.encoding.base import build_encoder
from evenrank.errors import ConfigError, DataError
from evenrank.training.run import train
from evenrank.training.soup import soup


def weights_in(folder):
    return load_file(next(folder.glob("**/*.safetensors")))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A start, two runs from it, and a run from another start."""
    folder = tmp_path_factory.mktemp("soup")
    (folder / "corpus").mkdir()
    for lang in ("de", "en"):
        rows = [
            {"id": f"{n}", "passage_id": f"{n}", "query": f"{lang} q{n}", "passage": f"{lang} p{n}"}
            for n in range(20)
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "corpus" / f"{lang}.jsonl").write_text(lines)
    texts = [f"{lang} {kind}{n}" for lang in ("de", "en") for kind in "qp" for n in range(20)]
    for seed, name in ((0, "start"), (1, "other-start")):
        encoder = build_encoder("static", texts, {"width": 8, "vocabulary": 600}, seed=seed)
        encoder.save_pretrained(str(folder / name))
    for name, start, strategy in (
        ("mono", "start", "x-x-mono"), ("cross", "start", "x-y"), ("other", "other-start", "x-y"),
    ):  # fmt: skip
        train(
            output=folder / name, encoder=str(folder / start), corpora=[str(folder / "corpus")],
            strategy=strategy, batch_size=8, steps=10, dev_fraction=0, learning_rate=0.05,
            query_prompt="Q: ",
        )  # fmt: skip
    return folder


@pytest.mark.parametrize(
    ("first", "second"),
    [("mono", "cross"), ("mono/model", "cross"), ("mono", "start"), ("start", "cross")],
)
def test_the_weights_are_the_mean_of_both(base, tmp_path, first, second):
    done = soup(base / first, base / second, 0.25, output=tmp_path / "soup")
    one, other, mixed = (weights_in(path) for path in (base / first, base / second, done.model))
    for name, values in mixed.items():
        np.testing.assert_allclose(values, 0.25 * one[name] + 0.75 * other[name], atol=1e-6)
        assert np.abs(one[name] - other[name]).max() > 1e-3
    model = SentenceTransformer(str(done.model), local_files_only=True)
    assert model.prompts["query"] == "Q: "
    facts = orjson.loads((done.folder / "run.json").read_bytes())
    assert (facts["status"], facts["weight"]) == ("finished", 0.25)
    again = soup(done.folder, base / "cross", 0.5, output=tmp_path / "again")  # a soup has a start
    assert again.model.is_dir()


def test_the_best_of_several_weights_on_dev_is_kept(base, tmp_path):
    arguments = ["--weight", "1", "--weight", "0", "--weight", "0.5"]
    dev = ["--dev-benchmark", f"corpus:{base / 'corpus'}", "--select-by", "cross AP"]
    paths = [str(base / "mono"), str(base / "cross"), "--output", str(tmp_path / "soup")]
    done = CliRunner().invoke(app, ["soup", *paths, *arguments, *dev, "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    tried = {one["weight"]: one["dev"] for one in said["tried"]}
    assert list(tried) == [1.0, 0.0, 0.5]
    assert tried[0.0] > tried[1.0]
    assert said["weight"] == max(tried, key=tried.get)
    best = soup(base / "mono", base / "cross", said["weight"], output=tmp_path / "best")
    for name, values in weights_in(best.model).items():
        np.testing.assert_array_equal(values, weights_in(tmp_path / "soup")[name])


def test_what_cannot_be_averaged_is_refused(base, tmp_path):
    def refused(message, first, second, weight=0.5, error=ConfigError, **options):
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(error, match=message):
            soup(first, second, weight, **({"output": tmp_path / "soup"} | options))
        assert sorted(tmp_path.rglob("*")) == before

    mono, cross = base / "mono", base / "cross"
    refused(r"other: found a model with the start .* of .*mono", mono, base / "other")
    refused(r"other-start: found the start .* of .*mono", mono, base / "other-start")
    refused("without a record of its start", base / "start", base / "other-start")
    refused("weight: found 1.5", mono, cross, 1.5)
    refused("weight: found nan", mono, cross, float("nan"))
    refused("weight: found no number", mono, cross, [])
    refused("dev_benchmark: found no value", mono, cross, [0.2, 0.8])
    refused("select_by", mono, cross, [0, 1], select_by="multy AP", dev_benchmark="world-facts")
    refused("output .*input", mono, cross, output=cross)
    refused("nowhere", mono, tmp_path / "nowhere", error=DataError)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    refused("mine", mono, cross, output=tmp_path / "mine", overwrite=True)
    shutil.copytree(mono / "model", tmp_path / "damaged")
    (tmp_path / "damaged" / "evenrank.json").write_text("[]")
    refused("damaged file", tmp_path / "damaged", cross, error=DataError)


def test_other_weights_are_refused(base, tmp_path):
    """The same start, by its record, and another width."""
    wide = build_encoder("static", ["a b c"], {"width": 16, "vocabulary": 600}, seed=0)
    wide.save_pretrained(str(tmp_path / "wide"))
    shutil.copy(base / "mono" / "model" / "evenrank.json", tmp_path / "wide")
    with pytest.raises(ConfigError, match="found other weights at"):
        soup(base / "cross", tmp_path / "wide", output=tmp_path / "soup")
