from dataclasses import replace

import numpy as np
import pyarrow as pa

from evenrank.benchmarks.benchmark import Passage, Query, build_benchmark
from evenrank.evaluation.examples import build_examples, choose_examples
from evenrank.ranking.rank import rank
from evenrank.ranking.ranks import multilingual_pool


def test_two_questions_in_three_languages_each(benchmark):
    chosen = choose_examples(benchmark)
    ids = benchmark.queries.ids.take(pa.array(chosen)).to_pylist()
    assert ids == ["de-q3", "en-q3", "es-q3", "de-q6", "es-q6", "th-q6"]


def test_only_queries_with_an_answer_and_each_once(benchmark):
    few = build_benchmark(
        "few",
        benchmark.card,
        [Query("a", "x", "de", "?"), Query("b", "y", "de", "?"), Query("c", "z", "de", "?")],
        [Passage("d", "de", ".")],
        [("b", "d")],
    )
    assert choose_examples(few) == [1]
    none = build_benchmark(
        "none", benchmark.card, [Query("a", "x", "de", "?")], [Passage("d", "de", ".")], []
    )
    assert choose_examples(none) == []


def test_what_they_show_is_what_was_ranked(benchmark, ranking, scores_QD):
    best_QL = multilingual_pool(benchmark, ranking).best_by_lang
    for query, example in zip(
        choose_examples(benchmark), build_examples(benchmark, ranking), strict=True
    ):
        assert example.query_id == benchmark.queries.ids[query].as_py()
        assert example.text == benchmark.queries.texts[query].as_py()
        order = np.argsort(-scores_QD[query], kind="stable")[:5]
        assert [answer.rank for answer in example.answers] == [1, 2, 3, 4, 5]
        for answer, passage in zip(example.answers, order.tolist(), strict=True):
            assert answer.text == benchmark.passages.texts[passage].as_py()
            assert answer.score == scores_QD[query, passage]
            number = benchmark.passages.ids[passage].as_py().split("-p")[1].rstrip("b")
            assert answer.relevant == (number == example.query_id.split("-q")[1])
        for lang, place in example.relevant_ranks.items():
            assert place == best_QL[query, benchmark.languages.index(lang)]
    assert set(build_examples(benchmark, ranking)[0].relevant_ranks) == {"de", "en", "vi"}


def test_long_texts_are_cut_and_short_pools_end(benchmark):
    long = build_benchmark(
        "long",
        benchmark.card,
        [Query("q", "q", "de", "?" * 600)],
        [Passage("a", "de", "." * 500), Passage("b", "en", "." * 501)],
        [("q", "a")],
    )
    vectors = np.eye(2, dtype=np.float32)
    ranking = rank(vectors[:1], vectors, long.relevance, long.offsets, top_k=5)
    padded = replace(
        ranking,
        top_passages=np.array([[0, 1, -1, -1, -1]]),
        top_scores=np.array([[1, 0, -np.inf, -np.inf, -np.inf]], dtype=np.float32),
    )
    (example,) = build_examples(long, padded)
    assert [len(answer.text) for answer in example.answers] == [500, 500]
    assert len(example.text) == 500
    assert example.text.endswith("?…")
