"""The run folder: everything a training run leaves behind, and what it resumes from.

``run.json``
    Status, resolved configuration, package versions, seed, fingerprints of the data.
``log.jsonl``
    What the trainer logged, a line an entry.
``checkpoints/``
    The trainer's own checkpoints while the run is not finished.
``model/``
    The finished model, a plain Sentence Transformers folder, with ``evenrank.json`` (strategy,
    seed, languages, configuration and log) beside its files.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from evenrank.errors import ConfigError
from evenrank.files import write_json
from evenrank.training.config import TrainConfig

PACKAGES = ("evenrank", "sentence-transformers", "transformers", "torch", "tokenizers", "numpy")


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run folder."""

    path: Path

    @property
    def facts(self) -> Path:
        """``run.json``."""
        return self.path / "run.json"

    @property
    def log(self) -> Path:
        """``log.jsonl``."""
        return self.path / "log.jsonl"

    @property
    def checkpoints(self) -> Path:
        """``checkpoints/``."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """``model/``."""
        return self.path / "model"

    def read_facts(self) -> dict[str, Any]:
        """Return ``run.json``, empty where there is none."""
        if not self.facts.exists():
            return {}
        facts: dict[str, Any] = orjson.loads(self.facts.read_bytes())
        return facts

    def last_checkpoint(self) -> Path | None:
        """Return the newest checkpoint that was written whole."""
        steps = {
            int(path.parent.name.removeprefix("checkpoint-")): path.parent
            for path in self.checkpoints.glob("checkpoint-*/trainer_state.json")
        }
        return steps[max(steps)] if steps else None


def check_output(folder: RunFolder, config: TrainConfig, *, overwrite: bool, resume: bool) -> None:
    """Refuse a folder that can be neither made nor taken up; nothing is touched yet.

    Raises:
        ConfigError: The folder holds something and neither flag says what to do with it; it is not
            a run folder; it is finished; or its configuration is another one.
    """
    if folder.path.exists() and not folder.path.is_dir():
        raise ConfigError(str(folder.path), "a file", "a new folder", "Use another output")
    occupied = folder.path.exists() and any(folder.path.iterdir())
    if occupied and not folder.facts.exists():
        raise ConfigError(
            str(folder.path), "files that are no run", "a new folder", "Use another output"
        )
    if occupied and resume:
        _check_resumable(folder, config)
    elif occupied and not overwrite:
        unfinished = folder.read_facts().get("status") != "finished"
        raise ConfigError(
            str(folder.path),
            "an unfinished run" if unfinished else "a finished run",
            "a new folder",
            "Use --resume to go on with it, or --overwrite" if unfinished else "Use --overwrite",
        )


def begin_run(folder: RunFolder, *, resume: bool) -> None:
    """Make the folder; unless the run is resumed, remove what an earlier one left there."""
    if not resume:
        shutil.rmtree(folder.path, ignore_errors=True)
    folder.path.mkdir(parents=True, exist_ok=True)


def write_facts(
    folder: RunFolder, config: TrainConfig, status: str, **facts: object
) -> dict[str, Any]:
    """Write ``run.json`` and return it; facts of an earlier call stay."""
    whole = folder.read_facts() | {
        "status": status,
        "updated": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": config.model_dump(mode="json"),
        "versions": {package: version(package) for package in PACKAGES},
        **facts,
    }
    write_json(folder.facts, whole)
    return whole


def read_log(folder: RunFolder) -> list[dict[str, Any]]:
    """Return the log as entries of ``step``, ``loss`` (training) and ``dev`` (selection)."""
    entries: dict[int, dict[str, Any]] = {}
    for line in folder.log.read_bytes().splitlines():
        logged = orjson.loads(line)
        entry = entries.setdefault(logged["step"], {"step": logged["step"]})
        if "loss" in logged:
            entry["loss"] = logged["loss"]
        for name, value in logged.items():
            if name == "eval_loss" or name.startswith("eval_dev_"):
                entry["dev"] = value
    return [entries[step] for step in sorted(entries) if len(entries[step]) > 1]


def _check_resumable(folder: RunFolder, config: TrainConfig) -> None:
    facts = folder.read_facts()
    if facts.get("status") == "finished":
        raise ConfigError(
            str(folder.path), "a finished run", "an unfinished one", "Nothing is left to resume"
        )
    before: Mapping[str, Any] = facts.get("config", {})
    for name, value in config.model_dump(mode="json").items():
        if name != "output" and before.get(name, value) != value:
            raise ConfigError(
                f"{folder.path}, {name}",
                f"{value!r}",
                f"{before[name]!r}, as when the run began",
                "Resume with the same settings, or use --overwrite to start again",
            )
