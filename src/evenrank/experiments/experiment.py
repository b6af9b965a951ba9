"""An experiment from its file to a report: run the cells, read their results, test, write."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evenrank.errors import ConfigError
from evenrank.experiments.cells import Cell, expand
from evenrank.experiments.cost import Cost, estimate_cost
from evenrank.experiments.file import ExperimentFile, Source, read_experiment
from evenrank.experiments.outcome import Outcome, read_outcome
from evenrank.experiments.report import build_experiment_report
from evenrank.experiments.run import Runner, Status, slug
from evenrank.experiments.sources import Sources
from evenrank.files import (
    lock_folder,
    mark_folder,
    refuse_existing,
    require_writable,
    whole_file,
    write_json,
)
from evenrank.measures.selection import select_measures
from evenrank.report.build import RENDERERS

MARKER = "experiment"
FILES = {"html": "report.html", "md": "report.md"}


@dataclass(frozen=True)
class Shard:
    """A part of the cells: those with number ``index``, modulo ``count``; from 1."""

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the shard that ``2/4`` names.

        Raises:
            ConfigError: It is not a number from 1 to the number of shards.
        """
        first, _, last = text.partition("/")
        if first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last):
            return cls(int(first), int(last))
        raise ConfigError("--shard", repr(text), "such as 2/4: from 1 to the number", "Correct it")

    def of(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return the cells of this shard."""
        return list(cells[self.index - 1 :: self.count])


class Experiment:
    """An experiment whose file was checked; nothing is read or written yet.

    Args:
        path: The file.
        output: Folder of cells and report, in the place of the file's.

    Attributes:
        cells: All cells, soups last.

    Raises:
        ConfigError: The file is wrong; the message names the line.
    """

    def __init__(self, path: str | Path, output: str | Path | None = None) -> None:
        self.spec, self.source = read_experiment(path)
        self.cells = expand(self.spec, self.source)
        _check(self.spec, self.source)
        self.folder = Path(output or self.spec.output or Path("runs") / Path(path).stem)
        self.sources = Sources(self.spec, self.source, self.folder)
        self.runner = Runner(self.spec, self.sources, self.folder)

    def cost(self) -> Cost:
        """Return what running it costs: cells, steps, and an estimate of the time.

        Where no cell with the same sizes was measured, a run of a few steps measures the time.
        """
        self.prepare()
        return estimate_cost(self.cells, self.runner)

    def run(self, shard: Shard | None = None) -> Outcome:
        """Run the cells that are not finished, and write the report.

        Several processes may call this at once: each cell is run by one of them. Cells that failed
        before are tried again.

        Args:
            shard: Run a part of the cells.

        Raises:
            ConfigError: The folder is one of something else, or the data do not fit the file.
            KeyboardInterrupt: It was stopped; the same call continues.
        """
        self.prepare()
        chosen = (shard or Shard()).of(self.cells)
        done = self.runner.run_all(chosen)
        if any(status == "waiting" for status in done.values()):  # for cells of other shards
            self.runner.run_all([cell for cell in chosen if done[cell] == "waiting"])
        return self.report(done)

    def report(self, done: dict[Cell, Status] | None = None) -> Outcome:
        """Read what is finished, by any process, and write the report."""
        outcome = read_outcome(self.spec, self.cells, self.runner, done or {})
        if outcome.benchmarks:
            with lock_folder(self.folder / "report", timeout=-1):
                report = build_experiment_report(self.spec, self.folder.name, outcome)
                for form, name in FILES.items():
                    with whole_file(self.folder / name, overwrite=True) as part:
                        part.write_text(RENDERERS[form](report), encoding="utf-8", newline="\n")
                write_json(self.folder / "results.json", outcome.to_dict())
        return outcome

    def prepare(self) -> None:
        """Create the folder, and open all data: what is wrong with them is found here.

        Raises:
            ConfigError: The folder is one of something else, or a name stands for nothing.
            DataError: Data cannot be read, or a correction is fitted on what it is measured on.
        """
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            found, remedy = "torchrun with several processes", "Start it without, or use --shard"
            raise ConfigError("experiment", found, "one process, or shards", remedy)
        refuse_existing(self.folder, overwrite=True, marker=MARKER)
        require_writable(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        mark_folder(self.folder, MARKER)
        self.runner.check(self.cells)


def run_experiment(
    path: str | Path, *, output: str | Path | None = None, shard: str | None = None
) -> dict[str, Any]:
    """Run the cells of an experiment's file and write its report; see ``docs/experiment.md``.

    Args:
        path: The YAML file.
        output: Folder of cells and report, in the place of the file's.
        shard: Run a part of the cells, such as ``"2/4"``.

    Returns:
        What ``results.json`` contains: cells with their status, figures, tests.

    Raises:
        ConfigError: The file is wrong, or the folder is one of something else.
    """
    chosen = None if shard is None else Shard.parse(shard)
    return Experiment(path, output).run(chosen).to_dict()


def _check(spec: ExperimentFile, source: Source) -> None:
    """Refuse wrong measures, and benchmarks whose results would share a folder."""
    select_measures(spec.evaluate.measures)
    names = Counter(slug(name) for name in spec.evaluate.benchmarks)
    for at, name in enumerate(spec.evaluate.benchmarks):
        if names[slug(name)] > 1:
            place = source.place("evaluate", "benchmarks", at)
            found = f"{name!r}, which shares a folder with another"
            raise ConfigError(place, found, "benchmarks with different names", "Remove one")
