"""Passages without a direction, ranked after all others.

An embedding of zeros has the same product with every query, and a product of 0 would rank it above
passages that a query is far from. Such passages are left out of the pass, and take the last ranks
in the order of their positions, as all ties do.

Shapes: ``D`` passages, ``E`` of them without a direction, ``P`` pairs, ``Q`` queries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Relevance
from evenrank.errors import DataError
from evenrank.ranking.inputs import Embeddings
from evenrank.ranking.ranks import Ranking

LAST_SCORE = np.float32(-2)
"""Score of a passage without a direction: below that of every other."""


def rank_last(
    passages_DH: Embeddings,
    relevance: Relevance,
    offsets: NDArray[np.int64],
    last: NDArray[np.int64],
    top_k: int,
    rank_others: Callable[[Embeddings, Relevance, NDArray[np.int64]], Ranking],
) -> Ranking:
    """Rank some passages after all others.

    Args:
        passages_DH: Embeddings of all passages.
        relevance: Relevant passages of each query.
        offsets: ``(L + 1,)`` where the languages begin.
        last: ``(E,)`` positions of the passages to rank last, ascending.
        top_k: Passages to keep from the top.
        rank_others: Ranks the other passages, from their embeddings, relevance and offsets.

    Raises:
        DataError: No passage is left.
    """
    if not len(last):
        return rank_others(passages_DH, relevance, offsets)
    total = len(passages_DH)
    others = np.setdiff1d(np.arange(total), last, assume_unique=True)
    if not len(others):
        raise DataError(
            "passages", "no embedding with a direction", "at least one", "Check the model"
        )
    wanted, langs = relevance.passages, np.diff(np.searchsorted(others, offsets))
    plain = ~np.isin(wanted, last)
    inner = Relevance(
        np.concatenate([[0], np.cumsum(plain)])[relevance.indptr],
        np.searchsorted(others, wanted[plain]),
    )
    found = rank_others(
        cast(Embeddings, _Selected(passages_DH, others)), inner, np.searchsorted(others, offsets)
    )
    lang_of_P = np.searchsorted(offsets, wanted, side="right") - 1
    earlier_P = np.searchsorted(last, wanted)
    above = len(others) + earlier_P
    in_language = langs[lang_of_P] + earlier_P - np.searchsorted(last, offsets[lang_of_P])
    scores = np.full(len(wanted), LAST_SCORE)
    above[plain], in_language[plain] = found.above, found.above_in_language
    scores[plain] = found.scores
    ends = last[: min(top_k, total) - found.depth]
    shape = (len(relevance.indptr) - 1, len(ends))
    return Ranking(
        above_in_language=in_language,
        above=above,
        scores=scores,
        top_passages=np.hstack([others[found.top_passages], np.broadcast_to(ends, shape)]),
        top_scores=np.hstack([found.top_scores, np.full(shape, LAST_SCORE)]),
    )


class _Selected:
    """Some rows of embeddings, which stay where they are until they are read."""

    def __init__(self, rows_DH: Embeddings, numbers: NDArray[np.int64]) -> None:
        self._rows_DH, self._numbers = rows_DH, numbers
        self.shape = (len(numbers), rows_DH.shape[1])
        self.dtype, self.ndim = rows_DH.dtype, 2

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Embeddings:  # noqa: ANN401 - as numpy
        return cast(Embeddings, self._rows_DH[self._numbers[key]])
