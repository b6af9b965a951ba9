from dataclasses import replace

import ir_measures
import numpy as np
import pyarrow as pa
import pytest
import pytrec_eval

from evenrank.benchmarks.export import write_qrels
from evenrank.errors import ConfigError, DataError
from evenrank.evaluation.score import score
from evenrank.results.trec import strictly_falling, write_run, write_trec


def read_run(path):
    with path.open() as file:
        return pytrec_eval.parse_run(file)


def cut(ranking, depth):
    return replace(
        ranking,
        top_passages=ranking.top_passages[:, :depth].copy(),
        top_scores=ranking.top_scores[:, :depth].copy(),
    )


@pytest.mark.parametrize("depth", [10, 100])
def test_trec_eval_reads_our_order_from_a_run_full_of_ties(benchmark, ranking, tmp_path, depth):
    kept = cut(ranking, depth)
    assert (np.diff(kept.top_scores) == 0).sum() > 100  # else the test shows nothing
    write_trec(tmp_path, benchmark, kept, "ours")
    with (tmp_path / "qrels.trec").open() as file:
        qrels = pytrec_eval.parse_qrel(file)
    run = read_run(tmp_path / "run.trec")
    names = ["R@10", "RR@10", "P@10", "nDCG@10", f"AP@{depth}"]
    frame = score(benchmark, kept, names).per_query.to_pandas()
    ours = frame[(frame["pool"] == "multi") & (frame["relevant"] > 0)].set_index("query_id")
    assert set(qrels) == set(ours.index)
    requests = {"recall.10": "R@10", "P.10": "P@10", "ndcg_cut.10": "nDCG@10"}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {*requests, "map"}).evaluate(run)
    for query, values in theirs.items():
        assert values["map"] == pytest.approx(ours.loc[query, f"AP@{depth}"], abs=1e-9)
        for request, name in requests.items():
            key = request.replace(".", "_")
            assert values[key] == pytest.approx(ours.loc[query, name], abs=1e-9)
    rr = ir_measures.parse_measure("RR@10").iter_calc(qrels, run)
    assert {value.query_id: value.value for value in rr} == pytest.approx(ours["RR@10"].to_dict())


def test_lines_are_those_of_the_format(benchmark, ranking, tmp_path):
    write_trec(tmp_path, benchmark, cut(ranking, 3), "my model / 2")
    lines = [line.split(" ") for line in (tmp_path / "run.trec").read_text("utf-8").splitlines()]
    assert len(lines) == len(benchmark.queries) * 3
    assert lines[0][:2] == ["de-q0", "Q0"]
    assert lines[0][3] == "1"
    assert lines[0][5] == "my-model-2"
    for query in range(0, len(lines), 3):
        assert [line[3] for line in lines[query : query + 3]] == ["1", "2", "3"]
        scores = [np.float32(line[4]) for line in lines[query : query + 3]]
        assert scores[0] > scores[1] > scores[2]
    qrels = [line.split(" ") for line in (tmp_path / "qrels.trec").read_text("utf-8").splitlines()]
    assert len(qrels) == len(benchmark.relevance.passages)
    assert qrels[0] == ["de-q0", "0", "de-p0", "1"]


@pytest.mark.parametrize("value", [0.7, 0.0, -0.3, 1e-42])
def test_scores_that_tie_fall_by_the_smallest_steps(value):
    tied = np.full((1, 50), value, dtype=np.float32)
    falling = strictly_falling(tied)
    assert (np.diff(falling) < 0).all()
    assert falling[0, 0] == np.float32(value)
    assert falling == pytest.approx(tied, abs=1e-5)


def test_scores_that_fall_already_stay_as_they_are():
    scores = np.array([[0.9, 0.5, -0.1, -np.inf]], dtype=np.float32)
    assert (strictly_falling(scores) == scores).all()


def test_a_short_ranking_has_a_short_run(benchmark, ranking, tmp_path):
    padded = cut(ranking, 2)
    padded.top_passages[0, 1] = -1
    padded.top_scores[0, 1] = -np.inf
    write_run(tmp_path / "run.trec", benchmark, padded, "ours")
    assert len((tmp_path / "run.trec").read_text("utf-8").splitlines()) == 79


@pytest.mark.parametrize("id_", ["a b", "a\tb", "a\u00a0b", "", 'a"b'])
def test_ids_that_a_trec_file_cannot_hold_are_refused(benchmark, tmp_path, id_):
    ids = benchmark.passages.ids.to_pylist()
    ids[7] = id_
    broken = replace(benchmark, passages=replace(benchmark.passages, ids=pa.chunked_array([ids])))
    with pytest.raises(DataError, match=r"numbers.*passage id.*without white space"):
        write_qrels(tmp_path / "qrels.trec", broken)
    assert not list(tmp_path.iterdir())


def test_a_ranking_without_a_top_has_no_run(benchmark, ranking, tmp_path):
    with pytest.raises(ConfigError, match="top_k 0"):
        write_run(tmp_path / "run.trec", benchmark, cut(ranking, 0), "ours")
