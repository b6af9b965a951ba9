"""Ranks by policies, against really removing passages and merging lists one by one."""

from __future__ import annotations

import numpy as np
import pytest

from evenrank import balance
from evenrank.benchmarks.benchmark import Benchmark
from evenrank.debias.base import fit_correction
from evenrank.debias.rows import blocks_of
from evenrank.evaluation.debias import rank_corrected
from evenrank.evaluation.encode import Embeddings
from evenrank.evaluation.policy_ranks import PolicyRanks, rank_by_policies
from evenrank.evaluation.score import score
from evenrank.ranking.rank import rank
from evenrank.search.base import Hits
from evenrank.search.policies.base import Policy, open_policy

POLICIES = ["raw", "balanced", "round-robin", "guaranteed(places=2)", "own-first(places=2)"]
PLACES = 12


@pytest.fixture(scope="module")
def embeddings(benchmark: Benchmark) -> Embeddings:
    rng = np.random.default_rng(3)
    rows = [
        rng.normal(size=(len(part), 6)).round(1) for part in (benchmark.queries, benchmark.passages)
    ]
    rows[1][5] = rows[1][9]  # a tie
    queries, passages = (
        (part / np.linalg.norm(part, axis=1, keepdims=True)).astype(np.float32) for part in rows
    )
    return Embeddings(queries, passages)


@pytest.fixture(scope="module")
def found(benchmark: Benchmark, embeddings: Embeddings) -> dict[str, PolicyRanks]:
    policies = [open_policy(name) for name in POLICIES]
    ranks = rank_by_policies(embeddings, benchmark, policies, top_k=PLACES)
    return dict(zip(POLICIES, ranks, strict=True))


def merged(
    benchmark: Benchmark, scores: np.ndarray, policy: Policy, language: str, removed: set[int]
) -> list[int]:
    """All passages in the order of a policy: its places, then the others by score."""
    langs = benchmark.passages.langs
    order = [at for at in np.lexsort((np.arange(len(scores)), -scores)) if at not in removed]
    lists = {}
    for number, code in enumerate(benchmark.languages):
        own = [at for at in order if langs[at] == number]
        lists[code] = Hits(tuple(map(str, own)), scores[own])
    placed = [int(one.id) for one in balance(lists, PLACES, policy, query_language=language)]
    return placed + [int(at) for at in order if at not in set(placed)]


@pytest.mark.parametrize("name", POLICIES)
def test_ranks_are_those_of_merging_each_query_by_itself(
    benchmark: Benchmark, embeddings: Embeddings, found: dict[str, PolicyRanks], name: str
) -> None:
    policy, result = open_policy(name), found[name]
    relevance, langs = benchmark.relevance, benchmark.passages.langs
    scores_QD = np.asarray(embeddings.queries) @ np.asarray(embeddings.passages).T
    cells = {}
    single = result.single
    for cell, (query, lang) in enumerate(zip(single.queries, single.langs, strict=True)):
        begin, end = single.pool.indptr[cell : cell + 2]
        cells[int(query), int(lang)] = single.pool.ranks[begin:end].tolist()
    expected_cells = {}
    for query in range(len(benchmark.queries)):
        language = benchmark.languages[benchmark.queries.langs[query]]
        pairs = np.arange(relevance.indptr[query], relevance.indptr[query + 1])
        wanted = relevance.passages[pairs]
        order = merged(benchmark, scores_QD[query], policy, language, set())
        assert result.ranking.top_passages[query].tolist() == order[:PLACES]
        assert result.ranking.above[pairs].tolist() == [order.index(at) for at in wanted]
        own = {lang: [int(at) for at in wanted if langs[at] == lang] for lang in set(langs[wanted])}
        for lang, some in own.items() if len(own) > 1 else ():
            removed = set(wanted.tolist()) - set(some)
            order = merged(benchmark, scores_QD[query], policy, language, removed)
            expected_cells[query, int(lang)] = sorted(order.index(at) + 1 for at in some)
    assert cells == expected_cells
    assert len(cells) > 20


def test_raw_is_the_ranking_without_a_policy(
    benchmark: Benchmark, embeddings: Embeddings, found: dict[str, PolicyRanks]
) -> None:
    plain = rank(
        embeddings.queries,
        embeddings.passages,
        benchmark.relevance,
        benchmark.offsets,
        top_k=PLACES,
    )
    raw = found["raw"]
    assert raw.ranking.above.tolist() == plain.above.tolist()
    assert raw.ranking.above_in_language.tolist() == plain.above_in_language.tolist()
    assert raw.ranking.top_passages.tolist() == plain.top_passages.tolist()
    measures = ["R@3", "RR@10"]
    expected, with_cells = (
        score(benchmark, plain, measures, cells) for cells in (None, raw.single)
    )
    assert with_cells.settings == expected.settings
    assert with_cells.per_query == expected.per_query


def test_a_language_that_is_not_told_is_inferred(
    benchmark: Benchmark, embeddings: Embeddings, found: dict[str, PolicyRanks]
) -> None:
    policy = open_policy("own-first(places=2)")
    (guessed,) = rank_by_policies(embeddings, benchmark, [policy], known_language=False)
    told = found["own-first(places=2)"].ranking.top_passages[:, :2]
    assert (guessed.ranking.top_passages[:, :2] != told).any()


def test_lists_are_those_of_corrected_search(benchmark: Benchmark, embeddings: Embeddings) -> None:
    langs = np.array(benchmark.languages)[benchmark.passages.langs]
    correction = fit_correction("flatten", blocks_of(embeddings.passages, langs))
    ranks = rank_by_policies(
        embeddings, benchmark, [open_policy("raw")], correction=correction, top_k=PLACES
    )
    stored = correction.stored(embeddings.passages, langs)
    form = correction.for_index(embeddings.queries, None)
    scores_QD = form.scores(embeddings.passages, None, stored)
    expected = np.sort(scores_QD, axis=1)[:, ::-1][:, :PLACES]
    np.testing.assert_allclose(ranks[0].ranking.top_scores, expected, atol=1e-5)
    asked = (embeddings.queries, np.array(benchmark.languages)[benchmark.queries.langs])
    pool = (embeddings.passages, benchmark.languages, benchmark.offsets)
    plain = rank_corrected(correction, asked, pool, benchmark.relevance, top_k=PLACES)
    np.testing.assert_allclose(plain.top_scores, expected, atol=1e-5)
