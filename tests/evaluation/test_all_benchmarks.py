"""Every benchmark, with scores full of ties and duplicates: each query as its peers score it."""

import json

import ir_measures
import numpy as np
import pytest
import pytrec_eval

from evenrank.benchmarks.benchmark import load_benchmark
from evenrank.evaluation.evaluate_run import evaluate_run
from evenrank.evaluation.score import score
from evenrank.ranking.rank import rank
from evenrank.results.trec import write_trec

TREC_EVAL = {
    "AP": ("map", "map"),
    "AP@100": ("map_cut.100", "map_cut_100"),
    "RR": ("recip_rank", "recip_rank"),
    "nDCG": ("ndcg", "ndcg"),
    "nDCG@10": ("ndcg_cut.10", "ndcg_cut_10"),
    "R@100": ("recall.100", "recall_100"),
    "P@10": ("P.10", "P_10"),
    "Success@10": ("success.10", "success_10"),
}
NAMES = [*TREC_EVAL, "RR@10"]
PEERS = [ir_measures.parse_measure(name) for name in NAMES]
SAMPLE = 24
"""Queries whose full rankings are compared; a peer needs a dictionary of all passages."""


def corpus_in(folder):
    """A corpus with missing translations and shared passages; name it as users do."""
    folder.mkdir()
    for place, lang in enumerate(("de", "en", "fi", "sw")):
        rows = [
            {
                "id": f"q{n}",
                "passage_id": f"p{n // 2}",
                "query": f"{lang} {n}?",
                "passage": f"{lang} {n // 2}.",
            }
            for n in range(60)
            if (n + place) % 7
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{lang}.jsonl").write_text(text, encoding="utf-8")
    return f"corpus:{folder}"


@pytest.fixture(
    scope="module",
    params=[
        "xquad-r",
        "mlqa-r",
        "world-facts",
        "corpus",
    ],
)
def ranked(request, tmp_path_factory):
    """A benchmark and the exact pass over scores of which most tie with another."""
    name = request.param
    if name.endswith("-r"):
        request.getfixturevalue("real_data")
    if name == "corpus":
        name = corpus_in(tmp_path_factory.mktemp("corpora") / "baths")
    benchmark = load_benchmark(name)
    generator = np.random.default_rng(1)
    queries, passages = (
        generator.integers(-2, 3, size=(len(texts), 6)).astype(np.float32)
        for texts in (benchmark.queries, benchmark.passages)
    )
    copies = generator.integers(len(passages), size=(2, len(passages) // 10))
    passages[copies[0]] = passages[copies[1]]  # duplicates, also across languages
    ranking = rank(queries, passages, benchmark.relevance, benchmark.offsets, top_k=10)
    return benchmark, queries, passages, ranking


def qrels_of(benchmark, queries, pool):
    """Relevant passages within a pool, positions as names; queries without one are left out."""
    indptr, relevant = benchmark.relevance.indptr, benchmark.relevance.passages
    found = {
        str(query): {str(p): 1 for p in relevant[indptr[query] : indptr[query + 1]] if pool[p]}
        for query in queries
    }
    return {query: judged for query, judged in found.items() if judged}


def test_full_rankings_agree_with_pytrec_eval_and_ir_measures_in_every_pool(ranked):
    benchmark, queries, passages, ranking = ranked
    frame = score(benchmark, ranking, NAMES).per_query.to_pandas()
    sampled = np.unique(np.linspace(0, len(queries) - 1, SAMPLE).astype(int)).tolist()
    scores = queries[sampled] @ passages.T
    assert all(len(np.unique(row)) < len(row) / 2 for row in scores)  # else it shows nothing
    ids = benchmark.queries.ids.to_pylist()
    compared = 0
    for lang, code in [(None, "multi"), *enumerate(benchmark.languages)]:
        langs = benchmark.passages.langs
        pool = np.ones(len(langs), bool) if lang is None else langs == lang
        ours = frame[frame["pool"] == code].set_index("query_id")
        run = {}
        for query, row in zip(sampled, scores, strict=True):
            order = np.lexsort((np.arange(len(row)), -row))  # score, then position
            held = order[pool[order]].tolist()
            run[str(query)] = {str(at): float(-place) for place, at in enumerate(held)}
        qrels = qrels_of(benchmark, sampled, pool)
        requests = {request for request, _ in TREC_EVAL.values()}
        theirs = pytrec_eval.RelevanceEvaluator(qrels, requests).evaluate(run)
        assert set(theirs) == set(qrels)
        for query, values in theirs.items():
            for name, (_, key) in TREC_EVAL.items():
                found = ours.loc[ids[int(query)], name]
                assert found == pytest.approx(values[key], abs=1e-9), (code, query, name)
                compared += 1
        for one in ir_measures.iter_calc(PEERS, qrels, run):
            found = ours.loc[ids[int(one.query_id)], str(one.measure)]
            assert found == pytest.approx(one.value, abs=1e-9), (code, one)
        unjudged = [ids[query] for query in sampled if str(query) not in qrels]
        assert ours.loc[unjudged, NAMES].isna().all(axis=None)
    assert compared > 5 * SAMPLE * len(TREC_EVAL) / 2


AT_TEN = {
    "AP@10": ("map_cut.10", "map_cut_10"),
    "RR@10": ("recip_rank", "recip_rank"),  # of a run that ends after ten passages
    "nDCG@10": ("ndcg_cut.10", "ndcg_cut_10"),
    "R@10": ("recall.10", "recall_10"),
    "P@5": ("P.5", "P_5"),
    "Success@3": ("success.3", "success_3"),
}


def test_runs_of_ours_have_the_numbers_of_the_full_ranking_in_trec_eval(ranked, tmp_path):
    benchmark, _, _, ranking = ranked
    assert ranking.depth == 10
    assert (np.diff(ranking.top_scores) == 0).mean() > 0.3  # else the test shows nothing
    write_trec(tmp_path, benchmark, ranking, "ours")
    frame = score(benchmark, ranking, list(AT_TEN)).per_query.to_pandas()
    read = evaluate_run(tmp_path / "run.trec", benchmark, measures=list(AT_TEN)).per_query
    with (tmp_path / "run.trec").open() as run, (tmp_path / "qrels.trec").open() as qrels:
        found, judged = pytrec_eval.parse_run(run), pytrec_eval.parse_qrel(qrels)
    requests = {request for request, _ in AT_TEN.values()}
    theirs = pytrec_eval.RelevanceEvaluator(judged, requests).evaluate(found)
    for one in (frame, read):
        ours = one[(one["pool"] == "multi") & (one["relevant"] > 0)].set_index("query_id")
        assert set(theirs) == set(ours.index)
        for name, (_, key) in AT_TEN.items():
            expected = [theirs[query][key] for query in ours.index]
            assert ours[name].to_numpy() == pytest.approx(expected, abs=1e-9), name
