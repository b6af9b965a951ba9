"""What an experiment found: the state of its cells, and figures and tests on each benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from evenrank.evaluation.evaluator import Figure, parse_figure
from evenrank.experiments.cells import Cell
from evenrank.experiments.file import ExperimentFile
from evenrank.experiments.pairs import PairGains, pair_gains
from evenrank.experiments.run import JOIN, Runner, Status, slug
from evenrank.experiments.statistics import (
    Estimate,
    PairedTest,
    Parts,
    estimates,
    paired_tests,
    read_parts,
)
from evenrank.results.folder import read_evaluation
from evenrank.results.schema import Result
from evenrank.training.folder import RunFolder
from evenrank.training.tokens import KEY


@dataclass(frozen=True)
class CellState:
    """A cell after a call.

    Attributes:
        name: The cell.
        system: Its system.
        seed: Its seed.
        status: What became of it.
        folder: Its folder.
        error: Why it failed.
        seconds: Time of training, and of all evaluations; ``None`` where not known.
    """

    name: str
    system: str
    seed: int | None
    status: Status
    folder: str
    error: str | None
    seconds: tuple[float | None, float | None]


@dataclass(frozen=True)
class Learned:
    """How one trained cell learned: a point for each evaluation on dev.

    Attributes:
        system: Its system.
        seed: Its seed.
        select_by: The figure on dev.
        steps: Training steps.
        tokens: Tokens encoded so far.
        values: The figure.
    """

    system: str
    seed: int | None
    select_by: str
    steps: tuple[int, ...]
    tokens: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class BenchmarkOutcome:
    """Figures of all systems on one benchmark.

    Attributes:
        name: The benchmark.
        figures: The figures, in the order of the lists below.
        against: What each system is tested against; the first baseline is not tested.
        systems: Figures of each system.
        tests: Tests of each system in ``against``.
        pairs: Gains by pair of languages of the same systems, if there are pairs.
    """

    name: str
    figures: tuple[Figure, ...]
    against: Mapping[str, str]
    systems: Mapping[str, list[Estimate]]
    tests: Mapping[str, list[PairedTest | None]]
    pairs: Mapping[str, PairGains]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What an experiment found so far."""

    cells: tuple[CellState, ...]
    benchmarks: tuple[BenchmarkOutcome, ...]
    learned: tuple[Learned, ...]

    @property
    def failed(self) -> list[CellState]:
        """The cells that failed."""
        return [cell for cell in self.cells if cell.status == "failed"]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "cells": [asdict(cell) for cell in self.cells],
            "benchmarks": [_plain(one) for one in self.benchmarks],
            "learned": [asdict(one) for one in self.learned],
        }


def read_outcome(
    spec: ExperimentFile, cells: Sequence[Cell], runner: Runner, done: Mapping[Cell, Status]
) -> Outcome:
    """Read the state of all cells, and the results of those that are finished.

    Results are not read while another process works on a cell: it will read them.

    Args:
        spec: The file.
        cells: All cells.
        runner: Knows their folders.
        done: Status of cells that this process ran or met.
    """
    status = {cell: runner.status(cell) for cell in cells}
    for cell in cells:
        if status[cell] == "open":
            status[cell] = "busy" if runner.busy(cell) else done.get(cell, "open")
    finished = [cell for cell in cells if status[cell] == "finished"]
    if "busy" in status.values():  # the process that ends last reads the results
        finished = []
    figures = [parse_figure(name) for name in spec.evaluate.figures]
    found = [_benchmark(name, spec, figures, finished, runner) for name in spec.evaluate.benchmarks]
    return Outcome(
        tuple(_state(cell, status[cell], runner) for cell in cells),
        tuple(one for one in found if one.systems),
        tuple(one for cell in finished if (one := _learned(cell, runner)) is not None),
    )


def _benchmark(
    name: str,
    spec: ExperimentFile,
    figures: Sequence[Figure],
    finished: Sequence[Cell],
    runner: Runner,
) -> BenchmarkOutcome:
    parts: dict[str, Parts] = {}
    found: dict[str, list[Result]] = {}
    places: dict[str, str] = {}
    systems = {cell.system: cell.variant for cell in finished}
    for correction in (None, *spec.corrections):
        for system, variant in systems.items():
            folder = slug(name) + (f"{JOIN}{correction}" if correction else "")
            results = {
                cell.seed: read_evaluation(runner.folder(cell).result(folder))
                for cell in finished
                if cell.system == system
                and any(one.name == folder for one in runner.measured(cell))
            }
            if results:
                label = system if correction is None else f"{system} + {correction}"
                parts[label] = read_parts(results, figures)
                found[label] = [one.result for one in results.values()]
                places[label] = system.removeprefix(variant)
    against = _baselines(spec.baseline or next(iter(spec.variants), "run"), places)
    pairs = {label: (parts[base], parts[label]) for label, base in against.items()}
    data = runner.sources.benchmark(name)
    gains = {label: pair_gains(found[base], found[label], data) for label, base in against.items()}
    return BenchmarkOutcome(
        name,
        tuple(figures),
        against,
        {label: estimates(part) for label, part in parts.items()},
        paired_tests(pairs, figures),
        {label: one for label, one in gains.items() if one is not None},
    )


def _baselines(variant: str, places: Mapping[str, str]) -> dict[str, str]:
    """Return what each system is tested against.

    That is the baseline with the same values of the grid; for the baseline itself, and where there
    is none, the first one.
    """
    own = [label for label, place in places.items() if label == variant + place]
    against = {}
    for label, place in places.items() if own else ():
        base = variant + place if variant + place in places else own[0]
        if base == label:
            base = own[0]
        if base != label:
            against[label] = base
    return against


def _state(cell: Cell, status: Status, runner: Runner) -> CellState:
    folder = runner.folder(cell)
    facts, run = folder.read(), folder.run_facts() if cell.kind == "train" else {}
    results = facts.get("results", {}).values()
    spent = sum(one["seconds"] for one in results) if results else None
    error = facts.get("error") if status == "failed" else None
    times = (run.get("seconds"), None if spent is None else round(spent, 1))
    return CellState(cell.name, cell.system, cell.seed, status, str(folder.path), error, times)


def _learned(cell: Cell, runner: Runner) -> Learned | None:
    """Return the curve of a trained cell, if it was evaluated on dev."""
    if cell.kind != "train":
        return None
    folder: RunFolder = runner.folder(cell).run
    facts = orjson.loads((folder.model / "evenrank.json").read_bytes())
    dev = {entry["step"]: entry["dev"] for entry in facts["log"] if "dev" in entry}
    if not dev:
        return None
    logged = (orjson.loads(line) for line in folder.log.read_bytes().splitlines())
    tokens = {entry["step"]: entry[KEY] for entry in logged if KEY in entry}
    steps = tuple(sorted(dev))
    return Learned(
        cell.system,
        cell.seed,
        cell.config.select_by,
        steps,
        tuple(tokens[step] for step in steps) if tokens.keys() >= dev.keys() else (),
        tuple(dev[step] for step in steps),
    )


def _plain(found: BenchmarkOutcome) -> dict[str, Any]:
    names = [f"{figure.setting} {figure.measure}" for figure in found.figures]
    return {
        "name": found.name,
        "against": dict(found.against),
        "systems": {
            system: dict(zip(names, map(asdict, rows), strict=True))
            for system, rows in found.systems.items()
        },
        "tests": {
            system: {
                name: row.to_dict()
                for name, row in zip(names, rows, strict=True)
                if row is not None
            }
            for system, rows in found.tests.items()
        },
        "pairs": {system: asdict(one) for system, one in found.pairs.items()},
    }
