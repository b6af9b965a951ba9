"""What a loss reads: the scores of a batch. A loss is one file that registers a ``Term``.

Shapes: ``Q`` queries, ``P`` passages that they are compared with, also those of other processes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from evenrank.registry import Registry


@dataclass(frozen=True)
class Scores:
    """Scores of some queries of a batch: cosines divided by the temperature, in float32.

    Attributes:
        model: ``(Q, P)`` scores of the model that is trained.
        relevant: ``(Q, P)`` whether the passage is relevant. Each query has its own passage.
        same_language: ``(Q, P)`` whether the passage is in the query's language.
        parallel: ``(Q, P)`` scores of the same queries in another language, if a loss needs them.
        start: ``(Q, P)`` scores of the start model, without gradient, if a loss needs them.
        teacher: ``(Q, P)`` scores of the teacher, without gradient, if a loss needs them.
        compared: ``(Q, P)`` whether InfoNCE compares the passage: where it is relevant, a hard
            negative of the pair, or an in-batch negative that is used. ``None``: all passages.
    """

    model: Tensor
    relevant: Tensor
    same_language: Tensor
    parallel: Tensor | None = None
    start: Tensor | None = None
    teacher: Tensor | None = None
    compared: Tensor | None = None


@dataclass(frozen=True)
class Term:
    """A loss that may be added to InfoNCE.

    Attributes:
        of: From scores to the loss of each query, ``(Q,)``. It may not depend on the other queries
            of the batch, so that a batch can be processed in parts.
        needs: What it reads in addition: ``parallel``, ``start`` or ``teacher``.
    """

    of: Callable[[Scores], Tensor]
    needs: Literal["parallel", "start", "teacher"] | None = None

    @property
    def summary(self) -> str:
        """First line of the docstring of ``of``."""
        line = (self.of.__doc__ or "").strip().splitlines()[0].removeprefix("Return ")
        return line[:1].upper() + line[1:]


LOSSES: Registry[Term] = Registry("loss", "evenrank.training.losses")


def divergence(target: Tensor, model: Tensor, inside: Tensor | None = None) -> Tensor:
    """Return ``KL(p_target || p_model)`` of each query, ``(Q,)``; ``p`` are softmaxes of scores.

    This is the distillation of scores (Hinton et al. 2015, arXiv 1503.02531).

    Args:
        target: ``(Q, P)`` scores, without gradient.
        model: ``(Q, P)`` scores.
        inside: ``(Q, P)`` which passages count; by default all of them. A query with fewer than two
            of them has zero.
    """
    if inside is None:
        inside = torch.ones_like(target, dtype=torch.bool)
    wanted = target.masked_fill(~inside, _LOW).log_softmax(dim=1)
    found = model.masked_fill(~inside, _LOW).log_softmax(dim=1)
    parts = torch.where(inside, wanted.exp() * (wanted - found), 0.0)
    return torch.where(inside.sum(dim=1) > 1, parts.sum(dim=1), 0.0)


_LOW = -1e9
"""A score without weight. Infinity would give NaN for a query without any passage that counts."""
