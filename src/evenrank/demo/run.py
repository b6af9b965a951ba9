"""All acts, into one folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evenrank.benchmarks.benchmark import Benchmark
from evenrank.demo.pretrained import (
    CANARIES,
    EMBEDDINGS,
    FITTED,
    SEARCHED,
    Pretrained,
    correct_pretrained,
    find_pretrained,
)
from evenrank.demo.searching import Search, search_both_ways
from evenrank.demo.training import STEPS, STRATEGIES, Trained, train_and_report
from evenrank.files import lock_folder, mark_folder, refuse_existing, require_writable

MARKER = "demo"
_FOLDERS = ("pretrained", "start", "runs", "results", "index")


@dataclass(frozen=True)
class Demo:
    """What the demo found.

    Attributes:
        pretrained: What it found with a pretrained model; ``None`` if there is none.
        trained: What training changed.
        search: A search with the pretrained model, or with the last trained one.
    """

    pretrained: Pretrained | None
    trained: Trained
    search: Search


def run_demo(
    output: str | Path,
    *,
    model: str | None = None,
    facts: tuple[int, int, int] = (SEARCHED, CANARIES, FITTED),
    strategies: Sequence[str] = STRATEGIES,
    benchmark: str | Benchmark = "world-facts",
    steps: int = STEPS,
    seed: int = 0,
    overwrite: bool = False,
) -> Demo:
    """Correct a pretrained model, train small ones, and search, on World Facts.

    Args:
        output: Folder for models, results and pages.
        model: The pretrained model, as for :func:`~evenrank.encoding.opening.open_model`; by
            default multilingual-e5-small, if it is on this machine.
        facts: Facts that are searched, of the canaries, and of the fit.
        strategies: Batch strategies to compare.
        benchmark: What trained models are evaluated on.
        steps: Training steps per strategy.
        seed: Source of all randomness of the training.
        overwrite: Replace an earlier demo. Files that evenrank did not write stay.

    Raises:
        ConfigError: ``output`` exists and may not be replaced, or another run writes to it.
        FileError: ``output`` cannot be written.
        DataError: ``model`` cannot be read.
    """
    folder = Path(output)
    with lock_folder(folder):
        refuse_existing(folder, overwrite=overwrite, marker=MARKER)
        require_writable(folder)
        for part in _FOLDERS:
            shutil.rmtree(folder / part, ignore_errors=True)
        (folder / "report.html").unlink(missing_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        mark_folder(folder, MARKER)
        name = model or find_pretrained()
        first = folder / "pretrained"
        corrected = None if name is None else correct_pretrained(name, first, facts=facts)
        trained = train_and_report(folder, strategies, benchmark, steps, seed)
        searching = name or str(folder / "runs" / strategies[-1] / "model")
        store = first / EMBEDDINGS
        search = search_both_ways(searching, folder / "index", facts[:2], store)
        return Demo(corrected, trained, search)
