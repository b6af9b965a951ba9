"""Batch plans: what is paired in a batch, how often each item comes, and random access."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenrank.batching.plan import BatchPlan
from evenrank.batching.strategies import STRATEGIES, Mode, draw_languages, make_strategy, single
from evenrank.data.corpus import corpus_from_rows
from evenrank.errors import ConfigError, UnknownNameError


def corpus(items=60, languages=("de", "en", "fi", "th"), per_passage=3, holes=0.0, seed=0):
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


def plan(
    strategy="hybrid", alpha=0.5, *, of=None, batch_size=12, seed=7, pool_languages=2, **options
):
    made = make_strategy(strategy, alpha, pool_languages=pool_languages)
    return BatchPlan(of or [corpus()], made, batch_size=batch_size, seed=seed, **options)


def epoch_of(plan_, epoch=0):
    return [plan_.batch(epoch, step) for step in range(plan_.steps_per_epoch)]


def languages_of(batch, of):
    return of.column("lang", batch.query_rows), of.column("lang", batch.passage_rows)


@pytest.mark.parametrize("strategy", list(STRATEGIES))
@pytest.mark.parametrize("holes", [0.0, 0.4])
def test_a_query_is_paired_with_its_own_passage_and_batched_with_no_other_version_of_it(
    strategy, holes
):
    of = corpus(items=120, holes=holes)
    for batch in epoch_of(plan(strategy, of=[of])):
        ids = of.column("id", batch.query_rows)
        assert ids == of.column("id", batch.passage_rows)
        times = Counter(of.column("passage_id", batch.passage_rows))
        assert set(times.values()) == {2 if batch.mode == "pool(2)" else 1}
        assert len(ids) == 12


def test_without_the_rule_items_come_once_and_their_passages_may_repeat():
    of = corpus(items=120, per_passage=3, holes=0.4)
    repeats = 0
    for batch in epoch_of(plan("hybrid", of=[of], distinct_passages=False)):
        ids = of.column("id", batch.query_rows)
        assert len(set(ids)) == len(set(batch.groups.tolist())) == 12
        repeats += 12 - len(set(of.column("passage_id", batch.passage_rows)))
    assert repeats > 20
    plan("x-x-mono", of=[corpus(items=12)], batch_size=12, distinct_passages=False)


def test_modes_compose_languages_as_their_names_say():
    of = corpus(items=120, holes=0.3)
    for batch in epoch_of(plan("x-x-mono", of=[of])):
        query, passage = languages_of(batch, of)
        assert set(query) == set(passage) == {batch.language}
    modes = Counter(batch.mode for batch in epoch_of(plan("hybrid-mono", 0.5, of=[of])))
    assert abs(modes["x-x-mono"] - modes["x-y-mono"]) < 3
    mixed = Counter()
    for batch in epoch_of(plan("x-x", of=[of])):
        query, passage = languages_of(batch, of)
        assert query == passage
        mixed[len(set(query))] += 1
    assert mixed.most_common(1)[0][0] > 1
    for batch in epoch_of(plan("x-y", of=[of])):
        query, passage = languages_of(batch, of)
        assert all(one != other for one, other in zip(query, passage, strict=True))
    asked = Counter()
    for batch in epoch_of(plan("x-y-mono", of=[of])):
        query, passage = languages_of(batch, of)
        assert set(passage) == {batch.language}
        assert batch.language not in query
        asked.update(zip(query, passage, strict=True))
    assert len(asked) == 4 * 3


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_hybrid_has_its_share_of_monolingual_batches(alpha):
    plan_ = plan("hybrid", alpha, of=[corpus(items=1200)])
    mono = np.cumsum([batch.mode == "x-x-mono" for batch in epoch_of(plan_)])
    assert np.abs(mono - alpha * np.arange(1, 401)).max() < 3  # after any number of steps


@pytest.mark.parametrize("seed", range(5))
def test_short_runs_and_short_epochs_have_the_shares_of_alpha_and_languages(seed):
    of = corpus(items=36, per_passage=1)
    plan_ = plan("hybrid", 0.4, of=[of], seed=seed, total_steps=60)
    assert plan_.steps_per_epoch == 12
    batches = [plan_.batch(*divmod(step, 12)) for step in range(60)]
    mono = Counter(batch.language for batch in batches if batch.mode == "x-x-mono")
    assert abs(mono.total() - 24) <= 1
    assert all(abs(mono[lang] - 6) <= 1.5 for lang in of.languages)
    shares = plan_.shares(60)
    assert shares["modes"] == {
        "x-x-mono": round(mono.total() / 60, 4), "x-y": round(1 - mono.total() / 60, 4)
    }  # fmt: skip
    assert shares["corpora"] == {"synthetic": 1.0}
    used = Counter(lang for batch in batches for lang in languages_of(batch, of)[1])
    assert shares["passage_languages"] == {
        lang: round(count / used.total(), 4) for lang, count in sorted(used.items())
    }


def test_a_schedule_of_alpha_runs_over_the_whole_training():
    plan_ = plan("hybrid", (1.0, 0.0), of=[corpus(items=1200)], total_steps=800)
    assert plan_.steps_per_epoch == 400
    first = [batch.mode for batch in epoch_of(plan_, 0)]
    second = [batch.mode for batch in epoch_of(plan_, 1)]
    assert first[0] == "x-x-mono"
    assert second[-1] == "x-y"
    assert abs(first.count("x-x-mono") - 300) < 6
    assert abs(second.count("x-x-mono") - 100) < 6


def test_any_step_is_reached_without_the_steps_before_it():
    whole = epoch_of(plan(), epoch=3)
    for step in (11, 4, 0):
        alone = plan().batch(3, step)
        np.testing.assert_array_equal(alone.query_rows, whole[step].query_rows)
        np.testing.assert_array_equal(alone.passage_rows, whole[step].passage_rows)


def test_seed_and_epoch_change_the_plan():
    first = plan().batch(0, 0).query_rows.tolist()
    assert first == plan().batch(0, 0).query_rows.tolist()
    assert first != plan().batch(1, 0).query_rows.tolist()
    assert first != plan(seed=8).batch(0, 0).query_rows.tolist()


def test_an_epoch_in_one_language_visits_each_item_once():
    """Distinct passages, so no item has to give way; one language, so steps cover it exactly."""
    of = corpus(items=96, languages=("de",), per_passage=1)
    seen = [row for batch in epoch_of(plan("x-x-mono", of=[of])) for row in batch.query_rows]
    assert sorted(seen) == list(range(96))


def test_items_come_evenly_when_passages_are_shared():
    of = corpus(items=300, languages=("de",), per_passage=5)
    plan_ = plan("x-x-mono", of=[of], batch_size=10)
    seen = Counter(int(row) for epoch in range(40) for b in epoch_of(plan_, epoch) for row in b[3])
    counts = np.array([seen[row] for row in range(300)])
    assert counts.sum() == 40 * 300
    assert counts.min() >= 20
    assert counts.max() <= 60


def test_language_exponent_moves_from_uniform_to_size():
    of = corpus(items=2000, languages=("de", "en"), per_passage=1, holes=0.9)
    share = {}
    for exponent in (0.0, 1.0):
        plan_ = plan("x-x-mono", of=[of], language_exponent=exponent)
        langs = [batch.language for batch in epoch_of(plan_)]
        share[exponent] = langs.count("en") / len(langs)
    assert 0.38 < share[0.0] < 0.62
    assert 0.03 < share[1.0] < 0.17  # 200 of 2,200 rows


def test_corpus_exponent_moves_from_uniform_to_size():
    corpora = [corpus(items=900, per_passage=1), corpus(items=100, per_passage=1, seed=1)]
    share = {}
    for exponent in (0.0, 1.0):
        plan_ = plan("x-y", of=corpora, corpus_exponent=exponent)
        drawn = [batch.corpus for batch in epoch_of(plan_)]
        share[exponent] = drawn.count(1) / len(drawn)
    assert 0.4 < share[0.0] < 0.6
    assert 0.05 < share[1.0] < 0.16


def test_cross_lingual_pairs_of_languages_are_uniform():
    of = corpus(items=1200, per_passage=1)
    pairs = Counter()
    for batch in epoch_of(plan("x-y", of=[of])):
        pairs.update(zip(*languages_of(batch, of), strict=True))
    expected = sum(pairs.values()) / 12
    assert len(pairs) == 12
    assert all(abs(count - expected) < 5 * np.sqrt(expected) for count in pairs.values())


@pytest.mark.parametrize(("strategy", "k"), [("x-any", 1), ("pool", 1), ("pool", 3)])
def test_independent_draws_make_the_language_no_cue(strategy, k):
    """A relevant passage is in the query's language as often as any other passage."""
    of = corpus(items=1200, per_passage=1)
    own, other = np.zeros(2), np.zeros(2)
    for batch in epoch_of(plan(strategy, of=[of], pool_languages=k)):
        same = batch.query_languages[:, None] == batch.passage_languages
        relevant = batch.groups[:, None] == batch.groups
        own += same[relevant].sum(), relevant.sum()
        other += same[~relevant].sum(), (~relevant).sum()
    assert own[0] / own[1] == pytest.approx(1 / 4, abs=0.02)
    assert other[0] / other[1] == pytest.approx(1 / 4, abs=0.01)


