"""The one-pass ranking against a brute-force oracle that sorts every score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenrank.benchmarks.benchmark import Relevance
from evenrank.errors import DataError
from evenrank.ranking import cpu, gpu
from evenrank.ranking.rank import rank


@pytest.fixture(params=["usual sizes", "small sizes", "device"])
def options(request, monkeypatch):
    """Threads with the usual sizes, with small ones, of which there are many, and a device."""
    if request.param == "small sizes":
        monkeypatch.setattr(cpu, "PANEL", 64)
        monkeypatch.setattr(cpu, "PANELS", 2)
        monkeypatch.setattr(cpu, "QUERY_BLOCK", 32)
    if request.param == "device":
        monkeypatch.setattr(gpu, "TILE", 64)
        monkeypatch.setattr(gpu, "QUERY_BLOCK", 32)
        monkeypatch.setattr(gpu, "_SETS", 16)
        return {"device": "cpu"}
    return {}


def relevance_of(lists):
    indptr = np.concatenate([[0], np.cumsum([len(some) for some in lists])])
    flat = [passage for some in lists for passage in sorted(some)]
    return Relevance(indptr.astype(np.int64), np.array(flat, dtype=np.int64))


def problem(seed, queries=70, sizes=(90, 0, 41, 60), width=8, most=5):
    """Embeddings of small whole numbers: dot products are exact, and ties are everywhere."""
    rng = np.random.default_rng(seed)
    passages = sum(sizes)
    query_emb = rng.integers(-2, 3, (queries, width)).astype(np.float32)
    passage_emb = rng.integers(-2, 3, (passages, width)).astype(np.float32)
    lists = [rng.choice(passages, rng.integers(0, most + 1), replace=False) for _ in range(queries)]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return query_emb, passage_emb, relevance_of(lists), offsets


def oracle(query_emb, passage_emb, relevance, offsets):
    """Counts from a full sort of every row: score descending, then position."""
    scores = query_emb.astype(np.float64) @ passage_emb.astype(np.float64).T
    orders = np.argsort(-scores, axis=1, kind="stable")
    above = []
    for query, order in enumerate(orders):
        for passage in relevance.passages[relevance.indptr[query] : relevance.indptr[query + 1]]:
            before = order[: np.flatnonzero(order == passage)[0]]
            lang = np.searchsorted(offsets, passage, side="right")
            inside = (before >= offsets[lang - 1]) & (before < offsets[lang])
            above.append((inside.sum(), len(before)))
    return scores, orders, np.array(above).reshape(len(relevance.passages), 2)


def counts_of(ranking):
    return np.stack([ranking.above_in_language, ranking.above], axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_counts_and_top_agree_with_a_full_sort(options, seed):
    query_emb, passage_emb, relevance, offsets = problem(seed, sizes=(90, 3, 41, 60))
    scores, orders, above = oracle(query_emb, passage_emb, relevance, offsets)
    ranking = rank(query_emb, passage_emb, relevance, offsets, top_k=20, **options)
    np.testing.assert_array_equal(counts_of(ranking), above)
    np.testing.assert_array_equal(ranking.top_passages, orders[:, :20])
    np.testing.assert_array_equal(
        ranking.top_scores, np.take_along_axis(scores, orders[:, :20], axis=1)
    )


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    queries=st.integers(1, 9),
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=4),
    top_k=st.integers(0, 40),
)
def test_any_shape_agrees_with_a_full_sort(seed, queries, sizes, top_k):
    query_emb, passage_emb, relevance, offsets = problem(seed, queries, sizes, width=3, most=1)
    _, orders, above = oracle(query_emb, passage_emb, relevance, offsets)
    ranking = rank(query_emb, passage_emb, relevance, offsets, top_k=top_k, threads=3)
    np.testing.assert_array_equal(counts_of(ranking), above)
    np.testing.assert_array_equal(ranking.top_passages, orders[:, :top_k])


@pytest.mark.parametrize("width", [5, 64, 257])
def test_equal_embeddings_tie_wherever_they_are(options, width):
    """One passage copied to many positions: its copies are ranked by position."""
    rng = np.random.default_rng(width)
    query_emb = rng.standard_normal((33, width)).astype(np.float32)
    passage_emb = rng.standard_normal((301, width)).astype(np.float32)
    copies = np.unique(rng.integers(0, 301, 60))
    passage_emb[copies] = passage_emb[copies[0]]
    relevance = relevance_of([copies] * 33)
    ranking = rank(query_emb, passage_emb, relevance, np.array([0, 301]), top_k=0, **options)
    assert np.array_equal(ranking.above, ranking.above_in_language)
    ranks = ranking.above.reshape(33, len(copies))
    assert np.array_equal(np.diff(ranks, axis=1), np.ones((33, len(copies) - 1)))


def test_float16_and_memory_mapped_passages(options, tmp_path):
    query_emb, passage_emb, relevance, offsets = problem(1, sizes=(90, 3, 41, 60))
    store = np.memmap(tmp_path / "store", dtype=np.float16, mode="w+", shape=passage_emb.shape)
    store[:] = passage_emb
    ranking = rank(query_emb, store, relevance, offsets, **options)
    np.testing.assert_array_equal(
        counts_of(ranking), oracle(query_emb, passage_emb, relevance, offsets)[2]
    )


def test_a_prediction_that_rounds_differently_is_corrected(monkeypatch):
    """Predicted scores are off by one bit: the numbers of the panels win."""
    query_emb, passage_emb, relevance, offsets = problem(2, sizes=(90, 3, 41, 60))
    true_prediction = cpu.ThreadBackend._predict

    def rounded_otherwise(backend, block):
        true_prediction(backend, block)
        block.own[::3] = np.nextafter(block.own[::3], np.float32(np.inf))

    monkeypatch.setattr(cpu.ThreadBackend, "_predict", rounded_otherwise)
    _, orders, above = oracle(query_emb, passage_emb, relevance, offsets)
    ranking = rank(query_emb, passage_emb, relevance, offsets, top_k=10)
    np.testing.assert_array_equal(counts_of(ranking), above)
    np.testing.assert_array_equal(ranking.top_passages, orders[:, :10])


def test_products_that_cannot_be_repeated_end_in_an_error(monkeypatch):
    """A prediction that stays wrong looks like a device whose scores change from pass to pass."""
    query_emb, passage_emb, relevance, offsets = problem(2, sizes=(90, 3, 41, 60))
    true_restart = cpu.Block.restart

    def restart_with_others(block, own):
        true_restart(block, np.nextafter(own, np.float32(np.inf)))

    monkeypatch.setattr(cpu.ThreadBackend, "_predict", lambda backend, block: None)
    monkeypatch.setattr(cpu.Block, "restart", restart_with_others)
    with pytest.raises(DataError, match="other scores in each pass"):
        rank(query_emb, passage_emb, relevance, offsets)


@pytest.mark.parametrize("side", ["query", "passage"])
def test_nan_is_refused_and_named(options, side):
    query_emb, passage_emb, relevance, offsets = problem(3, sizes=(90, 3, 41, 60))
    (query_emb if side == "query" else passage_emb)[7, 0] = np.nan
    with pytest.raises(DataError, match=f"embedding of {side} 7: found NaN"):
        rank(query_emb, passage_emb, relevance, offsets, **options)


def test_embeddings_of_another_benchmark_are_refused():
    query_emb, passage_emb, relevance, offsets = problem(4, sizes=(90, 3, 41, 60))
    with pytest.raises(DataError, match="width 7"):
        rank(query_emb[:, :7], passage_emb, relevance, offsets)
    with pytest.raises(DataError, match="offsets 194"):
        rank(query_emb, passage_emb[:-1], relevance, offsets)


def test_progress_counts_the_passages(options, capsys, monkeypatch):
    monkeypatch.delenv("EVENRANK_QUIET", raising=False)
    query_emb, passage_emb, relevance, offsets = problem(6, sizes=(90, 3, 41, 60))
    rank(query_emb, passage_emb, relevance, offsets, description="Ranking numbers", **options)
    assert "Ranking numbers: 194 passages in" in capsys.readouterr().err


def test_no_query_is_no_error(options):
    query_emb, passage_emb, relevance, offsets = problem(5, queries=0, sizes=(90, 3, 41, 60))
    ranking = rank(query_emb, passage_emb, relevance, offsets, **options)
    assert (ranking.above.shape, ranking.top_passages.shape) == ((0,), (0, 100))
