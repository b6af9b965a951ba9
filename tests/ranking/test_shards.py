"""Several processes rank one collection: every one ends with what one process computes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from evenrank.ranking.shards import Shards

SCRIPT = """
import sys
import numpy as np
import torch.distributed as dist
from evenrank.benchmarks.benchmark import Relevance
from evenrank.ranking import device, kernel, threads
from evenrank.ranking.shards import ALONE, joined_shards

generator = np.random.default_rng(0)
queries = generator.standard_normal((90, 24)).astype(np.float32)
passages = generator.standard_normal((700, 24)).astype(np.float32)
passages[generator.integers(0, 700, 200)] = passages[0]  # ties across the shares
relevant = np.sort(generator.choice(700, (90, 3)), axis=1)
relevance = Relevance(np.arange(0, 271, 3), relevant.ravel().astype(np.int64))
offsets = np.array([0, 250, 260, 700])
dist.init_process_group("gloo")
shards = joined_shards()
assert shards.count == 3
usual = threads.PANEL
for panel, slab in ((64, 64), (usual, 4096)):  # with the usual sizes only one process has work
    threads.PANEL, device.SLAB = panel, slab
    threads.PANELS = 2
    for options in ({}, {"device": "cpu"}):
        alone = kernel.rank(queries, passages, relevance, offsets, top_k=20, **options)
        together = kernel.rank(
            queries, passages, relevance, offsets, top_k=20, shards=shards, **options
        )
        for name in ("above", "scores", "top_passages", "top_scores"):
            one, other = getattr(alone, name), getattr(together, name)
            assert one.tobytes() == other.tobytes(), (name, panel, options)
open(f"{sys.argv[1]}/{shards.index}", "w").write("same bytes")
dist.destroy_process_group()
"""


def test_three_processes_give_the_bytes_of_one(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "3", str(script), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert [Path(tmp_path / str(number)).read_text() for number in range(3)] == ["same bytes"] * 3


def test_shares_cover_the_work_once_and_in_order():
    for count in (1, 2, 3, 7):
        parts = [list(Shards(index, count).share(range(0, 50, 5))) for index in range(count)]
        assert [start for part in parts for start in part] == list(range(0, 50, 5))


def test_one_process_changes_nothing():
    keys, counts = np.array([[9, 4]]), np.array([2, 3], np.int32)
    Shards().add_up(counts)
    assert Shards().merge_top(keys).tolist() == [[9, 4]]
    assert counts.tolist() == [2, 3]