def test_a_pool_batch_has_k_queries_and_k_passages_of_each_item_in_k_languages_each():
    of = corpus(items=120, per_passage=1, holes=0.2)
    for batch in epoch_of(plan("pool", of=[of], pool_languages=3)):
        ids = of.column("id", batch.query_rows)
        query, passage = languages_of(batch, of)
        assert query == [of.languages[column] for column in batch.query_languages]
        assert passage == [of.languages[column] for column in batch.passage_languages]
        for item in set(ids):
            pairs = [number for number, one in enumerate(ids) if one == item]
            assert len(pairs) == 3
            assert len({query[number] for number in pairs}) == 3
            assert len({passage[number] for number in pairs}) == 3
            assert len({int(batch.groups[number]) for number in pairs}) == 1
        assert len(set(batch.groups.tolist())) == len(set(ids)) == 4


def test_pools_that_the_data_does_not_fill_are_refused():
    with pytest.raises(ConfigError, match=r"items in 4 or more languages, .* pool_languages"):
        plan("pool", of=[corpus(holes=0.5)], pool_languages=4)
    with pytest.raises(ConfigError, match=r"4 languages .* at least 5 for pool"):
        plan("pool", pool_languages=5)
    with pytest.raises(ConfigError, match=r"batch_size: found 12, .* a multiple of 5"):
        plan("hybrid-pool", of=[corpus(languages=tuple("abcdefg"))], pool_languages=5)
    with pytest.raises(ConfigError, match=r"at least 6, .* such as 6"):
        plan("pool", batch_size=3, pool_languages=3)
    with pytest.raises(ConfigError, match="pool_languages: found 0"):
        plan("pool", pool_languages=0)


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_a_parallel_query_is_the_same_query_in_another_language(strategy):
    of = corpus(items=120, holes=0.6)
    alone = 0
    without = plan(strategy, of=[of])
    for step, batch in enumerate(epoch_of(plan(strategy, of=[of], parallel=True))):
        assert of.column("id", batch.parallel_rows) == of.column("id", batch.query_rows)
        for row, other in zip(batch.query_rows, batch.parallel_rows, strict=True):
            (item,) = np.flatnonzero((of.rows == row).any(axis=1))
            has_other = (of.rows[item] >= 0).sum() > 1
            assert (row != other) == has_other
            alone += not has_other
        same = without.batch(0, step)
        np.testing.assert_array_equal(same.passage_rows, batch.passage_rows)
        assert same.parallel_rows is None
    assert alone or strategy not in {"x-x", "x-any"}
    with pytest.raises(ConfigError, match=r"1 language \(de\).* parallel queries"):
        plan("x-x", of=[corpus(languages=("de",))], parallel=True)


