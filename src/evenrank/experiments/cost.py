"""What an experiment costs, before it runs: cells, steps, and an estimate of the time."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from evenrank.data.opening import open_corpus
from evenrank.experiments.cells import Cell
from evenrank.experiments.run import CellFolder, Runner
from evenrank.progress import bar
from evenrank.training.config import TrainConfig
from evenrank.training.run import train

PROBE_STEPS = 10
"""Steps of a run that only measures the time."""

Pace = tuple[Any, ...]


@dataclass(frozen=True)
class CellCost:
    """What one cell costs.

    Attributes:
        name: The cell.
        status: ``finished``, ``failed`` or ``open``.
        folder: Its folder.
        steps: Training steps; ``None`` for what is not trained.
        seconds: Estimated time of training and evaluation that is left; zero if it is finished.
    """

    name: str
    status: str
    folder: Path
    steps: int | None
    seconds: float


@dataclass(frozen=True)
class Cost:
    """What an experiment costs.

    Attributes:
        cells: What each cell costs.
        probed: Number of short runs that measured the time.
        evaluations_known: Whether the time of evaluations is part of the estimate.
    """

    cells: tuple[CellCost, ...]
    probed: int
    evaluations_known: bool

    @property
    def seconds(self) -> float:
        """Estimated time that is left, for one process."""
        return sum(cell.seconds for cell in self.cells)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        facts = asdict(self) | {"seconds": round(self.seconds, 1)}
        for cell in facts["cells"]:
            cell["folder"] = str(cell["folder"])
        return facts


def estimate_cost(cells: Sequence[Cell], runner: Runner) -> Cost:
    """Estimate the time from cells that were measured, else from short runs.

    Cells with the same encoder, batch size and maximum length are expected to be equally fast.
    Evaluations are known once a cell is finished.
    """
    paces: dict[Pace, float] = {}
    evaluations: list[float] = []
    for cell in cells:
        facts = runner.folder(cell).read()
        evaluations += [one["seconds"] for one in facts.get("results", {}).values()]
        if cell.kind == "train" and (pace := _measured_pace(runner.folder(cell))):
            paces.setdefault(_key(runner.sources.resolved(cell, Path("run"))), pace)
    probed = 0
    costs = []
    for cell in cells:
        status, folder = runner.status(cell), runner.folder(cell)
        steps, seconds = None, 0.0
        if cell.kind == "train":
            config = runner.sources.resolved(cell, Path("run"))
            steps = _steps(config)
            if status != "finished" and folder.run_facts().get("status") != "finished":
                if _key(config) not in paces:
                    paces[_key(config)] = _probe(config)
                    probed += 1
                seconds = steps * paces[_key(config)]
        if status != "finished" and evaluations:
            missing = len(runner.measured(cell)) - len(folder.read().get("results", {}))
            seconds += max(0, missing) * mean(evaluations)
        costs.append(CellCost(cell.name, status, folder.path, steps, round(seconds, 1)))
    return Cost(tuple(costs), probed, bool(evaluations))


def _key(config: TrainConfig) -> Pace:
    sizes = tuple(sorted((name, str(value)) for name, value in config.encoder_settings.items()))
    queries = config.batch_size * config.queries_per_passage
    return config.encoder, sizes, queries, config.max_length, tuple(config.corpora)


def _measured_pace(folder: CellFolder) -> float | None:
    """Return the seconds of a step of a finished run, evaluations on dev included."""
    facts = folder.run_facts()
    if facts.get("status") != "finished" or not facts.get("last_step"):
        return None
    return float(facts["seconds"]) / int(facts["last_step"])


def _probe(config: TrainConfig) -> float:
    """Return the seconds of a step, measured in a short run without dev data."""
    with tempfile.TemporaryDirectory() as folder, bar(f"Trying {config.encoder}"):
        changes = {
            "output": Path(folder) / "run",
            "steps": PROBE_STEPS,
            "dev": None,
            "dev_benchmark": None,
            "dev_fraction": 0,
            "select_by": "loss",
            "trainer": {},
        }
        run = train(config.model_copy(update=changes))
    return run.seconds / PROBE_STEPS


def _steps(config: TrainConfig) -> int:
    """Return the steps of a run; of one by epochs, as many as all rows fill."""
    if config.steps is not None:
        return config.steps
    opened = (
        open_corpus(one, where=config.where, languages=config.languages) for one in config.corpora
    )
    rows = sum(int((corpus.rows >= 0).sum()) for corpus in opened)
    queries = config.batch_size * config.queries_per_passage
    return max(1, round(config.epochs * rows * (1 - config.dev_fraction) / queries))
