"""Runs the cells of an experiment: each is trained, evaluated, and recorded in a folder.

A cell's folder is named by the hash of all that its model depends on:

``cell.json``
    Name, status, error, times, and for each result the key of what it was measured with.
``run/``
    The run folder of ``evenrank train``; of a soup, its model.
``results/``
    Result folders, ``BENCHMARK`` or ``BENCHMARK+CORRECTION``.
``corrections/``
    Corrections that were fitted for this model.
"""

from __future__ import annotations

import gc
import re
import shutil
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import orjson
import torch

from evenrank.data.opening import open_corpus
from evenrank.debias.base import Correction
from evenrank.debias.corpus import fit_on_corpus
from evenrank.debias.overlap import refuse_overlap, sketch
from evenrank.debias.saving import load_correction, save_correction
from evenrank.encoding.base import ENCODERS
from evenrank.encoding.opening import open_model
from evenrank.errors import ConfigError, EvenrankError
from evenrank.evaluation.evaluate import evaluate
from evenrank.experiments.cells import Cell
from evenrank.experiments.file import ExperimentFile, SoupSpec
from evenrank.experiments.sources import Sources
from evenrank.files import fingerprint_of, lock_folder, write_json
from evenrank.processes import ALONE
from evenrank.progress import bar
from evenrank.text import json_bytes
from evenrank.training.folder import RunFolder
from evenrank.training.run import make_model, train
from evenrank.training.selection import split_dev
from evenrank.training.soup import soup

Status = Literal["finished", "failed", "busy", "waiting", "open"]
"""``busy``: another process works on it; ``waiting``: a soup whose parts are not finished."""
JOIN = "+"
"""Between the names of a benchmark and of a correction."""


@dataclass(frozen=True)
class Measured:
    """One result that a cell has to have.

    Attributes:
        name: Name of its folder.
        benchmark: The benchmark, as the file names it.
        correction: Name of the correction; ``None`` for the model as it is.
        key: Hash of all that it depends on besides the model.
    """

    name: str
    benchmark: str
    correction: str | None
    key: str


