"""A tiny experiment: one file, one corpus, static encoders of a few steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from evenrank.experiments.experiment import Experiment


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory):
    """Write 60 items in three languages, two items to a passage."""
    folder = tmp_path_factory.mktemp("data") / "corpus"
    folder.mkdir()
    for lang in ("de", "en", "fi"):
        rows = [
            {
                "id": str(item),
                "passage_id": f"p{item // 2}",
                "query": f"{lang} question number {item} about thing{item // 2}?",
                "passage": f"{lang} passage tells of thing{item // 2}.",
            }
            for item in range(60)
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{lang}.jsonl").write_text(lines, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def values(corpus_folder):
    """Return a function to the values of a file with two variants, and changes to them."""

    def make(**changes: Any) -> dict[str, Any]:
        split = {"train": 0.6, "test": 0.4}
        return {
            "data": {"tiny": {"source": str(corpus_folder), "split": split}},
            "base": {
                "encoder": "static",
                "encoder_settings": {"width": 16, "vocabulary": 600},
                "corpora": "tiny/train",
                "steps": 6,
                "batch_size": 8,
                "dev_fraction": 0.4,
                "select_by": "multi AP",
                "eval_every": 3,
            },
            "variants": {"mono": {"strategy": "x-x-mono"}, "cross": {"strategy": "x-y"}},
            "evaluate": {"benchmarks": ["corpus:tiny/test"]},
        } | changes

    return make


@pytest.fixture
def experiment(values, tmp_path):
    """Return a function to an experiment in ``tmp_path/out``."""

    def make(**changes: Any) -> Experiment:
        return Experiment(write(tmp_path / "tiny.yaml", values(**changes)), tmp_path / "out")

    return make


@pytest.fixture(scope="session")
def finished(values, tmp_path_factory):
    """Run an experiment with two seeds, a start, and a correction."""
    folder = tmp_path_factory.mktemp("finished")
    variants = {
        "mono": {"strategy": "x-x-mono"},
        "cross": {"strategy": "x-y"},
        "as-is": {"as_is": True},
    }
    corrections = {"mean": {"corpus": "tiny/train", "only": ["cross"]}}
    content = values(variants=variants, seeds=[0, 1], corrections=corrections)
    experiment = Experiment(write(folder / "tiny.yaml", content), folder / "out")
    return experiment, experiment.run()


def write(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path
