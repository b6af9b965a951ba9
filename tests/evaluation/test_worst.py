import json
from dataclasses import replace

import numpy as np

from evenrank.benchmarks.benchmark import Passage, Query, build_benchmark
from evenrank.evaluation.evaluate import evaluate
from evenrank.evaluation.evaluate_run import evaluate_run
from evenrank.evaluation.worst import QUERIES, build_worst, choose_worst
from evenrank.measures.base import example_pool
from evenrank.measures.rank_distance import rank_distance
from evenrank.ranking.rank import rank
from evenrank.results.folder import read_result
from evenrank.results.trec import write_run

SIZES = {"de": 50, "en": 50}


def chosen(ranks, **pool):
    made = example_pool(ranks, sizes=SIZES, **pool)
    return choose_worst(made, rank_distance(made))


def test_the_largest_distance_is_worst_then_the_lowest_ranks_then_the_position():
    near = {"de": [90], "en": [91]}
    assert chosen([near, {"de": [1], "en": [9]}, {"de": [50], "en": [2]}]) == [2, 1, 0]
    assert chosen([{"de": [1], "en": [2]}, near, near]) == [1, 2, 0]


def test_a_language_counts_by_its_best_answer():
    assert chosen([{"de": [1, 90], "en": [2]}, {"de": [1], "en": [4]}]) == [1, 0]


def test_each_question_is_taken_once_in_its_worst_language():
    ranks = [{"de": [1], "en": [10 + place]} for place in range(6)]
    assert chosen(ranks, parallel=[0, 0, 1, 1, 0, 2]) == [5, 4, 3]


