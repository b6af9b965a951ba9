"""Gains by pair of languages."""

from __future__ import annotations

import pytest

from evenrank.benchmarks.benchmark import Card, Passage, Query, build_benchmark
from evenrank.experiments.pairs import pair_gains

TEXTS = {"de": "Das Haus im Wald", "nl": "Het haus in wald", "ru": "Дом в лесу", "fi": "Talo"}


class Figures:
    """The one part of a result that counts here."""

    def __init__(self, pairs):
        self.pairs = {"AP": pairs}


def benchmark():
    card = Card(title="t", source="s", licence="l", citation="c")
    queries = [Query(f"q-{lang}", "q", lang, "?") for lang in TEXTS]
    passages = [Passage(f"p-{lang}", lang, text) for lang, text in TEXTS.items()]
    qrels = [(query.id, passage.id) for query in queries for passage in passages]
    return build_benchmark("t", card, queries, passages, qrels)


def figures(value_of):
    return Figures({one: {other: value_of(one, other) for other in TEXTS} for one in TEXTS})


def test_gains_are_means_over_seeds_and_pairs_of_different_languages():
    before = [figures(lambda one, other: 0.5), figures(lambda one, other: 0.3)]
    related = {frozenset({"de", "nl"})}
    after = [figures(lambda one, other: 0.8 if frozenset({one, other}) in related else 0.4)] * 2
    found = pair_gains(before, after, benchmark())
    groups = {group.name: group for group in found.groups}
    assert {name: group.pairs for name, group in groups.items()} == {
        "same script": 6, "other script": 6, "same family": 2, "other family": 10,
    }  # fmt: skip
    assert groups["same family"].gain == pytest.approx(0.4)
    assert groups["other family"].gain == pytest.approx(0.0)
    assert groups["same script"].gain == pytest.approx(0.8 / 6)
    assert groups["other script"].gain == pytest.approx(0.0)
    assert found.correlation > 0.5  # de and nl share most trigrams


def test_there_is_nothing_to_say_of_one_language_or_without_the_measure():
    one = Figures({"de": {"de": 0.5}})
    assert pair_gains([one], [one], benchmark()) is None
    assert pair_gains([Figures({})], [Figures({})], benchmark()) is None