@dataclass(frozen=True)
class CellFolder:
    """Paths of a cell; see the module's docstring."""

    path: Path

    @property
    def run(self) -> RunFolder:
        """The run folder."""
        return RunFolder(self.path / "run")

    def result(self, name: str) -> Path:
        """Return the folder of a result."""
        return self.path / "results" / name

    def read(self) -> dict[str, Any]:
        """Return ``cell.json``; empty if it is missing or damaged, so that the cell runs again."""
        try:
            facts = orjson.loads((self.path / "cell.json").read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return {}
        return facts if isinstance(facts, dict) else {}

    def run_facts(self) -> dict[str, Any]:
        """Return the facts of the run; empty if they cannot be read, which is the cell's error."""
        try:
            return self.run.read_facts()
        except (OSError, EvenrankError):
            return {}

    def write(self, **facts: object) -> None:
        """Add facts to ``cell.json``."""
        write_json(self.path / "cell.json", self.read() | facts)


class Runner:
    """Runs cells of one experiment in this process.

    Args:
        spec: The file.
        sources: Its data.
        folder: The folder of the experiment.
    """

    def __init__(self, spec: ExperimentFile, sources: Sources, folder: Path) -> None:
        self.spec, self.sources, self.root = spec, sources, folder / "cells"

    def folder(self, cell: Cell) -> CellFolder:
        """Return the folder of a cell."""
        return CellFolder(self.root / self.sources.identity(cell))

    def measured(self, cell: Cell) -> list[Measured]:
        """Return the results that a cell has to have."""
        corrections: list[str | None] = [None]
        for name, correction in self.spec.corrections.items():
            if correction.only is None or cell.variant in correction.only:
                corrections.append(name)
        return [
            Measured(
                slug(benchmark) + (f"{JOIN}{name}" if name else ""),
                benchmark,
                name,
                self._key(benchmark, name),
            )
            for benchmark in self.spec.evaluate.benchmarks
            for name in corrections
        ]

    def status(self, cell: Cell) -> Status:
        """Return what is known of a cell from its folder."""
        facts = self.folder(cell).read()
        status: Status = facts.get("status", "open")
        if status == "finished":
            known = facts.get("results", {})
            wanted = self.measured(cell)
            return "finished" if all(_has(known, one) for one in wanted) else "open"
        return "failed" if status == "failed" else "open"

    def check(self, cells: Sequence[Cell]) -> None:
        """Open all data, so that what is wrong with them is found before the first cell.

        Raises:
            ConfigError: A name in the file stands for nothing.
            DataError: Data cannot be read, or a correction is fitted on what it is measured on.
        """
        for cell in cells:
            self.folder(cell)
        for name, spec in self.spec.corrections.items():
            corpus = open_corpus(self.sources.path(spec.corpus, "corrections", name, "corpus"))
            rows = corpus.rows[corpus.rows >= 0][:_LOOKED_AT]
            fitted = sketch(chain(*(corpus.column(kind, rows) for kind in ("query", "passage"))))
            for one in self.spec.evaluate.benchmarks:
                benchmark = self.sources.benchmark(one)
                texts = chain(benchmark.queries.texts, benchmark.passages.texts)
                refuse_overlap(fitted, map(str, texts), f"{one} with correction {name!r}")
        for one in self.spec.evaluate.benchmarks:
            self.sources.benchmark(one)

    def busy(self, cell: Cell) -> bool:
        """Return whether another process works on a cell."""
        try:
            with lock_folder(self.folder(cell).path, timeout=0):
                return False
        except ConfigError:
            return True

    def run_all(self, cells: Sequence[Cell]) -> dict[Cell, Status]:
        """Run the cells that are not finished; a soup after its parts.

        A cell that fails is recorded, and the others go on. A cell that another process works on is
        left to it.
        """
        found: dict[Cell, Status] = {}
        for number, cell in enumerate(cells, 1):
            with bar(f"Cell {number} of {len(cells)}, {cell.name}") as progress:
                found[cell] = self.run(cell)
                progress.note(found[cell])
        return found

    def run(self, cell: Cell) -> Status:
        """Run a cell unless it is finished, or another process works on it.

        Raises:
            KeyboardInterrupt: It was stopped, and can be continued.
        """
        folder = self.folder(cell)
        if (status := self.status(cell)) == "finished":
            return status
        if any(self.status(part) != "finished" for part in cell.parts):
            return "waiting"
        with ExitStack() as stack:
            try:
                stack.enter_context(lock_folder(folder.path))
            except ConfigError:
                return "busy"
            if (status := self.status(cell)) == "finished":  # while this process came here
                return status
            return self._run(cell, folder)

    def _run(self, cell: Cell, folder: CellFolder) -> Status:
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.write(name=cell.name, settings=cell.settings, status="running", error=None)
        try:
            self._train(cell, folder)
            self._evaluate(cell, folder)
        except Exception as error:  # the others go on, and the next call tries again
            known = isinstance(
                error, EvenrankError | MemoryError | torch.OutOfMemoryError | OSError
            )
            text = str(error) if known else "".join(traceback.format_exception(error))
            folder.write(status="failed", error=text or type(error).__name__)
            return "failed"
        finally:
            _free_memory()
        folder.write(status="finished")
        return "finished"

    def _train(self, cell: Cell, folder: CellFolder) -> None:
        """Create the cell's model, unless it is there."""
        config = self.sources.resolved(cell, folder.run.path)
        if cell.kind == "train":
            facts = folder.run_facts()
            if facts.get("status") != "finished":
                train(config, resume=True)
                return
            before, now = facts.get("config", {}), config.model_dump(mode="json")
            for name, value in now.items():  # a default that changed with the version
                if before.get(name, value) != value and name not in _PATHS:
                    found, expected = f"{name} {value!r}", f"{before[name]!r}, as it was trained"
                    raise ConfigError(str(folder.path), found, expected, "Remove the folder")
        elif cell.soup is not None:
            self._mix(cell.soup, cell, folder)
        elif config.encoder in ENCODERS and not folder.run.model.is_dir():
            opened = [
                open_corpus(one, where=config.where, languages=config.languages)
                for one in config.corpora
            ]
            model, _ = make_model(config, split_dev(config, opened)[0], ALONE)
            model.save_pretrained(str(folder.run.model))

    def _mix(self, spec: SoupSpec, cell: Cell, folder: CellFolder) -> None:
        """Average the models of a soup's parts, unless that was done."""
        if folder.run_facts().get("status") == "finished":
            return
        dev = spec.dev_benchmark
        first, second = (self.model(part) for part in cell.parts)
        soup(
            first,
            second,
            spec.weight,
            output=folder.run.path,
            select_by=spec.select_by,
            dev_benchmark=None if dev is None else self.sources.benchmark_name(dev),
            overwrite=True,
        )

    def model(self, cell: Cell) -> Path | str:
        """Return the folder or name of a cell's model."""
        folder = self.folder(cell)
        config = self.sources.resolved(cell, folder.run.path)
        start = cell.kind == "as-is" and config.encoder not in ENCODERS
        return config.encoder if start else folder.run.model

    def _evaluate(self, cell: Cell, folder: CellFolder) -> None:
        """Measure the cell's model on each benchmark, as it is and corrected."""
        wanted = self.measured(cell)
        results: dict[str, Any] = folder.read().get("results", {})
        missing = [one for one in wanted if not _has(results, one)]
        if not missing:
            return
        settings: dict[str, Any] = {}
        if cell.kind == "as-is":
            names = ("query_prompt", "passage_prompt", "max_length")
            settings = {name: getattr(cell.config, name) for name in names}
        model = open_model(self.model(cell), settings | self.spec.evaluate.model_settings)
        # texts of a benchmark are encoded once, and not once for each correction
        store = folder.path / "store" if len(missing) > 1 and self.spec.corrections else None
        for one in missing:
            start = time.monotonic()
            correction = self._correction(one.correction, model, folder)
            by_vectors = correction is None or correction.changes_vectors
            label = cell.system if one.correction is None else f"{cell.system} + {one.correction}"
            evaluate(
                model,
                self.sources.benchmark(one.benchmark),
                output=folder.result(one.name),
                measures=self.spec.evaluate.measures,
                label=label if cell.seed is None else f"{label}, seed {cell.seed}",
                batch_size=self.spec.evaluate.batch_size,
                # corrected scores are ranked by threads
                rank_device=self.spec.evaluate.rank_device if by_vectors else None,
                empty_texts=self.spec.evaluate.empty_texts,
                debias=correction,
                store=store,
                overwrite=True,
                shared=False,
            )
            results[one.name] = {"key": one.key, "seconds": round(time.monotonic() - start, 1)}
            folder.write(results=results)
        if store is not None:
            shutil.rmtree(store, ignore_errors=True)

    def _correction(self, name: str | None, model: object, folder: CellFolder) -> Correction | None:
        """Fit a correction for a model, as ``evenrank debias fit`` does, and save it."""
        if name is None:
            return None
        spec = self.spec.corrections[name]
        path = folder.path / "corrections" / f"{name}-{self._correction_key(name)}.safetensors"
        if path.exists():
            return load_correction(path)
        correction = fit_on_corpus(
            model,
            self.sources.path(spec.corpus, "corrections", name, "corpus"),
            spec.method,
            settings=spec.settings,
            strength=spec.strength,
            items=spec.items,
            choose_rank=spec.choose_rank,
            batch_size=self.spec.evaluate.batch_size,
        )
        save_correction(correction, path)
        return correction

    def _key(self, benchmark: str, correction: str | None) -> str:
        left_out = {"benchmarks", "figures", "batch_size"}
        if not self.spec.evaluate.model_settings:  # so the cells of earlier versions keep their key
            left_out.add("model_settings")
        settings = self.spec.evaluate.model_dump(exclude=left_out)
        content = self.sources.benchmark(benchmark).fingerprint
        key = self._correction_key(correction) if correction else ""
        return fingerprint_of(json_bytes(settings, sort=True), content, key)

    def _correction_key(self, name: str) -> str:
        spec = self.spec.corrections[name]
        settings = spec.model_dump(mode="json", exclude={"corpus", "only"})
        if of_model := self.spec.evaluate.model_settings:  # a fit belongs to a model as it was set
            settings["model_settings"] = of_model
        content = self.sources.corpus_fingerprint(spec.corpus, "corrections", name, "corpus")
        return fingerprint_of(json_bytes(settings, sort=True), content)


_LOOKED_AT = 200_000
"""Rows of a corpus that are compared with the benchmarks in advance; each fit compares its own."""
_PATHS = ("output", "corpora", "dev", "dev_benchmark", "encoder")
"""Settings that are compared by content, in the name of the folder."""


def slug(name: str) -> str:
    """Return a name for one folder, without separators."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")


def _has(results: dict[str, Any], one: Measured) -> bool:
    return bool(results.get(one.name, {}).get("key") == one.key)


def _free_memory() -> None:
    """Give the memory of the last model back, also that of a GPU."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
