"""Runs of other systems: agreement with trec_eval, and what happens where a run ends."""

import json
from dataclasses import replace

import ir_measures
import numpy as np
import pyarrow as pa
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from evenrank.benchmarks.benchmark import Card, Passage, Query, build_benchmark
from evenrank.comparison.compare import compare
from evenrank.errors import ConfigError
from evenrank.evaluation.evaluate_run import evaluate_run, ranking_of
from evenrank.evaluation.score import score
from evenrank.report.build import build_report, write_report
from evenrank.results.folder import read_evaluation
from evenrank.results.run_files import read_benchmark, read_run
from evenrank.results.tables import headline_tables, language_table
from evenrank.results.trec import write_run

NAMES = ["AP", "nDCG", "nDCG@10", "RR", "RR@10", "R@100", "P@10", "Success@10"]
TREC_EVAL = {
    "AP": "map",
    "nDCG": "ndcg",
    "RR": "recip_rank",
    "nDCG@10": "ndcg_cut_10",
    "R@100": "recall_100",
    "P@10": "P_10",
    "Success@10": "success_10",
}
LANGS = ("de", "en", "th")


def benchmark_of(seed, queries=8, passages=60):
    """Random relevance: some queries have no relevant passage, some many."""
    generator = np.random.default_rng(seed)
    asked = [Query(f"q{n}", str(n // 2), LANGS[n % 3], "") for n in range(queries)]
    written = [Passage(f"p{n}", LANGS[n % 3], "") for n in range(passages)]
    relevant = generator.random((queries, passages)) < generator.choice(
        [0, 0.05, 0.2], (queries, 1)
    )
    relevant[0, 0] = True
    pairs = [
        (f"q{query}", f"p{passage}") for query, passage in zip(*relevant.nonzero(), strict=True)
    ]
    return build_benchmark("random", Card("", "", "", ""), asked, written, pairs)


def run_of(seed, benchmark, depth=40):
    """Random scores of which many tie, some only as 32-bit floats; a query may be missing."""
    generator = np.random.default_rng(seed)
    run = {}
    for query in benchmark.queries.ids.to_pylist():
        found = generator.permutation(benchmark.passages.ids.to_pylist())
        found = found[: generator.integers(0, depth + 1)].tolist()
        scores = generator.integers(-3, 4, size=len(found)) / 3 + generator.integers(2) * 1e-12
        if found:
            run[query] = dict(zip(found, scores.tolist(), strict=True))
    return run or {"q0": {"p0": 1.0}}


def write(path, run):
    lines = [
        f"{query} Q0 {passage} {rank} {score!r} tag\n"
        for query, found in run.items()
        for rank, (passage, score) in enumerate(found.items())
    ]
    path.write_text("".join(lines))
    return path


def qrels_of(benchmark, lang=None):
    passages = benchmark.passages.ids.to_pylist()
    indptr, pairs = benchmark.relevance.indptr, benchmark.relevance.passages
    kept = benchmark.passages.langs == lang if lang is not None else np.full(len(passages), True)
    found = {
        query: {passages[p]: 1 for p in pairs[indptr[at] : indptr[at + 1]] if kept[p]}
        for at, query in enumerate(benchmark.queries.ids.to_pylist())
    }
    return {query: judged for query, judged in found.items() if judged}


def only(run, benchmark, lang):
    ids = benchmark.passages.ids.to_pylist()
    langs = dict(zip(ids, benchmark.passages.langs.tolist(), strict=True))
    return {
        query: {passage: score for passage, score in found.items() if langs[passage] == lang}
        for query, found in run.items()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_agrees_with_trec_eval_in_every_pool(folder, seed):
    benchmark = benchmark_of(seed)
    run = run_of(seed + 1, benchmark)
    evaluation = evaluate_run(write(folder / "run", run), benchmark, measures=NAMES)
    frame = evaluation.per_query
    for lang, code in [(None, "multi"), *enumerate(benchmark.languages)]:
        rows = frame[frame["pool"] == code]
        ours = rows[rows["relevant"] > 0].set_index("query_id")
        qrels = qrels_of(benchmark, lang)
        assert set(qrels) == set(ours.index)
        assert rows[rows["relevant"] == 0][NAMES].isna().all(axis=None)
        seen = run if lang is None else only(run, benchmark, lang)
        evaluator = pytrec_eval.RelevanceEvaluator(
            qrels,
            {"map", "ndcg", "ndcg_cut.10", "recip_rank", "recall.100", "P.10", "success.10"},
        )
        theirs = evaluator.evaluate(seen)
        missing = set(ours.index) - set(theirs)
        assert all(not seen.get(query) for query in missing)
        assert (ours.loc[sorted(missing), NAMES] == 0).all(axis=None)  # a missing query scores 0
        for query, values in theirs.items():
            for name, key in TREC_EVAL.items():
                assert ours.loc[query, name] == pytest.approx(values[key], abs=1e-9), name
            near = values["recip_rank"] * 10 >= 1 - 1e-9
            assert ours.loc[query, "RR@10"] == pytest.approx(values["recip_rank"] * near, abs=1e-9)


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), level=st.integers(1, 3))
def test_graded_judgments_agree_with_trec_eval_in_every_pool(folder, seed, level):
    """Random grades, most of them 0 or below, and runs full of ties that end early."""
    generator = np.random.default_rng(seed)
    queries, passages = [f"q{n}" for n in range(6)], [f"p{n}" for n in range(40)]
    lang_of = {id_: LANGS[n % 3] for ids in (queries, passages) for n, id_ in enumerate(ids)}
    judged = {
        query: dict(
            zip(
                generator.permutation(passages)[:25].tolist(),
                generator.choice([-1, 0, 0, 1, 2, 3, 4], size=25).tolist(),
                strict=True,
            )
        )
        for query in queries
    }
    judged["q0"]["p0"] = 4
    (folder / "graded.qrels").write_text(
        "".join(f"{q} 0 {p} {g}\n" for q, found in judged.items() for p, g in found.items())
    )
    (folder / "langs.tsv").write_text(
        "".join(f"query\t{q}\t{lang_of[q]}\n" for q in queries)
        + "".join(f"passage\t{p}\t{lang_of[p]}\n" for p in passages)
    )
    data = read_benchmark(folder / "graded.qrels", folder / "langs.tsv", relevance_level=level)
    run = run_of(seed, data, depth=30)
    evaluation = evaluate_run(write(folder / "run", run), data, measures=NAMES)
    for lang in (None, *data.languages):
        rows = evaluation.per_query
        rows = rows[rows["pool"] == (lang or "multi")]
        ours = rows[rows["relevant"] > 0].set_index("query_id")
        here = {p for p in passages if lang in (None, lang_of[p])}
        # trec_eval's level leaves nDCG alone, so what is below is judged 0 here
        qrels = {
            query: {p: g if g >= level else 0 for p, g in found.items() if p in here}
            for query, found in judged.items()
        }
        seen = {q: {p: s for p, s in found.items() if p in here} for q, found in run.items()}
        requests = {"map", "ndcg", "ndcg_cut.10", "recip_rank", "recall.100", "P.10", "success.10"}
        evaluator = pytrec_eval.RelevanceEvaluator(qrels, requests, relevance_level=level)
        theirs = evaluator.evaluate(seen)
        assert set(ours.index) == {q for q, found in qrels.items() if max(found.values()) >= level}
        for query in ours.index:
            for name, key in TREC_EVAL.items():
                expected = theirs[query][key] if query in theirs else 0
                assert ours.loc[query, name] == pytest.approx(expected, abs=1e-9), name
    grades = [g for found in judged.values() for g in found.values() if g >= level]
    counts = {str(grade): grades.count(grade) for grade in sorted(set(grades))}
    assert evaluation.result.config["run"]["grades"] == counts


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_agrees_with_ir_measures_where_nothing_ties(folder, seed):
    """Its RR@10 comes from the MS MARCO script, which orders equal scores in another way."""
    benchmark = benchmark_of(seed)
    generator = np.random.default_rng(seed)
    run = {
        query: dict(zip(found, generator.permutation(len(found)).tolist(), strict=True))
        for query, found in run_of(seed + 1, benchmark).items()
    }
    frame = evaluate_run(write(folder / "run", run), benchmark, measures=NAMES).per_query
    multi = frame[(frame["pool"] == "multi") & (frame["relevant"] > 0)].set_index("query_id")
    measures = [ir_measures.parse_measure(name) for name in NAMES]
    found = {
        (one.query_id, str(one.measure)): one.value
        for one in ir_measures.iter_calc(measures, qrels_of(benchmark), run)
    }
    assert len(found) == len(multi) * len(NAMES)
    for (query, name), value in found.items():
        assert multi.loc[query, name] == pytest.approx(value, abs=1e-9), name


def test_our_run_read_back_gives_our_numbers(benchmark, ranking, tmp_path):
    names = [*NAMES, "rank_distance", "LPR", "W", "MRC@10", "AP_spread", "share@10"]
    write_run(tmp_path / "run.trec", benchmark, ranking, "ours")
    ours, read = (
        score(benchmark, ranking, names),
        evaluate_run(tmp_path / "run.trec", benchmark, measures=names),
    )
    assert read.result.settings == ours.settings
    assert read.result.bias == ours.bias
    assert read.result.pairs == ours.pairs
    assert read.result.share == ours.share
    assert read.table("per_query").equals(ours.per_query)
    assert read.result.config["run"]["relevant_not_in_run"] == 0
    again = ranking_of(read_run(tmp_path / "run.trec", benchmark), benchmark)
    assert np.array_equal(again.above, ranking.above)
    assert np.array_equal(again.above_in_language, ranking.above_in_language)


def test_a_run_that_ends_says_so(benchmark, ranking, tmp_path):
    kept = replace(
        ranking,
        top_passages=ranking.top_passages[:, :6].copy(),
        top_scores=ranking.top_scores[:, :6].copy(),
    )
    kept.top_passages[[3, 9]] = -1  # question 9 has no answer, and is not missed
    write_run(tmp_path / "run.trec", benchmark, kept, "short")
    evaluation = evaluate_run(tmp_path / "run.trec", benchmark, measures=["AP", "rank_distance"])
    full = 1 + ranking.above
    owners = np.repeat(np.arange(len(benchmark.queries)), np.diff(benchmark.relevance.indptr))
    missing = (full > 6) | (owners == 3)
    about = evaluation.result.config["run"]
    assert about == {
        "file": "run.trec",
        "tag": "short",
        "depth": 6,
        "judged_queries": 36,
        "queries_not_in_run": 1,
        "relevant": len(full),
        "relevant_not_in_run": int(missing.sum()),
        "grades": {"1": len(full)},
    }
    ranks = evaluation.table("ranks").to_pandas()
    assert np.array_equal(ranks["rank"].isna(), missing)
    assert np.array_equal(ranks["rank_in_language"].isna(), missing)
    assert ranks["rank"].dropna().tolist() == full[~missing].tolist()
    read = ranking_of(read_run(tmp_path / "run.trec", benchmark), benchmark)
    lengths = (kept.top_passages >= 0).sum(axis=1)  # the whole run is above what it misses
    assert read.above[missing].tolist() == lengths[owners[missing]].tolist()
    rows = evaluation.per_query.query("pool == 'multi'").reset_index()
    for query in range(len(benchmark.queries)):
        own = np.where(missing, 7, full)[owners == query]
        found = rows.loc[query, "rank_distance"]
        if len(own) == 0 or own.min() == 7:
            assert np.isnan(found)
        elif query // 10 != 3 and query % 10 != 4:  # question 4 has two Spanish answers
            assert found == own.max() - own.min()


def test_the_example_shows_no_rank_that_is_not_known(benchmark, ranking, tmp_path):
    kept = replace(
        ranking, top_passages=ranking.top_passages[:, :5], top_scores=ranking.top_scores[:, :5]
    )
    write_run(tmp_path / "run.trec", benchmark, kept, "short")
    examples = evaluate_run(tmp_path / "run.trec", benchmark).result.examples
    assert examples
    assert max(rank for one in examples for rank in one.relevant_ranks.values()) <= 5


def test_the_result_is_one_that_reports_read(tmp_path):
    benchmark = benchmark_of(5)
    qrels = tmp_path / "mine.qrels"
    qrels.write_text(
        "".join(f"{q} 0 {p} 1\n" for q, found in qrels_of(benchmark).items() for p in found)
    )
    ids, langs = benchmark.passages.ids.to_pylist(), benchmark.passages.langs
    asked = zip(benchmark.queries.ids.to_pylist(), benchmark.queries.langs, strict=True)
    (tmp_path / "languages.tsv").write_text(
        "".join(f"passage\t{i}\t{LANGS[n]}\n" for i, n in zip(ids, langs, strict=True))
        + "".join(f"query\t{i}\t{LANGS[n]}\n" for i, n in asked)
    )
    run = {"q0": {"p0": 1.0, "p1": 0.5}}  # nobody asks in th
    evaluate_run(
        write(tmp_path / "bm25.run", run),
        qrels=str(qrels),
        languages_file=tmp_path / "languages.tsv",
        output=tmp_path / "out",
        label="BM25",
    )
    result = read_evaluation(tmp_path / "out").result
    assert (result.model.label, result.model.dimension) == ("BM25", 0)
    assert result.benchmark.name == "mine"
    assert list(result.share.by_query_lang) == ["de"]
    assert result.examples == []
    write_report([tmp_path / "out"], tmp_path / "report.html")
    assert "BM25" in (tmp_path / "report.html").read_text(encoding="utf-8")
    json.loads((tmp_path / "out" / "result.json").read_bytes())


@pytest.mark.parametrize(
    "benchmark", [{}, {"qrels": "q"}, {"benchmark": "xquad-r", "qrels": "q", "languages_file": "l"}]
)
def test_a_run_needs_one_benchmark(tmp_path, benchmark):
    with pytest.raises(ConfigError, match="a benchmark, or qrels with languages_file"):
        evaluate_run(write(tmp_path / "run", {"q0": {"p0": 1.0}}), **benchmark)


def test_a_run_on_qrels_is_next_to_the_same_benchmarks_results(tmp_path):
    """Qrels have no texts: what can be compared is compared, in tables and in the report."""
    whole = benchmark_of(5)
    texts = pa.chunked_array([[f"text {at}" for at in range(len(whole.passages))]])
    whole = replace(whole, passages=replace(whole.passages, texts=texts))
    bare = benchmark_of(5)
    fingerprints = whole.fingerprint.partition("-")[0], bare.fingerprint.partition("-")[0]
    assert fingerprints[0] == fingerprints[1]
    run = write(tmp_path / "run", run_of(5, bare))
    for name, data in (("bare", bare), ("whole", whole)):
        evaluate_run(run, data, output=tmp_path / name, label=name)
    folders = [tmp_path / "bare", tmp_path / "whole"]
    report = build_report(folders)
    assert [part.title for part in report.parts] == ["random", "All results"]
    results = [read_evaluation(folder).result for folder in folders]
    (table,) = headline_tables(results)
    assert [row.title for row in table.rows] == ["bare", "whole"]
    assert language_table(results).columns
    assert compare(folders, measures="AP, R@10", gates="AP multi -0.01").measures == ("AP", "R@10")
    files = write_report(folders, tmp_path / "page", "md, json")
    assert [path.name for path in files] == ["page.md", "page.json"]


def test_measures_may_be_one_text(tmp_path):
    run = write(tmp_path / "run", {"q0": {"p0": 1.0}})
    found = evaluate_run(run, benchmark_of(5), measures="AP, R@1").result
    assert list(found.settings["multi"]) == ["AP", "R@1"]
    with pytest.raises(ConfigError, match="measures: found none, expected at least one"):
        evaluate_run(run, benchmark_of(5), measures=" ,")


@pytest.mark.parametrize("name", ["Complete@3", "TLR@3", "MRC@3"])
def test_bias_below_the_end_of_the_run_is_refused(tmp_path, name):
    run = write(tmp_path / "run", {"q0": {"p0": 1.0, "p1": 0.5}})
    with pytest.raises(ConfigError, match=f"{name}.*ends after 2 passages.*at least 3"):
        evaluate_run(run, benchmark_of(5), measures=[name])
