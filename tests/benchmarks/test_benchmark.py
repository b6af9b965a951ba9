from __future__ import annotations

import pytest

from evenrank.benchmarks.benchmark import (
    BENCHMARKS,
    Card,
    Passage,
    Query,
    build_benchmark,
    load_benchmark,
    with_grades,
)
from evenrank.errors import ConfigError, DataError, UnknownNameError

CARD = Card("Two questions", "this file", "CC0-1.0", "none")
QUERIES = [Query("fi/1", "1", "fi", "Kuka?"), Query("en/1", "1", "en", "Who?")]
QUERIES += [Query("en/2", "2", "en", "When?")]
PASSAGES = [
    Passage("sv/a", "sv", "Ada."),
    Passage("en/b", "en", "1843."),
    Passage("en/a", "en", "A"),
]


def build(queries=QUERIES, passages=PASSAGES, qrels=(("fi/1", "sv/a"), ("fi/1", "en/a"))):
    return build_benchmark("two", CARD, queries, passages, qrels)


def test_the_collection_is_ordered_by_language_and_then_as_given():
    benchmark = build()
    assert benchmark.languages == ("en", "fi", "sv")
    assert benchmark.passages.ids.to_pylist() == ["en/b", "en/a", "sv/a"]
    assert benchmark.offsets.tolist() == [0, 2, 2, 3]
    assert benchmark.queries.ids.to_pylist() == ["fi/1", "en/1", "en/2"]
    assert benchmark.parallel.tolist() == [0, 0, 1]


def test_relevance_is_ascending_and_a_query_may_have_none():
    relevance = build().relevance
    assert relevance.indptr.tolist() == [0, 2, 2, 2]
    assert relevance.passages.tolist() == [1, 2]


def test_grades_stand_beside_their_passages():
    graded = with_grades(build(), {("fi/1", "sv/a"): 3, ("en/1", "sv/a"): 2})
    assert graded.relevance.passages.tolist() == [1, 2]
    assert graded.relevance.grades.tolist() == [1, 3]  # en/a, then sv/a
    assert graded.fingerprint != build().fingerprint
    assert build().relevance.grades is None


def test_grades_of_one_are_no_grades():
    same = with_grades(build(), {("fi/1", "sv/a"): 1})
    assert same.relevance.grades is None
    assert same.fingerprint == build().fingerprint


def test_a_grade_of_what_is_not_relevant_is_refused():
    with pytest.raises(DataError, match=r"query 'fi/1': found grade 0 of passage 'en/a'"):
        with_grades(build(), {("fi/1", "en/a"): 0, ("fi/1", "sv/a"): 2})


def test_the_fingerprint_tells_any_change():
    changed = [PASSAGES[0]._replace(text="Ada!"), *PASSAGES[1:]]
    prints = {
        build().fingerprint,
        build(qrels=[("fi/1", "sv/a")]).fingerprint,
        build(passages=changed).fingerprint,
        build(queries=QUERIES[:2]).fingerprint,
    }
    assert len(prints) == 4
    assert build().fingerprint == build().fingerprint


def test_a_relevant_passage_that_is_not_in_the_collection():
    with pytest.raises(DataError, match=r"query 'fi/1': found passage 'sv/x', which is not in"):
        build(qrels=[("fi/1", "sv/x")])


def test_relevance_for_a_query_that_is_not_there():
    with pytest.raises(DataError, match=r"found query 'fi/9', which is not in the benchmark"):
        build(qrels=[("fi/9", "sv/a")])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"queries": [*QUERIES, QUERIES[0]]}, "query id 'fi/1' twice"),
        ({"passages": [*PASSAGES, PASSAGES[0]]}, "passage id 'sv/a' twice"),
        ({"queries": []}, "no query"),
        ({"passages": []}, "no passage"),
        ({"passages": [*PASSAGES, Passage("sv/b c", "sv", "")]}, "passage id 'sv/b c'"),
        ({"queries": [*QUERIES, Query("", "", "fi", "")]}, "query id ''"),
    ],
)
def test_ids_that_cannot_be_used(changed, message):
    with pytest.raises(DataError, match=message):
        build(**changed)


def test_an_unknown_benchmark_offers_the_nearest():
    with pytest.raises(UnknownNameError, match=r"'xquad', .* The nearest is 'xquad-r'"):
        load_benchmark("xquad")


def test_a_name_that_takes_no_argument():
    with pytest.raises(ConfigError, match="found ':de' after it, expected the name alone"):
        load_benchmark("xquad-r:de")


def test_every_benchmark_says_where_it_comes_from():
    assert {"corpus", "mlqa-r", "xquad-r"} <= set(BENCHMARKS)
    for name in BENCHMARKS:
        card = BENCHMARKS.get(name).card
        assert all([card.title, card.source, card.licence, card.citation]), name
