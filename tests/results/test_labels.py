from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.results.folder import Evaluation
from evenrank.results.labels import distinct_labels
from evenrank.results.schema import BenchmarkFacts, ModelFacts, Result, Share


def evaluation(label, model="abcd", benchmark="numbers", folder=None):
    """A result that says only which model and which benchmark it is of."""
    facts = BenchmarkFacts(
        name=benchmark,
        title="",
        source="",
        licence="",
        citation="",
        fingerprint=benchmark,
        languages=[],
        queries={},
        passages={},
    )
    return Evaluation(
        Result(
            created="2025-01-02T03:04:05Z",
            benchmark=facts,
            model=ModelFacts(
                label=label,
                path="",
                fingerprint=model,
                dimension=8,
                query_prompt="",
                passage_prompt="",
            ),
            settings={},
            bias={},
            pairs={},
            pool={},
            scored={},
            share=Share(cutoff=10, by_query_lang={}, passages={}),
            examples=[],
            versions={},
            timings={},
            config={},
        ),
        None if folder is None else Path(folder),
    )


CASES = {
    "labels that differ stay": (
        [("a", "1111"), ("b", "2222")],
        ["a", "b"],
    ),
    "one model on two benchmarks": (
        [("a", "1111", "x", "r/x"), ("a", "1111", "y", "r/y")],
        ["a", "a"],
    ),
    "two models": (
        [("a", "11112222"), ("a", "33334444"), ("b", "33334444")],
        ["a [1111]", "a [3333]", "b"],
    ),
    "two models with similar fingerprints": (
        [("a", "abcd1x"), ("a", "abcd1y")],
        ["a [abcd1x]", "a [abcd1y]"],
    ),
    "two models on two benchmarks": (
        [("a", "11112222", "x"), ("a", "33334444", "y")],
        ["a [1111]", "a [3333]"],
    ),
    "one model twice": (
        [("a", "1111", "x", "r/one"), ("a", "1111", "x", "r/two")],
        ["a (one)", "a (two)"],
    ),
    "one model twice, in folders of one name": (
        [("a", "1111", "x", "r/one/x"), ("a", "1111", "x", "r/two/x")],
        ["a (one/x)", "a (two/x)"],
    ),
    "one run on a benchmark, and on its qrels without the texts": (
        [("a", "1111", "x-yyyy", "r/one"), ("a", "1111", "x-", "r/two")],
        ["a (one)", "a (two)"],
    ),
    "one model twice, without folders": (
        [("a", "1111"), ("a", "1111"), ("a (2)", "1111"), ("a", "1111")],
        ["a", "a (2)", "a (2) (2)", "a (3)"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_labels(case):
    given_, expected = CASES[case]
    assert distinct_labels([evaluation(*facts) for facts in given_]) == expected


PARTS = st.tuples(
    st.sampled_from(["a", "b", "a (2)", "a [abcd]", "a (x)"]),
    st.sampled_from(["abcd", "abce", "abcdef", ""]),
    st.sampled_from(["numbers", "letters"]),
    st.sampled_from([None, "x", "y/x", "z/x"]),
)


@given(st.lists(PARTS, max_size=8))
def test_no_two_results_on_one_benchmark_share_a_label(facts):
    labels = distinct_labels([evaluation(*one) for one in facts])
    keys = [(label, one[2]) for label, one in zip(labels, facts, strict=True)]
    assert len(set(keys)) == len(keys)
