"""A small parallel corpus on disk, and the settings of runs that take a second."""

from __future__ import annotations

import json

import pytest

from evenrank.training.config import TrainConfig


@pytest.fixture
def corpus_folder(tmp_path):
    """Write 40 items in three languages, two items to a passage, two hard negatives each."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for lang in ("de", "en", "fi"):
        rows = [
            {
                "id": str(item),
                "passage_id": f"p{item // 2}",
                "query": f"{lang} question number {item} about thing{item // 2}?",
                "passage": f"{lang} passage tells of thing{item // 2}.",
                "negatives": [f"{lang} nothing {item}", f"{lang} other {item}"],
            }
            for item in range(40)
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{lang}.jsonl").write_text(lines, encoding="utf-8")
    return folder


@pytest.fixture
def config(corpus_folder, tmp_path):
    """Settings of a run of 12 steps."""

    def make(**changes):
        settings = {
            "output": tmp_path / "run",
            "encoder": "static",
            "encoder_settings": {"width": 16, "vocabulary": 600},
            "corpora": [str(corpus_folder)],
            "batch_size": 8,
            "steps": 12,
            "dev_fraction": 0.4,
            "eval_every": 4,
            "seed": 3,
        }
        return TrainConfig(**(settings | changes))

    return make


@pytest.fixture
def weights_of():
    """A function from a run folder to the bytes of the finished model's weights."""

    def read(run_folder):
        (path,) = (run_folder / "model").glob("**/*.safetensors")
        return path.read_bytes()

    return read
