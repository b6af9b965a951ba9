"""World Facts as a benchmark."""

from __future__ import annotations

import numpy as np
import pytest

from evenrank.benchmarks.benchmark import BENCHMARKS, load_benchmark
from evenrank.benchmarks.world_facts import cldr_version, world_facts
from evenrank.errors import UnknownNameError


@pytest.fixture(scope="module")
def benchmark():
    return load_benchmark("world-facts")


def facts_of(split):
    corpus = world_facts(split)
    return set(corpus.column("passage_id", corpus.first_rows))


def test_queries_are_the_test_questions_one_per_fact_and_language(benchmark):
    ids = benchmark.queries.ids.to_pylist()
    queried = {id_.partition("/")[2] for id_ in ids}
    assert queried == facts_of("test")
    assert not any("#" in id_ for id_ in ids)
    assert len(benchmark.languages) == 11
    per_language = np.bincount(benchmark.queries.langs)
    assert per_language.min() > 500


def test_the_collection_is_every_fact_in_every_language(benchmark):
    ids = benchmark.passages.ids.to_pylist()
    assert {id_.partition("/")[2] for id_ in ids} == facts_of("all")
    assert np.diff(benchmark.offsets).min() > 3_000
    langs, texts = benchmark.passages.langs.tolist(), benchmark.passages.texts.to_pylist()
    assert len(set(zip(langs, texts, strict=True))) == len(texts)


def test_relevant_are_the_translations_of_the_facts_passage(benchmark):
    queries, passages = (texts.ids.to_pylist() for texts in (benchmark.queries, benchmark.passages))
    for query in range(0, len(queries), 97):
        fact = queries[query].partition("/")[2]
        first, last = benchmark.relevance.indptr[query : query + 2]
        found = {passages[passage] for passage in benchmark.relevance.passages[first:last]}
        assert found == {id_ for id_ in passages if id_.partition("/")[2] == fact}
        assert queries[query] in found  # its own language has it


def test_parallel_questions_are_numbered_alike(benchmark):
    ids = benchmark.queries.ids.to_pylist()
    numbers = {}
    for id_, number in zip(ids, benchmark.parallel.tolist(), strict=True):
        assert numbers.setdefault(id_.partition("/")[2], number) == number
    assert len(set(numbers.values())) == len(numbers)


def test_dev_asks_other_facts_of_the_same_collection(benchmark):
    dev = load_benchmark("world-facts:dev")
    assert dev.name == "world-facts:dev"
    assert {id_.partition("/")[2] for id_ in dev.queries.ids.to_pylist()} == facts_of("dev")
    assert dev.passages.ids == benchmark.passages.ids
    assert dev.fingerprint != benchmark.fingerprint


@pytest.mark.parametrize("argument", ["train", ""])
def test_another_argument_is_refused(argument):
    with pytest.raises(UnknownNameError, match=r"world-facts: .*expected one of dev"):
        load_benchmark(f"world-facts:{argument}")


def test_the_card_names_cldr_its_version_and_licence():
    card = BENCHMARKS.get("world-facts").card
    assert cldr_version() in card.source
    assert "Unicode License v3" in card.licence