@settings(max_examples=30, deadline=None)
@given(
    items=st.integers(8, 60),
    per_passage=st.integers(1, 3),
    holes=st.floats(0, 0.5),
    seed=st.integers(0, 1000),
    epoch=st.integers(0, 3),
)
def test_batches_are_full_and_free_of_false_negatives(items, per_passage, holes, seed, epoch):
    of = corpus(items=items, per_passage=per_passage, holes=holes, seed=seed)
    distinct = min(
        len(np.unique(of.groups[of.rows[:, column] >= 0])) for column in range(len(of.languages))
    )
    plan_ = plan("x-x-mono", of=[of], batch_size=max(1, distinct), seed=seed)
    for batch in epoch_of(plan_, epoch):
        passages = of.column("passage_id", batch.passage_rows)
        assert len(set(passages)) == len(passages) == max(1, distinct)


def test_one_language_is_too_few_for_cross_lingual_batches():
    with pytest.raises(
        ConfigError, match=r"'synthetic': found 1 language \(de\), expected at least 2"
    ):
        plan("x-y", of=[corpus(languages=("de",))])
    with pytest.raises(ConfigError, match="found 1 language"):
        plan("hybrid", of=[corpus(languages=("de",))])


def test_a_batch_larger_than_the_distinct_passages_is_refused():
    with pytest.raises(ConfigError, match=r"20 distinct passages in de .* at most 20"):
        plan("x-x-mono", batch_size=21)
    with pytest.raises(ConfigError, match="20 distinct passages for x-y batches of 21"):
        plan("x-y", batch_size=21)


def test_a_strategy_of_a_users_own_plans_batches(monkeypatch):
    """Queries in the first language, passages in any, from a registered strategy."""

    monkeypatch.setattr(STRATEGIES, "_entries", {name: STRATEGIES.get(name) for name in STRATEGIES})

    def from_first(present, weights, generator):
        passage = draw_languages(present, weights, generator, 1)
        return np.zeros_like(passage), passage

    @STRATEGIES.decorator("from-first")
    def make(settings):
        """Draw the language of the passage only."""
        return single(Mode("from-first", from_first))

    of = corpus(items=120)
    for batch in epoch_of(plan("from-first", of=[of])):
        query, passage = languages_of(batch, of)
        assert set(query) == {"de"} < set(passage)


def test_an_unknown_strategy_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="The nearest is 'hybrid'"):
        make_strategy("hybird")
