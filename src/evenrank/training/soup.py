"""A soup: the weighted mean of the weights of two models from the same start.

After Wortsman et al. 2022 (arXiv 2203.05482) and LM-Cocktail (arXiv 2311.13534). One of the two
may be the start itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from evenrank.encoding.fingerprint import model_fingerprint
from evenrank.encoding.loading import load_encoder
from evenrank.encoding.prompts import set_lengths
from evenrank.errors import ConfigError, DataError
from evenrank.evaluation.evaluator import BenchmarkEvaluator, parse_figure
from evenrank.files import (
    lock_folder,
    refuse_existing,
    refuse_overlap,
    require_writable,
    whole_folder,
    write_json,
)
from evenrank.training.folder import MARKER, RunFolder, write_facts
from evenrank.training.lora import merge_adapter


@dataclass(frozen=True)
class Soup:
    """A finished soup.

    Attributes:
        folder: The run folder.
        model: The model's folder, inside of the run folder.
        weight: The weight of the first model.
        tried: The figure on dev of each weight; empty if one weight was given.
    """

    folder: Path
    model: Path
    weight: float
    tried: dict[float, float]


def soup(
    first: str | Path,
    second: str | Path,
    weight: float | Sequence[float] = 0.5,
    *,
    output: str | Path,
    select_by: str = "multi AP",
    dev_benchmark: str | None = None,
    overwrite: bool = False,
) -> Soup:
    """Write the model whose weights are ``weight * first + (1 - weight) * second``.

    Args:
        first: A run folder, the model of one, or the start of the second model.
        second: The same, with the start of the first model.
        weight: In 0..1. Of several, the best on dev is kept.
        output: The run folder to create.
        select_by: Figure on dev that selects one of several weights.
        dev_benchmark: Benchmark for ``select_by``, such as ``corpus:PATH``.
        overwrite: Replace an earlier run.

    Raises:
        ConfigError: A weight is outside 0..1, several weights have no dev benchmark, the models
            have different starts or architectures, or the output exists.
        DataError: A model or the dev benchmark cannot be read.
    """
    weights = [float(one) for one in (weight if isinstance(weight, Sequence) else (weight,))]
    _check_weights(weights, dev_benchmark)
    figure = parse_figure(select_by, "select_by")
    folder = RunFolder(output)
    dev_path = (dev_benchmark or "").removeprefix("corpus:")
    refuse_overlap(folder.path, first, second, dev_path)
    with lock_folder(folder.path):
        refuse_existing(folder.path, overwrite=overwrite, marker=MARKER)
        require_writable(folder.path)
        model, states, record = _read_both(str(first), str(second))
        tried = {}
        if dev_benchmark is not None and len(weights) > 1:
            tried = _try(model, states, weights, select_by, dev_benchmark)
        best = weights[0]
        if tried:
            best = (max if figure.greater_is_better else min)(tried, key=lambda one: tried[one])
        _mix(model, *states, best)
        facts = {
            "strategy": f"soup({best:g})",
            "of": [str(first), str(second)],
            "weight": best,
            "select_by": select_by if tried else None,
            "tried": [{"weight": one, "dev": value} for one, value in tried.items()],
        }
        with whole_folder(folder.path, marker=MARKER, overwrite=overwrite) as part:
            model.save_pretrained(str(part / "model"))
            write_json(part / "model" / "evenrank.json", record | facts)
            inputs = {"encoder": record["start"]}
            write_facts(RunFolder(part), **facts, inputs=inputs, status="finished")
    return Soup(folder.path, folder.model, best, tried)


def _try(
    model: SentenceTransformer,
    states: tuple[dict[str, Tensor], dict[str, Tensor]],
    weights: Sequence[float],
    select_by: str,
    dev_benchmark: str,
) -> dict[float, float]:
    """Return the figure on dev of each weight."""
    measure = parse_figure(select_by).measure
    evaluator = BenchmarkEvaluator(dev_benchmark, measures=[measure], primary=select_by, name="dev")
    tried = {}
    for weight in weights:
        _mix(model, *states, weight)
        tried[weight] = evaluator(model)[evaluator.primary_metric]
    return tried


def _check_weights(weights: Sequence[float], dev_benchmark: str | None) -> None:
    for one in weights:
        if not 0 <= one <= 1:
            raise ConfigError("weight", f"{one}", "a number in 0..1", "Use a value such as 0.5")
    if not weights:
        raise ConfigError("weight", "no number", "at least one", "Use a value such as 0.5")
    if len(weights) > 1 and dev_benchmark is None:
        found, remedy = f"{len(weights)} weights", "Name a dev benchmark, or use one weight"
        raise ConfigError("dev_benchmark", "no value", f"one that selects of {found}", remedy)


def _read_both(
    first: str, second: str
) -> tuple[SentenceTransformer, tuple[dict[str, Tensor], dict[str, Tensor]], dict[str, Any]]:
    """Return a model to fill, the weights of both, and what is known of their training.

    Raises:
        ConfigError: They do not have the same start and architecture.
        DataError: One cannot be read.
    """
    records = [_record(first), _record(second)]
    known = [record for record in records if record is not None]
    if not known:
        raise ConfigError(
            first,
            "a model without a record of its start, and so is the other one",
            "at least one model that evenrank has trained",
            "Name run folders of evenrank, or a run folder and its start",
        )
    settings = known[0].get("config", {})
    prompts = {
        name: settings.get(name) for name in ("query_prompt", "passage_prompt", "max_length")
    }
    models = []
    for name, record in zip((first, second), records, strict=True):
        model = load_encoder(_model_of(name), **({} if record else prompts))
        if record is None:
            lengths = (settings.get(f"{kind}_max_length") for kind in ("query", "passage"))
            set_lengths(model, *lengths)
        merge_adapter(model)
        start = record["start"] if record else model_fingerprint(model)
        if start != known[0]["start"]:
            raise ConfigError(
                name,
                f"a model with the start {start}" if record else f"the start {start}",
                f"the start {known[0]['start']} of {first if records[0] else second}",
                "Average two runs from one start, or a run and its start",
            )
        models.append(model)
    one, other = (
        {name: value.cpu() for name, value in model.state_dict().items()} for model in models
    )
    shapes = [{name: value.shape for name, value in state.items()} for state in (one, other)]
    if shapes[0] != shapes[1]:
        name = next(iter(set(shapes[0].items()) ^ set(shapes[1].items())))[0]
        remedy = "Average models of one architecture"
        raise ConfigError(second, f"other weights at {name!r}", f"those of {first}", remedy)
    languages = sorted({lang for record in known for lang in record.get("languages", [])})
    config = known[0].get("config", {}) | {"strategy": "soup"}
    record = {"start": known[0]["start"], "languages": languages, "config": config, "log": []}
    return models[0], (one, other), record


def _mix(
    model: SentenceTransformer, first: dict[str, Tensor], second: dict[str, Tensor], weight: float
) -> None:
    """Set the weights of a model to the mean of two, computed in float32."""
    mixed = {}
    for name, value in first.items():
        if value.is_floating_point():
            mean = weight * value.float() + (1 - weight) * second[name].float()
            mixed[name] = mean.to(value.dtype)
        else:
            mixed[name] = value
    with torch.no_grad():
        model.load_state_dict(mixed)


def _model_of(name: str) -> str:
    """Return the model of a run folder; another name as it is."""
    model = Path(name) / "model"
    return str(model) if (Path(name) / "run.json").exists() and model.is_dir() else name


def _record(name: str) -> dict[str, Any] | None:
    """Return what training saved with a model, with its ``start``; ``None`` if there is nothing.

    Raises:
        DataError: It is damaged.
    """
    path = Path(_model_of(name)) / "evenrank.json"
    if not path.exists():
        return None
    try:
        record: Any = orjson.loads(path.read_bytes())
    except ValueError:
        record = None
    if not isinstance(record, dict) or not isinstance(record.get("config"), dict):
        raise DataError(str(path), "a damaged file", "what 'evenrank train' writes", "Restore it")
    if "start" not in record:
        facts = RunFolder(path.parent.parent).read_facts()  # runs of earlier versions
        record["start"] = (facts.get("inputs") or {}).get("encoder", "that is not recorded")
    return record
