"""Several processes share a ranking: each one gets what one process computes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
import numpy as np
import pytest
from evenrank.benchmarks.benchmark import Relevance
from evenrank.ranking import cpu, gpu, rank
from evenrank.processes import joined

generator = np.random.default_rng(0)
queries = generator.standard_normal((90, 24)).astype(np.float32)
passages = generator.standard_normal((700, 24)).astype(np.float32)
passages[generator.integers(0, 700, 200)] = passages[0]  # ties across the shares
relevant = np.sort(generator.choice(700, (90, 3)), axis=1)
relevance = Relevance(np.arange(0, 271, 3), relevant.ravel().astype(np.int64))
offsets = np.array([0, 250, 260, 700])
with joined() as team:
    assert team.count == 3
    usual = cpu.PANEL
    for panel, tile in ((64, 64), (usual, 4096)):  # with the usual sizes only one process has work
        cpu.PANEL, gpu.TILE = panel, tile
        cpu.PANELS = 2
        for options in ({}, {"device": "cpu"}):
            alone = rank.rank(queries, passages, relevance, offsets, top_k=20, **options)
            together = rank.rank(
                queries, passages, relevance, offsets, top_k=20, team=team, **options
            )
            for name in ("above", "above_in_language", "scores", "top_passages", "top_scores"):
                one, other = getattr(alone, name), getattr(together, name)
                assert one.tobytes() == other.tobytes(), (name, panel, options)
    open(f"{sys.argv[1]}/{team.index}", "w").write("same bytes")
"""


@pytest.mark.slow
def test_three_processes_give_the_bytes_of_one(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "3", str(script), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert [Path(tmp_path / str(number)).read_text() for number in range(3)] == ["same bytes"] * 3
