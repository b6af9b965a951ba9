"""Precision on a device; that it counts as threads do is tested in test_rank.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evenrank.benchmarks.benchmark import Relevance
from evenrank.errors import ConfigError
from evenrank.ranking.gpu import _exact_products
from evenrank.ranking.rank import rank

OFFSETS = np.array([0, 400, 900])


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((1000, 48)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    relevant = np.sort(rng.integers(0, 900, (100, 2)), axis=1).ravel()
    return rows[900:], rows[:900], Relevance(np.arange(0, 201, 2), relevant)


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_embeddings_are_rounded_and_scores_are_not(problem, precision):
    """As if the embeddings had been rounded before, and everything else done in float32."""
    queries, passages, relevance = problem
    rounded = [
        torch.from_numpy(rows).to(getattr(torch, precision)).float().numpy()
        for rows in (queries, passages)
    ]
    one = rank(queries, passages, relevance, OFFSETS, device="cpu", precision=precision)
    other = rank(*rounded, relevance, OFFSETS, device="cpu")
    assert np.array_equal(one.above, other.above)
    assert np.array_equal(one.above_in_language, other.above_in_language)
    assert np.array_equal(one.top_passages, other.top_passages)
    assert np.array_equal(one.scores, other.scores)
    full = rank(queries, passages, relevance, OFFSETS)
    assert not np.array_equal(full.scores, one.scores)
    assert np.abs(full.scores - one.scores).max() < 2 * torch.finfo(getattr(torch, precision)).eps


def test_threads_do_not_round(problem):
    with pytest.raises(ConfigError, match="precision bfloat16 without a device"):
        rank(*problem, OFFSETS, precision="bfloat16")


@pytest.mark.parametrize("name", ["gpux", "cuda:99"])
def test_a_device_that_is_not_here_is_refused(problem, name):
    with pytest.raises(ConfigError, match=f"found {name} .*, expected a device that PyTorch has"):
        rank(*problem, OFFSETS, device=name)


def test_what_the_process_allows_for_speed_comes_back():
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_bf16_reduced_precision_reduction
    matmul.allow_bf16_reduced_precision_reduction = True
    try:
        with _exact_products():
            assert not matmul.allow_bf16_reduced_precision_reduction
        assert matmul.allow_bf16_reduced_precision_reduction
    finally:
        matmul.allow_bf16_reduced_precision_reduction = before
