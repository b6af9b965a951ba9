"""The data of an experiment: prepared once, opened once per process, and known by content."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from evenrank.benchmarks.benchmark import Benchmark, load_benchmark
from evenrank.benchmarks.export import export_benchmark
from evenrank.data.corpus import ParallelCorpus
from evenrank.data.opening import open_corpus
from evenrank.data.splits import split_corpus
from evenrank.data.writing import MARKER, write_corpus
from evenrank.encoding.base import ENCODERS
from evenrank.errors import ConfigError
from evenrank.experiments.cells import Cell
from evenrank.experiments.file import DataSpec, ExperimentFile, Source
from evenrank.files import fingerprint_of, lock_folder, mark_folder, sha256_of, write_json
from evenrank.text import json_bytes
from evenrank.training.config import TrainConfig

_WEIGHTS = ("*.safetensors", "*.bin", "*.json", "*.model", "*.txt")
_CORPUS = "corpus:"
_BENCHMARK = "benchmark:"


class Sources:
    """Turns the names of an experiment's file into paths, and paths into fingerprints.

    Args:
        spec: The file.
        source: Where its values are.
        folder: Folder of the experiment; prepared corpora are in its folder ``data``.
    """

    def __init__(self, spec: ExperimentFile, source: Source, folder: Path) -> None:
        self._spec, self._source, self._folder = spec, source, folder
        self.benchmark = cache(self._benchmark)  # a benchmark is loaded once per process
        self._fingerprint = cache(self._fingerprint_of)
        self._encoder = cache(self._encoder_of)
        self._prepare = cache(self._prepared)

    def resolved(self, cell: Cell, output: Path) -> TrainConfig:
        """Return a cell's settings with paths in the place of names."""
        config = cell.config
        changes: dict[str, Any] = {
            "corpora": [self.path(one, "base", "corpora") for one in config.corpora],
            "encoder": self._expanded(config.encoder, "base", "encoder"),
            "output": output,
        }
        if config.dev is not None:
            changes["dev"] = self.path(config.dev, "base", "dev")
        if config.dev_benchmark is not None:
            changes["dev_benchmark"] = self.benchmark_name(config.dev_benchmark)
        return config.model_copy(update=changes)

    def identity(self, cell: Cell) -> str:
        """Return the hash of all that a cell's model depends on: settings and data."""
        return fingerprint_of(orjson.dumps(self._facts(cell), option=orjson.OPT_SORT_KEYS))

    def path(self, name: str, *key: object) -> str:
        """Return the source that a name stands for; prepare it if the file defines it."""
        first, _, part = name.partition("/")
        if first not in self._spec.data:
            return self._expanded(name, *key)
        known = self._spec.data[first].split or {}
        if (part or None) not in (known or [None]):
            names = [f"{first}/{one}" for one in known] or [first]
            place = self._source.place(*key)
            raise ConfigError(place, repr(name), f"one of {', '.join(names)}", "Correct the name")
        return str(self._prepare(first) / part) if part else str(self._prepare(first))

    def corpus_fingerprint(self, name: str, *key: object) -> str:
        """Return the fingerprint of a corpus by its name in the file."""
        return self._fingerprint(self.path(name, *key), None, None)

    def _facts(self, cell: Cell) -> dict[str, Any]:
        facts = dict(cell.settings)
        if cell.soup is not None:
            facts["soup"] = [self._facts(part) for part in cell.parts]
            if cell.soup.dev_benchmark is not None:
                facts["dev_benchmark"] = self.benchmark(cell.soup.dev_benchmark).fingerprint
            return facts
        config = self.resolved(cell, Path("run"))
        languages = tuple(config.languages) if config.languages else None
        facts["encoder"] = self._encoder(config.encoder)
        if "corpora" in facts:
            found = [self._fingerprint(one, config.where, languages) for one in config.corpora]
            facts |= {"corpora": found, "where": None, "languages": None}
        if config.dev is not None and "dev" in facts:
            facts["dev"] = self._fingerprint(config.dev, None, languages)
        if config.dev_benchmark is not None and "dev_benchmark" in facts:
            facts["dev_benchmark"] = self.benchmark(cell.config.dev_benchmark).fingerprint
        return facts

    def benchmark_name(self, name: str) -> str:
        """Return the benchmark that a name stands for."""
        if name.startswith(_CORPUS):
            return _CORPUS + self.path(name.removeprefix(_CORPUS), "evaluate", "benchmarks")
        return self._expanded(name, "evaluate", "benchmarks")

    def _benchmark(self, name: str | None) -> Benchmark:
        return load_benchmark(self.benchmark_name(name or ""))

    def _expanded(self, text: str, *key: object) -> str:
        """Return a text with the values of environment variables."""
        found = os.path.expandvars(text)
        if "$" in found:
            variable = found[found.index("$") :].partition("/")[0]
            remedy = f"Set it, such as with: export {variable.strip('${}')}=FOLDER"
            raise ConfigError(self._source.place(*key), f"{variable} without a value", "", remedy)
        return os.path.expanduser(found) if found.startswith("~") else found  # noqa: PTH111

    @staticmethod
    def _fingerprint_of(path: str, where: str | None, languages: tuple[str, ...] | None) -> str:
        return open_corpus(path, where=where, languages=languages).fingerprint

    @staticmethod
    def _encoder_of(name: str) -> str:
        """Return what identifies a start: the content of a folder, or a name."""
        folder = Path(name)
        if name in ENCODERS or not folder.is_dir():
            return name
        files = sorted({path for pattern in _WEIGHTS for path in folder.rglob(pattern)})
        return fingerprint_of(*(f"{path.relative_to(folder)} {sha256_of(path)}" for path in files))

    def _prepared(self, name: str) -> Path:
        """Return the folder of a corpus that the file defines; write it if it is not there."""
        spec, folder = self._spec.data[name], self._folder / "data" / name
        source = self._expanded(spec.source, "data", name, "source")
        if source.startswith(_BENCHMARK):
            source = str(self._exported(source.removeprefix(_BENCHMARK), folder))
        corpus = open_corpus(source, where=spec.where, languages=spec.languages)
        key = fingerprint_of(corpus.fingerprint, json_bytes(spec.model_dump(mode="json")))
        with lock_folder(folder, timeout=-1):
            known = folder.with_name(f"{name}.json")
            if known.is_file() and orjson.loads(known.read_bytes()).get("key") == key:
                return folder
            _write(corpus, spec, folder)
            write_json(known, {"key": key})
        return folder

    @staticmethod
    def _exported(benchmark: str, folder: Path) -> Path:
        """Write a benchmark as a BEIR folder, which is a corpus of its queries and answers."""
        path = folder.with_name(f"{folder.name}.beir")
        with lock_folder(path, timeout=-1):
            if not path.exists():
                export_benchmark(load_benchmark(benchmark), path, "beir")
        return path


def _write(corpus: ParallelCorpus, spec: DataSpec, folder: Path) -> None:
    if spec.split is None:
        write_corpus(corpus, folder, overwrite=True)
        return
    parts = split_corpus(corpus, spec.split, by=spec.by, seed=spec.seed)
    folder.mkdir(parents=True, exist_ok=True)
    mark_folder(folder, MARKER)
    for part, one in parts.items():
        write_corpus(one, folder / part, overwrite=True)
