"""Keep: within a language, the model scores as the start model does."""

from __future__ import annotations

from torch import Tensor

from evenrank.training.losses.base import LOSSES, Scores, Term, divergence


def keep(scores: Scores) -> Tensor:
    """Return the divergence of each query from the start model, within the query's language.

    It counts the batch's passages in the query's language: all passages of a monolingual batch, a
    part of the other batches. It is zero for a query with fewer than two such passages.
    """
    assert scores.start is not None
    return divergence(scores.start, scores.model, scores.same_language)


LOSSES.register("keep", Term(keep, needs="start"))
