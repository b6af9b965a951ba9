"""Further queries of a passage: whose they are, in which languages, and how often each comes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenrank.batching.further import Siblings
from evenrank.batching.plan import BatchPlan
from evenrank.batching.strategies import STRATEGIES, make_strategy
from evenrank.data.corpus import corpus_from_rows
from evenrank.errors import ConfigError


def corpus(items=60, languages=("de", "en", "fi"), per_passage=3, holes=0.0, seed=0):
    """Items that share passages, with missing translations."""
    generator = np.random.default_rng(seed)
    rows = [
        {
            "id": str(item),
            "passage_id": str(item // per_passage),
            "lang": lang,
            "query": f"q {item} {lang}",
            "passage": f"p {item // per_passage} {lang}",
        }
        for item in range(items)
        for index, lang in enumerate(languages)
        if index == 0 or generator.random() >= holes
    ]
    return corpus_from_rows(rows, "synthetic")


def plan(of, strategy="hybrid-queries", queries=4, alpha=0.5, batch_size=6, **options):
    made = make_strategy(strategy, alpha, queries_per_passage=queries)
    return BatchPlan([of], made, batch_size=batch_size, seed=3, **options)


def batches(plan_):
    return [plan_.batch(0, step) for step in range(plan_.steps_per_epoch)]


@pytest.mark.parametrize("strategy", list(STRATEGIES))
@pytest.mark.parametrize("holes", [0.0, 0.4])
@pytest.mark.parametrize("per_passage", [1, 3])
def test_they_ask_for_the_pairs_passage(strategy, holes, per_passage):
    of = corpus(holes=holes, per_passage=per_passage)
    for batch in batches(plan(of, strategy)):
        wanted = of.column("passage_id", batch.passage_rows)
        assert batch.further_rows.shape == batch.further_languages.shape == (3, 6)
        assert batch.further_rows.min() >= 0
        for rows, languages in zip(batch.further_rows, batch.further_languages, strict=True):
            assert of.column("passage_id", rows) == wanted
            assert of.column("lang", rows) == [of.languages[one] for one in languages]


@pytest.mark.parametrize(
    ("strategy", "own"),
    [("x-x", 3), ("x-x-mono", 3), ("x-y", 0), ("x-y-mono", 0), ("hybrid-queries", 1)],
)
def test_their_languages_are_those_of_the_strategy(strategy, own):
    of = corpus()
    for batch in batches(plan(of, strategy)):
        same = batch.further_languages == batch.passage_languages
        assert same.sum(axis=0).tolist() == [own] * 6
        assert (batch.query_languages == batch.passage_languages).all() == (own > 0)


def test_independent_draws_have_all_languages():
    drawn = np.concatenate([batch.further_languages for batch in batches(plan(corpus(), "x-any"))])
    assert np.bincount(drawn.ravel()).min() > 0.2 * drawn.size


@pytest.mark.parametrize("strategy", ["x-x-mono", "x-y-mono", "x-any"])
def test_they_are_other_queries_while_there_are_any(strategy):
    """Of four items with a passage, three are left besides the pair's own."""
    of = corpus(per_passage=4)
    for batch in batches(plan(of, strategy)):
        own = of.column("id", batch.query_rows)
        ids = [of.column("id", rows) for rows in batch.further_rows]
        for first, *others in zip(own, *ids, strict=True):
            assert len({first, *others}) == 4
    for batch in batches(plan(of, strategy, queries=6)):
        ids = [of.column("id", rows) for rows in batch.further_rows]
        for own, *others in zip(of.column("id", batch.query_rows), *ids, strict=True):
            assert sorted(Counter(others).values()) == [1, 2, 2]
            assert own not in others


def test_a_passage_with_one_query_has_it_in_other_languages():
    of = corpus(per_passage=1)
    for batch in batches(plan(of, queries=2)):
        assert of.column("id", batch.further_rows[0]) == of.column("id", batch.query_rows)
        assert (batch.further_languages[0] != batch.passage_languages).all()


