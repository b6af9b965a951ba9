"""The run folder: all that a training run writes, and what it resumes from.

``run.json``
    Status, configuration, package versions, fingerprints of the start encoder and the data.
``log.jsonl``
    What the trainer logged, one entry per line.
``checkpoints/``
    The trainer's own checkpoints while the run is not finished.
``model/``
    The finished model, a plain Sentence Transformers folder, with ``evenrank.json`` (strategy,
    seed, languages, configuration and log).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from evenrank.errors import ConfigError, DataError, FileError
from evenrank.files import mark_folder, refuse_existing, require_writable, write_json
from evenrank.training.config import TrainConfig

MARKER = "training run"
PACKAGES = ("evenrank", "sentence-transformers", "transformers", "torch", "tokenizers", "numpy")


class RunFolder:
    """Paths of a run folder; see the module's docstring."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.facts = self.path / "run.json"
        self.log = self.path / "log.jsonl"
        self.checkpoints = self.path / "checkpoints"
        self.model = self.path / "model"

    def read_facts(self) -> dict[str, Any]:
        """Return ``run.json``, empty if it is missing.

        Raises:
            DataError: It is not the JSON that evenrank writes.
        """
        try:
            facts = orjson.loads(self.facts.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError:
            facts = None
        if not isinstance(facts, dict) or not isinstance(facts.get("config", {}), dict):
            remedy = "Use --overwrite to start again"
            raise DataError(str(self.facts), "a damaged file", "facts of a run", remedy)
        return facts

    def last_checkpoint(self) -> Path | None:
        """Return the newest complete checkpoint; its state is the file that is written last."""
        complete = {}
        for path in self.checkpoints.glob("checkpoint-*/trainer_state.json"):
            try:
                step = orjson.loads(path.read_bytes())["global_step"]
            except (ValueError, TypeError, KeyError):
                continue
            complete[int(step)] = path.parent
        return complete[max(complete)] if complete else None


def check_output(folder: RunFolder, config: TrainConfig, *, overwrite: bool, resume: bool) -> None:
    """Refuse a folder that cannot be created or continued; nothing is changed yet.

    Raises:
        ConfigError: The folder is not one of a run, or neither flag says what to do with it; the
            run is finished; or its configuration is another one.
        FileError: The folder cannot be written.
    """
    occupied = folder.path.is_dir() and any(folder.path.iterdir())
    if occupied and (overwrite or resume):
        refuse_existing(folder.path, overwrite=True, marker=MARKER)
    elif occupied and (status := folder.read_facts().get("status")):
        finished = status == "finished"
        raise ConfigError(
            str(folder.path),
            "a finished run" if finished else "an unfinished run",
            "a new folder",
            "Use --overwrite" if finished else "Use --resume to continue it, or --overwrite",
        )
    else:
        refuse_existing(folder.path, overwrite=False, marker=MARKER)
    if resume:
        facts = folder.read_facts()
        if facts.get("status") == "finished":
            found, remedy = "a finished run", "Nothing is left to resume"
            raise ConfigError(str(folder.path), found, "an unfinished one", remedy)
        _refuse_change(folder, facts.get("config", {}), config.model_dump(mode="json"))
    require_writable(folder.path)


def begin_run(
    folder: RunFolder, config: TrainConfig, inputs: Mapping[str, Any], *, resume: bool
) -> None:
    """Create the folder; unless the run is resumed, remove what an earlier run wrote there.

    Files that evenrank did not write stay.

    Args:
        folder: The run folder, checked by :func:`check_output`.
        config: All settings.
        inputs: Fingerprints of the data and the start encoder.
        resume: Keep what an earlier run wrote, which must have had the same inputs.

    Raises:
        ConfigError: The run is resumed and an input has changed.
        FileError: The folder cannot be written.
    """
    try:
        if resume:
            _refuse_change(folder, folder.read_facts().get("inputs", {}), inputs)
        else:
            for entry in (folder.facts, folder.log):
                entry.unlink(missing_ok=True)
            for entry in (folder.model, folder.checkpoints):
                if entry.exists():
                    shutil.rmtree(entry)
        folder.path.mkdir(parents=True, exist_ok=True)
        mark_folder(folder.path, MARKER)
        for part in folder.checkpoints.glob("checkpoint-*"):  # cut short by a full disk or a kill
            if not (part / "trainer_state.json").exists():
                shutil.rmtree(part)
    except OSError as cause:
        raise FileError.of(cause, folder.path) from cause
    write_facts(
        folder, config=config.model_dump(mode="json"), inputs=dict(inputs), status="running"
    )


def write_facts(folder: RunFolder, **facts: object) -> None:
    """Add facts to ``run.json``."""
    versions = {package: version(package) for package in PACKAGES}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(folder.facts, folder.read_facts() | {"updated": now, "versions": versions} | facts)


def read_log(folder: RunFolder, metric: str | None) -> list[dict[str, Any]]:
    """Return the log as entries of ``step``, ``loss`` (training) and ``dev`` (selection).

    Args:
        folder: The run folder.
        metric: Name of the figure that selects the model, as the trainer logs it.
    """
    entries: dict[int, dict[str, Any]] = {}
    for line in folder.log.read_bytes().splitlines():
        logged = orjson.loads(line)
        entry = entries.setdefault(logged["step"], {"step": logged["step"]})
        for name, key in (("loss", "loss"), (metric, "dev")):
            if name in logged:
                entry[key] = logged[name]
    return [entries[step] for step in sorted(entries) if len(entries[step]) > 1]


def _refuse_change(folder: RunFolder, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for name, value in now.items():
        if name != "output" and before.get(name, value) != value:
            raise ConfigError(
                f"{folder.path}, {name}",
                f"{value!r}",
                f"{before[name]!r}, as when the run began",
                "Resume with the same settings and data, or use --overwrite to start again",
            )
