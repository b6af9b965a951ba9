"""The settings of a training run: the YAML file, the flags and what the run folder keeps."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evenrank.errors import ConfigError


class TrainConfig(BaseModel):
    """All settings of a training run; defaults are the paper's where it states them.

    The paper (arXiv 2408.10536) states AdamW, weight decay, learning rate, batch size, the
    prompts, and early stopping on validation loss. It does not state temperature, number of
    steps, maximum length, warm-up or seed: those defaults are ours.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    output: Path = Field(description="Run folder to make.")
    encoder: str = Field(
        description="A Sentence Transformers folder, a Hugging Face id, or 'static' or 'scratch' "
        "to make a small encoder from the training text."
    )
    encoder_settings: dict[str, Any] = Field(
        default_factory=dict, description="Sizes of 'static' and 'scratch', such as width: 256."
    )
    corpora: list[str] = Field(
        min_length=1,
        description="Parallel corpora to train on: folders, files, hf:ID, world-facts.",
    )
    where: str | None = Field(None, description="Keep rows that match, e.g. 'in_xquad = false'.")
    languages: list[str] | None = Field(
        None, description="Keep these languages only, such as de,en."
    )
    dev: str | None = Field(None, description="Corpus whose loss or measure selects the model.")
    dev_fraction: float = Field(
        0.05, ge=0, lt=1, description="Share of passages held out as dev where dev is not given."
    )
    select_by: str = Field(
        "loss",
        description="What selects the model on dev: 'loss', or a setting and a measure such as "
        "'multi AP', 'mono R@1' or 'bias rank_distance'.",
    )
    dev_benchmark: str | None = Field(
        None, description="Benchmark of select_by; by default the dev corpus is the benchmark."
    )
    patience: int | None = Field(
        5, ge=1, description="Stop after so many evaluations without gain; null never stops early."
    )
    strategy: str = Field("hybrid", description="x-x, x-x-mono, x-y or hybrid.")
    alpha: float | tuple[float, float] = Field(
        0.5, description="Share of monolingual batches; two numbers: from first to last step."
    )
    corpus_exponent: float = Field(
        1.0, description="Corpora are drawn by size to this power: 1 by size, 0 uniformly."
    )
    language_exponent: float = Field(
        0.0, description="Languages are drawn by size to this power: 1 by size, 0 uniformly."
    )
    batch_size: int = Field(100, ge=2, description="Pairs in a batch, over all devices.")
    mini_batch_size: int | None = Field(
        None, ge=1, description="Encode batches in pieces of this size (GradCache): less memory."
    )
    negatives: int = Field(0, ge=0, description="Hard negatives per pair, from the corpus.")
    gather_negatives: bool = Field(True, description="In-batch negatives from all devices.")
    temperature: float = Field(0.05, gt=0, description="Temperature of InfoNCE.")
    steps: int | None = Field(None, ge=1, description="Training steps; by default from epochs.")
    epochs: float = Field(1.0, gt=0, description="Passes over the rows where steps is not given.")
    eval_every: int | None = Field(
        None, ge=1, description="Steps between evaluations on dev; by default a tenth of the run."
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        description="Peak learning rate; by default the encoder's own (3e-5 if trained).",
    )
    weight_decay: float = Field(1e-2, ge=0, description="Weight decay of AdamW.")
    warmup: float = Field(0.1, ge=0, lt=1, description="Share of steps that warm up.")
    max_length: int | None = Field(None, ge=2, description="Longest text, in tokens.")
    query_prompt: str | None = Field(None, description="Prefix of queries; default by encoder.")
    passage_prompt: str | None = Field(None, description="Prefix of passages; default by encoder.")
    seed: int = Field(0, ge=0, description="Source of all randomness.")
    trainer: dict[str, Any] = Field(
        default_factory=dict,
        description="Further fields of SentenceTransformerTrainingArguments, as they are.",
    )


def read_config(path: Path | None, **overrides: Any) -> TrainConfig:  # noqa: ANN401 - any field
    """Read a YAML configuration; overrides that are not ``None`` take the place of its fields.

    Args:
        path: The file; ``None`` to build from the overrides alone.
        **overrides: Fields of :class:`TrainConfig`.

    Raises:
        ConfigError: The file is missing or not YAML, a key is unknown (the nearest is offered), or
            a value is not what its field takes.
    """
    values: dict[str, Any] = {}
    place = "settings"
    if path is not None:
        place = str(path)
        values = _read_yaml(path)
    values |= {key: value for key, value in overrides.items() if value is not None}
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as cause:
        raise _as_config_error(cause, place) from cause


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as cause:
        raise ConfigError(str(path), "no file", "a YAML file", "Correct the path") from cause
    except OSError as cause:
        reason = cause.strerror or type(cause).__name__
        raise ConfigError(str(path), reason.lower(), "a YAML file", "Correct the path") from cause
    except (yaml.YAMLError, UnicodeDecodeError) as cause:
        raise ConfigError(str(path), f"{cause}", "YAML in UTF-8", "Correct the file") from cause
    if not isinstance(values, dict):
        raise ConfigError(
            str(path), f"{type(values).__name__}", "a mapping of settings", "Write 'name: value'"
        )
    return values


def _as_config_error(cause: ValidationError, place: str) -> ConfigError:
    """Turn the first complaint of pydantic into one line with a remedy."""
    first = cause.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or "settings"
    known = list(TrainConfig.model_fields)
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        remedy = f"The nearest is {near[0]!r}" if near else "Remove it"
        expected = f"one of {', '.join(known)}"
        return ConfigError(place, f"unknown setting {name!r}", expected, remedy)
    if first["type"] == "missing":
        return ConfigError(
            place, f"no {name!r}", TrainConfig.model_fields[name].description or "", "Add it"
        )
    return ConfigError(
        f"{place}, {name}", f"{first['input']!r}", first["msg"].lower(), "Correct the value"
    )