def test_twenty_different_questions():
    ranks = [{"de": [1], "en": [2 + place]} for place in range(60)]
    found = chosen(ranks, parallel=[place // 2 for place in range(60)])
    assert found == list(range(59, 59 - 2 * QUERIES, -2))
    assert len(found) == QUERIES == 20


def test_queries_without_a_distance_are_left_out_where_others_have_one():
    assert chosen([{"de": [90]}, {"de": [1], "en": [2]}, {}]) == [1]


def test_the_worst_rank_decides_where_no_query_has_a_distance():
    """As in MIRACL, where passages are judged in the query's language only."""
    assert chosen([{"de": [3, 4]}, {}, {"en": [8]}, {"de": [1, 90]}]) == [2, 0, 3]
    in_a_run = chosen([{"de": [3]}, {"en": [9]}, {"de": [4]}], depth=5)
    assert in_a_run == [
        1,
        2,
        0,
    ]  # passages that the run misses are worse than those that it contains
    assert chosen([{}, {}]) == []


def test_what_they_show_is_what_was_ranked(benchmark, ranking, scores_QD):
    ids = benchmark.queries.ids.to_pylist()
    passages = benchmark.passages.ids.to_pylist()
    texts = dict(zip(passages, benchmark.passages.texts.to_pylist(), strict=True))
    worst = build_worst(benchmark, ranking)
    assert len(worst) == 9  # ten questions, of which one has no answer
    distances = [one.rank_distance for one in worst]
    assert distances == sorted(distances, reverse=True)
    for one in worst:
        query = ids.index(one.query_id)
        assert one.text == benchmark.queries.texts[query].as_py()
        order = [passages[at] for at in np.argsort(-scores_QD[query], kind="stable")]
        number = one.query_id.split("-q")[1]
        expected = {}  # language to the best passage that answers
        for passage in order:
            lang, name = passage.split("-p")
            if name.rstrip("b") == number:
                expected.setdefault(lang, passage)
        assert [answer.lang for answer in one.answers] == sorted(expected)
        for answer in one.answers:
            assert answer.rank == 1 + order.index(expected[answer.lang])
            assert answer.text == texts[expected[answer.lang]]
        ranks = [answer.rank for answer in one.answers]
        assert one.rank_distance == max(ranks) - min(ranks)
        assert one.first.text == texts[order[0]]
        assert one.first.lang == order[0].split("-p")[0]
        assert one.first.relevant == (min(ranks) == 1)


def test_long_texts_are_cut(benchmark):
    long = build_benchmark(
        "long",
        benchmark.card,
        [Query("q", "q", "de", "?" * 600)],
        [Passage("a", "de", "." * 600), Passage("b", "en", "," * 600)],
        [("q", "a"), ("q", "b")],
    )
    vectors = np.eye(2, dtype=np.float32)
    (one,) = build_worst(long, rank(vectors[:1], vectors, long.relevance, long.offsets, top_k=1))
    assert {len(text) for text in (one.text, one.first.text, one.answers[1].text)} == {500}


def test_a_run_that_ends_gives_no_rank_that_is_not_known(benchmark, ranking, tmp_path):
    kept = replace(
        ranking,
        top_passages=ranking.top_passages[:, :5].copy(),
        top_scores=ranking.top_scores[:, :5].copy(),
    )
    kept.top_passages[:10] = -1  # the German queries are not in the run at all
    write_run(tmp_path / "run.trec", benchmark, kept, "short")
    worst = evaluate_run(tmp_path / "run.trec", benchmark).result.worst
    answers = [answer for one in worst for answer in one.answers]
    assert all(answer.rank is None or answer.rank <= 5 for answer in answers)
    assert any(answer.rank is None for answer in answers)
    assert all(answer.text for answer in answers)
    for one in worst:
        known = [answer.rank for answer in one.answers if answer.rank is not None]
        missing = len(known) < len(one.answers)
        assert one.rank_distance == (6 if missing else max(known)) - min(known)


def test_nothing_stands_first_for_a_query_that_a_run_lacks(benchmark, tmp_path):
    single = build_benchmark(
        "single",
        benchmark.card,
        [Query("a", "a", "de", "eins?"), Query("b", "b", "de", "zwei?")],
        [Passage("p", "de", "eins."), Passage("r", "de", "zwei.")],
        [("a", "p"), ("b", "r")],
    )
    (tmp_path / "run").write_text("a Q0 p 1 1.0 tag\n")
    missing, found = evaluate_run(tmp_path / "run", single).result.worst
    assert (missing.query_id, missing.first, missing.answers[0].rank) == ("b", None, None)
    assert (found.query_id, found.first.text, found.answers[0].rank) == ("a", "eins.", 1)
    assert missing.rank_distance is found.rank_distance is None


def test_a_result_keeps_them_and_an_old_one_is_read_without(benchmark, model_folder, tmp_path):
    evaluation = evaluate(model_folder, benchmark, output=tmp_path / "new", measures=["AP"])
    assert read_result(tmp_path / "new").worst == evaluation.result.worst
    assert len(evaluation.result.worst) == 9
    path = tmp_path / "new" / "result.json"
    old = json.loads(path.read_bytes())
    del old["worst"]
    path.write_text(json.dumps(old))
    assert read_result(tmp_path / "new").worst == []


def test_a_languages_best_answer_is_its_best_ranked(benchmark):
    """Of two Spanish answers the second ranks above."""
    made = build_benchmark(
        "two",
        benchmark.card,
        [Query("q", "q", "de", "?")],
        [Passage("d", "de", "d"), Passage("e1", "es", "e1"), Passage("e2", "es", "e2")],
        [("q", "d"), ("q", "e1"), ("q", "e2")],
    )
    passages = np.array([[1], [2], [3]], dtype=np.float32)
    queries = np.ones((1, 1), dtype=np.float32)
    (one,) = build_worst(made, rank(queries, passages, made.relevance, made.offsets, top_k=1))
    assert [(answer.lang, answer.rank, answer.text) for answer in one.answers] == [
        ("de", 3, "d"),
        ("es", 1, "e2"),
    ]
    assert one.rank_distance == 2
