"""LoRA by PEFT: training small matrices next to frozen weights.

After Hu et al. 2021 (arXiv 2106.09685).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer

from evenrank.encoding.base import ENCODERS, checked_settings
from evenrank.encoding.routes import has_routes
from evenrank.errors import ConfigError, DataError, MissingExtraError
from evenrank.training.config import TrainConfig, split_list

LEARNING_RATE = 2e-4
"""For adapters of trained encoders. They begin at zero, so they need more than full training."""

_NAME = "default"
_PREFIX = "base_model.model."
"""What PEFT writes before each name of a weight."""
_WEIGHTS = "adapter_model.safetensors"


class LoraSettings(BaseModel):
    """The fields of the setting ``lora``.

    Attributes:
        rank: Rank of the matrices.
        alpha: Their product is multiplied by ``alpha / rank``; twice the rank by default.
        dropout: Share of a layer's inputs that the matrices do not see in training.
        targets: Names of linear layers, or ends of names; ``all-linear`` for all of them. By
            default PEFT's choice for the architecture, which is attention projections.
        merge: Add the matrices to the weights of the saved model. It then loads without PEFT.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int = Field(8, ge=1)
    alpha: float | None = Field(None, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: Annotated[list[str] | None, BeforeValidator(split_list)] = Field(None, min_length=1)
    merge: bool = True


def lora_settings(config: TrainConfig) -> LoraSettings | None:
    """Return the settings of LoRA; ``None`` if all weights are trained.

    Raises:
        UnknownNameError, ConfigError: A setting is wrong.
        MissingExtraError: PEFT is not installed.
    """
    if not config.lora:
        return None
    settings = checked_settings(LoraSettings, config.lora, "lora")
    if not settings.merge and config.encoder in ENCODERS:
        expected = "a trained encoder, since the adapter alone is saved"
        remedy = "Leave merge out"
        raise ConfigError("lora, merge", f"false with {config.encoder!r}", expected, remedy)
    if not settings.merge and config.push_to_hub and Path(config.encoder).exists():
        expected = "an encoder of the hub, since the adapter alone is uploaded"
        raise ConfigError("lora, merge", "false with push_to_hub", expected, "Leave merge out")
    try:
        import peft  # noqa: F401
    except ImportError:
        found, remedy = "the package peft is not installed", "Run: pip install 'evenrank[lora]'"
        raise MissingExtraError("lora", found, "", remedy) from None
    return settings


def add_adapter(model: SentenceTransformer, settings: LoraSettings, seed: int) -> None:
    """Freeze all weights of a model and add matrices that are trained; its vectors stay equal.

    Args:
        model: It is changed.
        settings: Where the matrices are, and their size.
        seed: Source of their first values.

    Raises:
        ConfigError: The model has no transformer or has routes, or misses the target layers.
    """
    from peft import LoraConfig

    if has_routes(model):
        found, expected = "an encoder with routes (a Router)", "one transformer for all texts"
        raise ConfigError("lora", found, expected, "Remove lora, which trains all weights")
    backbone = getattr(model, "transformers_model", None)
    if backbone is None:
        found, expected = "an encoder without a transformer", "one with linear layers"
        raise ConfigError("lora", found, expected, "Remove lora, or use a transformer")
    targets = _checked_targets(backbone, settings.targets)
    alpha = 2 * settings.rank if settings.alpha is None else settings.alpha
    matrices = LoraConfig(
        r=settings.rank,
        lora_alpha=alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        inference_mode=False,
    )
    model.requires_grad_(False)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            model.add_adapter(matrices)
        except ValueError as cause:  # PEFT has no choice for this architecture
            names = ", ".join(_linear_layers(backbone))
            remedy = "Set targets, such as to 'all-linear'"
            expected = f"some of {names}"
            raise ConfigError("lora, targets", "no value", expected, remedy) from cause
    matrices.base_model_name_or_path = None  # else PEFT asks the hub at each checkpoint


def name_base(model: SentenceTransformer) -> None:
    """Write the name of the base into a model's adapter, which is to be saved alone."""
    backbone = model.transformers_model
    base = Path(backbone.name_or_path)
    name = str(base.resolve()) if base.exists() else backbone.name_or_path
    backbone.peft_config[_NAME].base_model_name_or_path = name


def merge_adapter(model: SentenceTransformer) -> None:
    """Add the matrices of a model, if it has some, to its weights: it is a plain model again."""
    if not has_adapter(model):
        return
    from peft.tuners.tuners_utils import BaseTunerLayer

    backbone = model.transformers_model
    layers = [
        (name, layer)
        for name, layer in backbone.named_modules()
        if isinstance(layer, BaseTunerLayer)
    ]
    for name, layer in layers:
        layer.merge()
        parent, _, own = name.rpartition(".")
        setattr(backbone.get_submodule(parent), own, layer.get_base_layer())
    del backbone.peft_config
    backbone._hf_peft_config_loaded = False  # transformers has no public way to say so,
    vars(backbone).pop("_weight_conversions", None)  # and would save weights under PEFT's names
    model.requires_grad_(True)


def has_adapter(model: SentenceTransformer) -> bool:
    """Return whether a model has matrices that are not merged."""
    backbone = getattr(model, "transformers_model", None)
    return bool(getattr(backbone, "_hf_peft_config_loaded", False))


class AdapterTrainer(SentenceTransformerTrainer):  # type: ignore[misc]
    """The trainer, for checkpoints of adapters alone.

    Sentence Transformers would load the base of a checkpoint from where it came, and a new encoder
    came from nowhere. The base is in memory and has not changed.
    """

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        from peft import set_peft_model_state_dict
        from safetensors.torch import load_file

        path = Path(checkpoint_path) / _WEIGHTS
        backbone = self.model.transformers_model
        weights = {
            name.removeprefix(_PREFIX): value for name, value in load_file(str(path)).items()
        }
        loaded = set_peft_model_state_dict(backbone, weights, _NAME)
        wrong = [*loaded.unexpected_keys, *(key for key in loaded.missing_keys if ".lora_" in key)]
        if wrong:
            remedy = "Use --overwrite to start again"
            expected = "the weights of the adapter"
            raise DataError(str(path), f"other weights at {wrong[0]!r}", expected, remedy)


def _linear_layers(backbone: torch.nn.Module) -> Mapping[str, list[str]]:
    """Return the full names of linear layers by the last part of their names."""
    names: dict[str, list[str]] = {}
    for name, module in backbone.named_modules():
        if isinstance(module, torch.nn.Linear):
            names.setdefault(name.rpartition(".")[2], []).append(name)
    return dict(sorted(names.items()))


def _checked_targets(backbone: torch.nn.Module, targets: list[str] | None) -> Any:  # noqa: ANN401
    """Return target layers as PEFT expects them.

    Raises:
        ConfigError: The model misses one of them.
    """
    if targets is None:
        return None
    if targets == ["all-linear"]:
        return "all-linear"
    layers = _linear_layers(backbone)
    names = [f".{name}" for group in layers.values() for name in group]
    for target in targets:
        if not any(name.endswith(f".{target}") for name in names):
            expected, remedy = f"some of {', '.join(layers)}", "Correct the names"
            raise ConfigError("lora, targets", repr(target), expected, remedy)
    return targets
