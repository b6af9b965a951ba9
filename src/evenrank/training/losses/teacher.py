"""Distillation: the model scores the passages of the batch as a teacher does."""

from __future__ import annotations

import torch
from torch import Tensor

from evenrank.encoding.model import EmbeddingModel
from evenrank.encoding.opening import open_model
from evenrank.errors import ConfigError
from evenrank.training.config import TrainConfig
from evenrank.training.losses.base import LOSSES, Scores, Term, divergence
from evenrank.training.pairs import PairDataset


def teacher(scores: Scores) -> Tensor:
    """Return the divergence of each query from the teacher, over all passages of the batch."""
    assert scores.teacher is not None
    return divergence(scores.teacher, scores.model)


LOSSES.register("teacher", Term(teacher, needs="teacher"))


def open_teacher(config: TrainConfig) -> EmbeddingModel | None:
    """Open the teacher; ``None`` if there is none.

    Raises:
        ConfigError: There is a teacher without the loss, or the reverse, or it encodes no texts.
        EvenrankError: It cannot be read; see :func:`~evenrank.encoding.opening.open_model`.
    """
    needed = [name for name in config.losses if LOSSES.get(name).needs == "teacher"]
    if config.teacher is None:
        if needed:
            expected = "a model whose scores are learned"
            raise ConfigError("teacher", "no value", expected, "Name one, such as BAAI/bge-m3")
        if config.teacher_temperature is not None:
            found, remedy = f"{config.teacher_temperature:g} without a teacher", "Remove it"
            raise ConfigError("teacher_temperature", found, "a teacher", remedy)
        return None
    if not needed:
        expected, remedy = "losses with teacher", "Add losses: {teacher: 1}, or remove teacher"
        raise ConfigError("teacher", repr(config.teacher), expected, remedy)
    model = open_model(config.teacher)
    if model.by_id:
        expected, remedy = "a model that encodes texts", "Name a model"
        raise ConfigError("teacher", repr(config.teacher), expected, remedy)
    return model


class Teacher:
    """Embeds pairs, which it looks up by their numbers: its tokens are not those of the model.

    Args:
        model: The teacher, of any width.
        pairs: The pairs of the training.
        temperature: That of its softmax.
    """

    def __init__(self, model: EmbeddingModel, pairs: PairDataset, temperature: float) -> None:
        self._model, self._pairs, self.temperature = model, pairs, temperature

    def __call__(self, numbers: Tensor) -> list[Tensor]:
        """Return the embeddings of each column, without that of parallel queries."""
        pairs = self._pairs.__getitems__(numbers.tolist())
        kinds = {name: kind for name, kind in self._pairs.kinds.items() if name != "parallel"}
        return [
            torch.from_numpy(self._model.encode([pair[name] for pair in pairs], kind)).to(
                numbers.device
            )
            for name, kind in kinds.items()
        ]