def test_a_query_without_a_translation_stands_in_its_own_language():
    """The only items of the passage are in German."""
    rows = [
        {"id": str(n), "passage_id": "p", "lang": "de", "query": f"q{n}", "passage": "p"}
        for n in range(2)
    ]
    rows += [{**row, "id": "other", "passage_id": "r", "lang": "en"} for row in rows[:1]]
    of = corpus_from_rows(rows, "one")
    siblings = Siblings(of, np.array([0.5, 0.5]))
    found = siblings.further(np.array([0]), np.array([0]), 0.5, 2, np.random.default_rng(0))
    assert of.column("query", found.rows[0]) == ["q0"]
    assert found.languages.tolist() == [[0]]


@pytest.mark.parametrize(("alpha", "queries"), [(0.3, 4), (0.5, 3), (0.0, 2), (1.0, 2), (0.5, 1)])
def test_alpha_is_the_share_of_queries_in_the_language_of_the_passage(alpha, queries):
    found = []
    for batch in batches(plan(corpus(1200), queries=queries, alpha=alpha)):
        languages = np.vstack([batch.query_languages, batch.further_languages])
        own = (languages == batch.passage_languages).sum(axis=0)
        assert len(set(own.tolist())) == 1  # the same for all passages of a batch
        assert abs(own[0] - alpha * queries) < 1
        found.append(own[0])
    assert np.mean(found) == pytest.approx(alpha * queries, abs=0.05)


def test_alpha_may_change_over_training():
    made = make_strategy("hybrid-queries", (1, 0), queries_per_passage=4)
    plan_ = BatchPlan([corpus()], made, batch_size=6, seed=1, total_steps=41)
    epochs = [divmod(step, plan_.steps_per_epoch) for step in (0, 10, 20, 30, 40)]
    modes = [plan_.batch(*epoch).mode for epoch in epochs]
    assert modes == ["x-x-mono", "mono(3 of 4)", "mono(2 of 4)", "mono(1 of 4)", "x-y-mono"]


def test_an_epoch_has_as_many_queries_as_the_corpus():
    of = corpus(120)  # 360 rows
    for queries, steps in ((1, 60), (2, 30), (4, 15), (100, 1)):
        assert plan(of, queries=queries).steps_per_epoch == steps


def test_one_query_per_passage_leaves_the_batches_as_they_are():
    of = corpus(holes=0.3)
    for strategy in ("x-x-mono", "x-y-mono", "x-any"):
        alone, several = (batches(plan(of, strategy, queries=number)) for number in (1, 4))
        assert len(alone) > len(several) > 3
        for one, other in zip(alone, several, strict=False):  # an epoch has fewer of the latter
            assert one.further_rows.shape == (0, 6)
            np.testing.assert_array_equal(one.query_rows, other.query_rows)
            np.testing.assert_array_equal(one.passage_rows, other.passage_rows)


def test_all_siblings_come_equally_often():
    of = corpus(per_passage=5)
    seen = Counter()
    for seed in range(400):
        found = Siblings(of, np.ones(3) / 3).further(
            np.array([7]), np.array([0]), 1, 3, np.random.default_rng(seed)
        )
        seen.update(of.column("id", found.rows[:, 0]))
    assert set(seen) == {"5", "6", "8", "9"}
    assert min(seen.values()) > 160  # 200 are expected, with a standard deviation of 10


@settings(max_examples=40, deadline=None)
@given(
    per_passage=st.integers(1, 5),
    holes=st.floats(0, 0.9),
    queries=st.integers(2, 6),
    share=st.sampled_from([0, 0.25, 0.5, 1, None]),
    seed=st.integers(0, 1000),
)
def test_rows_exist_and_belong_to_the_passage(per_passage, holes, queries, share, seed):
    of = corpus(12, per_passage=per_passage, holes=holes, seed=seed)
    generator = np.random.default_rng(seed)
    items = generator.permutation(len(of))[:5]
    passages = (of.rows[items] >= 0).argmax(axis=1)
    found = Siblings(of, np.ones(len(of.languages))).further(
        items, passages, share, queries, generator
    )
    assert found.rows.shape == (queries - 1, 5)
    assert found.rows.min() >= 0
    where = [np.argwhere(of.rows == row)[0] for row in found.rows.ravel()]
    chosen, languages = np.array(where).T
    np.testing.assert_array_equal(of.groups[chosen], np.tile(of.groups[items], queries - 1))
    np.testing.assert_array_equal(languages, found.languages.ravel())


def test_too_few_queries_are_refused():
    with pytest.raises(ConfigError, match="queries_per_passage: found 0, expected at least 1"):
        make_strategy("x-y", queries_per_passage=0)
