"""Passages without a direction are ranked after all others, in the order of their positions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.benchmarks.benchmark import Relevance
from evenrank.errors import DataError
from evenrank.ranking.last import LAST_SCORE, rank_last
from evenrank.ranking.rank import rank


def rank_them(queries, passages, relevance, offsets, last, top_k):
    return rank_last(
        passages, relevance, offsets, last, top_k,
        lambda *others: rank(queries, *others, top_k=top_k),
    )  # fmt: skip


@given(st.data())
def test_the_ranking_is_that_of_a_sort(data):
    """Small whole numbers as embeddings make many ties, also with the product 0."""
    sizes = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4).filter(sum))
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    total = int(offsets[-1])
    last = data.draw(st.sets(st.integers(0, total - 1), max_size=total - 1))
    last = np.array(sorted(last), dtype=np.int64)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    queries, passages = (rng.integers(-1, 2, (n, 2)) / np.float32(2) for n in (3, total))
    queries, passages = queries.astype(np.float32), passages.astype(np.float32)
    passages[last] = 0
    relevant = [np.sort(rng.permutation(total)[: rng.integers(0, total + 1)]) for _ in range(3)]
    relevance = Relevance(np.cumsum([0, *map(len, relevant)]), np.concatenate(relevant))
    top_k = data.draw(st.integers(1, total + 2))
    found = rank_them(queries, passages, relevance, offsets, last, top_k)
    scores = queries @ passages.T
    scores[:, last] = LAST_SCORE
    orders = [sorted(range(total), key=lambda at, s=row: (-s[at], at)) for row in scores]
    langs = np.searchsorted(offsets, np.arange(total), side="right") - 1
    pair = 0
    for query, passage_numbers in enumerate(relevant):
        order = orders[query]
        assert found.top_passages[query].tolist() == order[:top_k]
        assert found.top_scores[query].tolist() == scores[query][order[:top_k]].tolist()
        for passage in passage_numbers.tolist():
            above = order[: order.index(passage)]
            assert found.above[pair] == len(above)
            assert found.above_in_language[pair] == (langs[above] == langs[passage]).sum()
            assert found.scores[pair] == scores[query, passage]
            pair += 1


def test_no_passage_has_a_direction():
    passages = np.zeros((2, 2), np.float32)
    relevance = Relevance(np.array([0, 1]), np.array([0]))
    with pytest.raises(DataError, match="no embedding with a direction"):
        rank_them(passages[:1], passages, relevance, np.array([0, 2]), np.array([0, 1]), 2)
