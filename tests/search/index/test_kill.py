"""A build that is killed at any moment leaves the old index or the new one, never a mixture."""

from __future__ import annotations

import os
import random
import signal
import time
import warnings

import numpy as np
import orjson
import pytest

from evenrank.encoding.model import EmbeddingModel
from evenrank.errors import DataError
from evenrank.progress import quiet
from evenrank.search.index.build import build_index
from evenrank.search.index.opening import open_index

KILLS = 100


class Encoder(EmbeddingModel):
    """The number in a text, as an angle."""

    width, fingerprint = 4, "angles"

    def encode(self, texts, kind, batch_size=64):
        angles = np.array([float(text.split()[1]) for text in texts])
        return np.stack([np.cos(angles), np.sin(angles), np.ones_like(angles), angles * 0], axis=1)

    def describe(self):
        return {}


def start(corpus, folder) -> int:
    """Begin a build in another process, and return its number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return child
    try:
        with quiet():
            build_index(corpus, Encoder(), folder)
    finally:
        os._exit(0)


def state_of(folder) -> str | None:
    """Return which of the two corpora the index has, after a check of every passage."""
    if not (folder / "current.json").exists():
        with pytest.raises(DataError, match="Build one with"):
            open_index(folder)
        return None
    index = open_index(folder, verify=True)
    found = list(index.engine.passages.each())
    (name,) = {one.text.split()[0] for one in found}
    assert len(found) == {"old": 3000, "new": 4000}[name]
    expected = Encoder().encode([one.text for one in found], "passage")
    expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(index.engine.vectors, expected, atol=1e-5)
    return name


@pytest.mark.slow
def test_a_kill_leaves_the_old_index_or_the_new_one(tmp_path):
    corpora = {}
    for name, size in (("old", 3000), ("new", 4000)):
        corpora[name] = tmp_path / f"{name}.jsonl"
        rows = ({"id": n, "lang": "de", "text": f"{name} {n}", "n": n} for n in range(size))
        corpora[name].write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    folder, generator = tmp_path / "index", random.Random(8)
    began = time.monotonic()
    os.waitpid(start(corpora["new"], tmp_path / "first"), 0)
    duration = time.monotonic() - began
    assert state_of(tmp_path / "first") == "new"
    before, changes = state_of(folder), 0
    for number in range(KILLS):
        name = ("old", "new")[number % 2]
        child = start(corpora[name], folder)
        time.sleep(generator.uniform(0, 1.2 * duration))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        after = state_of(folder)
        assert after in (before, name)
        changes += after != before
        before = after
    assert 0 < changes < KILLS
    build_index(corpora["old"], Encoder(), folder)
    assert state_of(folder) == "old"
    left = sorted(path.name for path in folder.iterdir())
    assert left == [".evenrank", "current.json", "generations"]
    assert len([path for path in (folder / "generations").iterdir() if path.is_dir()]) == 1
