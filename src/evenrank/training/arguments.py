"""Our settings in the words of SentenceTransformerTrainer."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from transformers import EarlyStoppingCallback, TrainerCallback

from evenrank.encoding.prompts import prompts_of
from evenrank.errors import ConfigError, UnknownNameError
from evenrank.processes import processes
from evenrank.training.config import TrainConfig
from evenrank.training.dev import Selection
from evenrank.training.folder import RunFolder
from evenrank.training.pairs import sampler_of


def make_loss(model: SentenceTransformer, config: TrainConfig) -> torch.nn.Module:
    """Return InfoNCE with in-batch negatives (paper, equation 1), cached where asked for.

    The library's ``scale`` is the inverse of the temperature.

    Raises:
        ConfigError: The loss is to be cached, and the encoder takes no pieces of a batch.
    """
    options: dict[str, Any] = {
        "scale": 1 / config.temperature,
        "gather_across_devices": config.gather_negatives and processes() > 1,
    }
    if config.mini_batch_size is None:
        plain: torch.nn.Module = MultipleNegativesRankingLoss(model, **options)
        return plain
    if isinstance(model[0], StaticEmbedding):
        raise ConfigError(
            "mini_batch_size",
            str(config.mini_batch_size),
            "none, since a static encoder takes a batch as a whole",
            "Remove it: its batches need little memory",
        )
    cached: torch.nn.Module = CachedMultipleNegativesRankingLoss(
        model, mini_batch_size=config.mini_batch_size, **options
    )
    return cached


def make_arguments(
    config: TrainConfig,
    folder: RunFolder,
    model: SentenceTransformer,
    *,
    steps: int,
    learning_rate: float,
    selection: Selection | None,
) -> SentenceTransformerTrainingArguments:
    """Return the trainer's arguments.

    Batches are planned for all processes together and split among them
    (``accelerator_config.split_batches``), so that each takes its share of every step.

    Raises:
        UnknownNameError: ``config.trainer`` has a field that the arguments do not have.
    """
    known = {field.name for field in fields(SentenceTransformerTrainingArguments)}
    for name in config.trainer:
        if name not in known:
            raise UnknownNameError("trainer argument", name, known, place="trainer")
    query_prompt, passage_prompt = prompts_of(model)
    prompts = {"anchor": query_prompt, "positive": passage_prompt}
    prompts |= {f"negative_{number + 1}": passage_prompt for number in range(config.negatives)}
    eval_every = min(steps, config.eval_every or max(1, steps // 10))
    settings: dict[str, Any] = {
        "output_dir": str(folder.checkpoints),
        "max_steps": steps,
        "per_device_train_batch_size": config.batch_size,
        "per_device_eval_batch_size": config.batch_size,
        "accelerator_config": {"split_batches": True},
        "batch_sampler": sampler_of,
        "prompts": {column: prompt for column, prompt in prompts.items() if prompt},
        "learning_rate": learning_rate,
        "weight_decay": config.weight_decay,
        "warmup_steps": round(config.warmup * steps),
        "bf16": torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        "seed": config.seed,
        "dataloader_pin_memory": torch.cuda.is_available(),
        "logging_steps": max(1, steps // 100),
        "save_steps": eval_every if selection else max(1, min(steps // 4, 1000)),
        "save_total_limit": 2,
        "disable_tqdm": True,
        "report_to": "none",
    }
    if selection is not None:
        settings |= {
            "eval_strategy": "steps",
            "eval_steps": eval_every,
            "load_best_model_at_end": True,
            "metric_for_best_model": selection.metric,
            "greater_is_better": selection.greater_is_better,
        }
    return SentenceTransformerTrainingArguments(**(settings | config.trainer))


def early_stopping(config: TrainConfig, selection: Selection | None) -> list[TrainerCallback]:
    """Return the callback that ends a run which no longer gains, where asked for."""
    if selection is None or config.patience is None:
        return []
    return [EarlyStoppingCallback(early_stopping_patience=config.patience)]
