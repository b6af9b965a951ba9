"""Consistency: a query and its translation score the passages of the batch in the same way."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from evenrank.training.losses.base import LOSSES, Scores, Term


def consistency(scores: Scores) -> Tensor:
    """Return the Jensen-Shannon divergence of each query and its parallel query, in 0..log 2.

    ``(KL(p || m) + KL(p' || m)) / 2``, with ``p`` and ``p'`` the softmax of the scores of the
    query and of the same query in another language, and ``m`` their mean (after arXiv 2604.05684).
    """
    assert scores.parallel is not None
    first, second = scores.model.log_softmax(dim=1), scores.parallel.log_softmax(dim=1)
    middle = torch.logaddexp(first, second) - math.log(2)
    parts = first.exp() * (first - middle) + second.exp() * (second - middle)
    return parts.sum(dim=1) / 2


LOSSES.register("consistency", Term(consistency, needs="parallel"))
