"""Keep: within a language, the model scores as the start model does."""

from __future__ import annotations

import torch
from torch import Tensor

from evenrank.training.losses.base import LOSSES, Scores, Term


def keep(scores: Scores) -> Tensor:
    """Return the divergence of each query from the start model, within the query's language.

    ``KL(p_start || p)``, both the softmax of the scores over the batch's passages in the query's
    language: over all passages of a monolingual batch, over a part of the other batches. It is
    zero for a query with fewer than two such passages. (Distillation of scores, Hinton et al. 2015,
    arXiv 1503.02531, with the start model as the teacher.)
    """
    assert scores.start is not None
    outside = ~scores.same_language
    start = scores.start.masked_fill(outside, _LOW).log_softmax(dim=1)
    model = scores.model.masked_fill(outside, _LOW).log_softmax(dim=1)
    parts = torch.where(scores.same_language, start.exp() * (start - model), 0.0)
    return torch.where(scores.same_language.sum(dim=1) > 1, parts.sum(dim=1), 0.0)


_LOW = -1e9
"""A score without weight. Infinity would give NaN for a query without a passage in its language."""
LOSSES.register("keep", Term(keep, needs="start"))
