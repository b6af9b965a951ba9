"""Counts the tokens that training encodes, for comparisons at equal cost."""

from __future__ import annotations

from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

KEY = "tokens"
"""Name of the count in the trainer's log."""


class CountTokens(TrainerCallback):  # type: ignore[misc]
    """Adds the tokens that were encoded so far, by this process, to each entry of the log.

    Tokens count once, where they are encoded with gradients: neither evaluations nor the first pass
    of a cached loss count. Padding does not count.

    Args:
        model: The model that is trained.
    """

    def __init__(self, model: SentenceTransformer) -> None:
        self._count: int | torch.Tensor = 0
        model[0].register_forward_pre_hook(self._add)

    def _add(self, module: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        if torch.is_grad_enabled() and module.training and isinstance(inputs[0], dict):
            features = inputs[0]
            if "attention_mask" in features:
                self._count = self._count + features["attention_mask"].sum()  # stays on the device
            elif "input_ids" in features:
                self._count = self._count + features["input_ids"].numel()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Go on from the count of a resumed state."""
        self._count = next((e[KEY] for e in reversed(state.log_history) if KEY in e), 0)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: object,
    ) -> None:
        """Add the count to the entry, and to its copy in the state."""
        for entry in (logs, state.log_history[-1] if state.log_history else None):
            if entry is not None:
                entry[KEY] = int(self._count)
