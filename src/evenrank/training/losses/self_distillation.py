"""Self-distillation: a query in another language learns the scores of the query itself."""

from __future__ import annotations

from torch import Tensor

from evenrank.training.losses.base import LOSSES, Scores, Term, divergence


def self_distillation(scores: Scores) -> Tensor:
    """Return ``KL(p || p')`` of each query, at least 0, without gradient to ``p``.

    ``p`` and ``p'`` are the softmax of the scores of the query and of its parallel query over the
    passages of the batch. Unlike in ``consistency``, the query itself is not drawn towards its
    translation: in a monolingual batch, its scores are learned by InfoNCE alone.
    """
    assert scores.parallel is not None
    return divergence(scores.model.detach(), scores.parallel)


LOSSES.register("self-distillation", Term(self_distillation, needs="parallel"))
