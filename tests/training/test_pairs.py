"""The data set and sampler that the trainer sees."""

from __future__ import annotations

import time
from itertools import islice

import numpy as np
import pyarrow as pa
import pytest

from evenrank.batching.plan import BatchPlan
from evenrank.batching.strategies import Mode, make_strategy, single
from evenrank.data.corpus import ParallelCorpus, corpus_from_rows
from evenrank.errors import ConfigError
from evenrank.training.pairs import PairDataset, PlanSampler, sampler_of


def corpus(name, items=12, negatives=2):
    rows = [
        {
            "id": str(item),
            "passage_id": str(item),
            "lang": lang,
            "query": f"{name} q{item} {lang}",
            "passage": f"{name} p{item} {lang}",
            "negatives": [f"{name} n{item} {lang} {number}" for number in range(negatives)],
        }
        for item in range(items)
        for lang in ("de", "en")
    ]
    return corpus_from_rows(rows, name)


def plan_of(*corpora, **options):
    return BatchPlan(corpora, make_strategy("x-y"), batch_size=4, seed=1, **options)


def test_pairs_come_from_the_right_corpus_and_rows():
    plan = plan_of(corpus("one"), corpus("two"))
    dataset, sampler = PairDataset(plan), PlanSampler(plan)
    names = set()
    for step, keys in enumerate(sampler):
        pairs = dataset.__getitems__(keys)
        batch = plan.batch(0, step)
        of = plan.corpora[batch.corpus]
        assert [pair["anchor"] for pair in pairs] == of.column("query", batch.query_rows)
        assert [pair["positive"] for pair in pairs] == of.column("passage", batch.passage_rows)
        names.add(of.name)
    assert names == {"one", "two"}


def test_columns_are_texts_only_and_in_order():
    dataset = PairDataset(plan_of(corpus("one")), negatives=1)
    assert dataset.column_names == ["anchor", "positive", "negative_1"]


def test_further_queries_come_after_the_first_with_their_languages_in_the_label():
    strategy = make_strategy("hybrid-queries", queries_per_passage=3)
    plan = BatchPlan([corpus("one")], strategy, batch_size=4, seed=1)
    dataset = PairDataset(plan, negatives=1)
    names = ["anchor", "positive", "negative_1", "anchor_2", "anchor_3"]
    assert dataset.column_names == list(dataset.kinds) == names
    assert [*dataset.kinds.values()] == ["query", "passage", "passage", "query", "query"]
    for step, keys in enumerate(PlanSampler(plan)):
        for key, pair in zip(keys, dataset.__getitems__(keys), strict=True):
            queries = [pair["anchor"], pair["anchor_2"], pair["anchor_3"]]
            item = pair["positive"].split()[1][1:]
            assert {query.split()[1] for query in queries} == {f"q{item}"}
            languages = [plan.corpora[0].languages.index(query[-2:]) for query in queries]
            label = pair["label"]
            assert [label[1], *label[5:]] == languages
            assert label[2:4] == [plan.corpora[0].languages.index(pair["positive"][-2:]), key]
            assert plan.strategy.modes[label[4]].name == plan.batch(0, step).mode


def test_hard_negatives_follow_the_passage_and_rotate():
    plan = plan_of(corpus("one", negatives=3))
    dataset, sampler = PairDataset(plan, negatives=2), PlanSampler(plan)
    for keys in sampler:
        for pair in dataset.__getitems__(keys):
            stem = pair["positive"].replace(" p", " n")
            both = {pair["negative_1"], pair["negative_2"]}
            assert len(both) == 2
            assert both <= {f"{stem} {number}" for number in range(3)}
    used = [dataset.__getitems__([step * 4])[0]["negative_1"][-1] for step in range(3)]
    assert used == ["0", "2", "1"]  # both: 0 and 1, then 2 and 0, then 1 and 2


def test_too_few_negatives_are_refused_by_id():
    with pytest.raises(ConfigError, match="corpus 'one', id '0': found 1 negatives"):
        PairDataset(plan_of(corpus("one", negatives=1)), negatives=2)


def test_the_sampler_yields_every_epoch_of_the_plan_in_turn():
    plan = plan_of(corpus("one"), total_steps=14)
    sampler = sampler_of(PairDataset(plan), batch_size=99, seed=5)
    batches = list(sampler)
    assert len(batches) == len(sampler) == 14
    assert plan.steps_per_epoch == 6
    dataset = PairDataset(plan)
    for step, keys in enumerate(batches):
        batch = plan.batch(step // 6, step % 6)
        pairs = dataset.__getitems__(keys)
        assert [pair["anchor"] for pair in pairs] == plan.corpora[0].column(
            "query", batch.query_rows
        )
        assert dataset.__getitems__(keys[2:]) == pairs[2:]  # the part of a second process


def test_a_label_has_the_group_both_languages_the_number_and_the_mode():
    plan = plan_of(corpus("one"), corpus("two"), parallel=True)
    dataset = PairDataset(plan)
    assert dataset.column_names == ["anchor", "positive", "parallel"]
    for step, keys in enumerate(PlanSampler(plan)):
        batch = plan.batch(0, step)
        of = plan.corpora[batch.corpus]
        pairs = dataset.__getitems__(keys)
        assert [pair["label"] for pair in pairs] == [
            [group, *(of.languages.index(text[-2:]) for text in texts), key, 0]
            for key, group, pair in zip(keys, batch.groups.tolist(), pairs, strict=True)
            for texts in [(pair["anchor"], pair["positive"])]
        ]
        assert [pair["parallel"] for pair in pairs] == of.column("query", batch.parallel_rows)


def test_a_step_that_is_skipped_is_not_planned():
    planned = []

    def draw(present, weights, generator):
        planned.append(len(present))
        return np.zeros(len(present), dtype=int), np.ones(len(present), dtype=int)

    strategy = single(Mode("counted", draw, min_languages=2))
    plan = BatchPlan([corpus("one")], strategy, batch_size=4, seed=1, total_steps=300_000)
    keys = next(islice(sampler_of(PairDataset(plan)), 200_000, None))
    assert (keys, planned) == (range(800_000, 800_004), [])
    PairDataset(plan).__getitems__(keys)
    assert planned == [4]


def test_the_texts_are_neither_hashed_nor_copied():
    """2.3 GB of text, in chunks that share their memory: as large as Arrow lets no column be."""
    items = 576
    texts = pa.array([f"{number} " + "x" * 4_000_000 for number in range(64)])
    ids = pa.array([str(number) for number in range(items)])
    chunks = pa.chunked_array([texts] * (items // 64))
    table = pa.table({"id": ids, "query": chunks, "passage": chunks})
    numbers = np.arange(items, dtype=np.int32)
    large = ParallelCorpus("large", table, ("de",), numbers[:, None], numbers, "fingerprint")
    plan = BatchPlan([large], make_strategy("x-x"), batch_size=4, seed=1)
    before, start = pa.total_allocated_bytes(), time.process_time()
    dataset = PairDataset(plan)
    assert time.process_time() - start < 0.5
    assert pa.total_allocated_bytes() - before < 1_000_000
    assert len(dataset) == items
    (pair,) = dataset.__getitems__([0])
    row = plan.batch(0, 0).query_rows[0]
    assert pair["anchor"].startswith(f"{row % 64} x")
