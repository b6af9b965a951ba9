"""What a loss reads: the scores of a batch. A loss is one file that registers a ``Term``.

Shapes: ``Q`` queries, ``P`` passages that they are compared with, also those of other processes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

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
    """

    model: Tensor
    relevant: Tensor
    same_language: Tensor
    parallel: Tensor | None = None
    start: Tensor | None = None


@dataclass(frozen=True)
class Term:
    """A loss that may be added to InfoNCE.

    Attributes:
        of: From scores to the loss of each query, ``(Q,)``. It may not depend on the other queries
            of the batch, so that a batch can be processed in parts.
        needs: What it reads in addition: ``parallel`` or ``start``.
    """

    of: Callable[[Scores], Tensor]
    needs: Literal["parallel", "start"] | None = None


LOSSES: Registry[Term] = Registry("loss", "evenrank.training.losses")
