"""The pass over the passages gives what a full matrix of scores gives, corrected or not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evenrank.debias.base import fit_correction
from evenrank.errors import ConfigError, DataError
from evenrank.measures.base import example_pool, parse_measure
from evenrank.probing.base import probe_figures
from evenrank.probing.observe import Asked, observe
from evenrank.ranking.cells import single_cells

SIZES = (9_000, 6_000, 4_000, 2_000)
"""More passages than one tile."""


def corrections(one):
    """Corrections of vectors and of scores, with the vectors that they are fitted on."""
    tags = one.pool.names(one.pool.langs)
    passages, queries = (
        [(one.pool.rows, tags)],
        [(one.asked.vectors, one.pool.names(one.asked.langs))],
    )
    yield None
    for name, settings in (
        ("center", {}),
        ("calibrate", {"by": "z"}),
        ("calibrate", {"by": "top"}),
        ("csls", {}),
    ):
        yield fit_correction(name, passages, queries, settings=settings, strength=0.7)


def full_scores(one, correction, queries, langs, passages, passage_langs):
    tags = one.pool.names(langs), one.pool.names(passage_langs)
    if correction is None:
        return queries @ passages.T
    if correction.changes_vectors:
        return (
            correction.apply(queries, tags[0], "query")
            @ correction.apply(passages, tags[1], "passage").T
        )
    k, known = correction.best_needed, correction.fit.languages("passage")
    best = None
    if k:
        raw, codes = queries @ one.pool.rows.T, one.pool.langs
        best = np.stack(
            [-np.sort(-raw[:, codes == at], axis=1)[:, :k] for at in range(len(known))], 1
        )
    form = correction.for_index(queries, tags[0], best)
    return form.scores(passages, tags[1], correction.stored(passages, tags[1]))


@pytest.mark.parametrize("number", range(5))
def test_one_pass_is_the_full_matrix(world, number):
    one = world(5, 0.3, sizes=SIZES, queries=10, items=8)
    correction = list(corrections(one))[number]
    found = observe(replace(one.pool, correction=correction), *one[1:], k=7)

    scores = full_scores(
        one, correction, one.asked.vectors, one.asked.langs, one.pool.rows, one.pool.langs
    )
    ranked = np.argsort(-scores, axis=1, kind="stable")[:, :7]
    agree = np.mean([len(set(a) & set(b)) for a, b in zip(found.queries.top, ranked, strict=True)])
    assert agree > 6.99

    items, count, width = one.canaries.queries.shape
    langs = np.tile(one.canaries.langs, items)
    queries, answers = (x.reshape(-1, width) for x in (one.canaries.queries, one.canaries.passages))
    both = np.concatenate([one.pool.rows, answers]), np.concatenate([one.pool.langs, langs])
    scores = full_scores(one, correction, queries, langs, *both)
    size = len(one.pool.rows)
    for query in range(0, len(queries), 7):
        item = query // count
        own = size + item * count + np.arange(count)
        for lang in range(count):
            kept = np.ones(scores.shape[1], dtype=bool)
            kept[own] = False  # the other translations are taken out
            rank = int((scores[query, kept] > scores[query, own[lang]]).sum())
            assert abs(found.planted.above[item, query % count, lang] - rank) <= 1


def test_the_access_gap_is_that_of_an_evaluation(world):
    """The setting ``single`` of an evaluation, with the canaries as a benchmark, gives the same."""
    one = world(6, 0.4, items=12)
    items, count, width = one.canaries.queries.shape
    answers = one.canaries.passages.reshape(-1, width)
    scores = one.canaries.queries.reshape(-1, width) @ np.concatenate([one.pool.rows, answers]).T
    ranks = 1 + np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
    names = one.pool.languages
    first = len(one.pool.rows) + np.arange(items * count) // count * count
    pool = example_pool(
        [
            {names[lang]: [int(ranks[query, start + lang])] for lang in range(count)}
            for query, start in enumerate(first)
        ],
        sizes=dict.fromkeys(names, 120 + items),
        query_langs=[names[query % count] for query in range(items * count)],
    )
    cells = single_cells(pool)
    means = cells.means(parse_measure("R@10")(cells.pool))
    found = probe_figures(observe(*one))["access_gap"]
    assert [list(row.values()) for row in found.matrix.values()] == means.tolist()
    own = means.trace() / count
    assert found.value == pytest.approx(own - (means.sum() - own * count) / (count**2 - count))


def test_a_passage_does_not_find_itself(world):
    one = world(2)
    asked = Asked(one.pool.rows[one.sample], one.pool.langs[one.sample].astype(np.int64), True)
    found = observe(one.pool, one.sample, asked)
    assert not (found.queries.top == one.sample[:, None]).any()
    assert not (found.neighbours.top == one.sample[:, None]).any()
    assert not any(figure.biased for figure in probe_figures(found).values())


def test_without_canaries_their_measures_are_left_out(world):
    one = world(2)
    assert not {"access_gap", "swap_shift"} & set(probe_figures(observe(*one[:3])))


def test_a_correction_of_scores_leaves_vectors_alone(world):
    one = world(2, 0.5)
    *_, csls = corrections(one)
    found = probe_figures(observe(replace(one.pool, correction=csls), *one[1:]))
    assert not {"purity", "decodability", "score_offset"} & set(found)
    assert "access_gap" in found


def test_a_correction_removes_the_offset_that_was_put_in(world):
    one = world(4, 0.5)
    _, center, *_ = corrections(one)
    before = probe_figures(observe(*one))["access_gap"]
    after = probe_figures(observe(replace(one.pool, correction=center.with_strength(1)), *one[1:]))
    assert before.biased
    assert after["access_gap"].value < before.value / 4


def test_bad_input(world):
    one = world(0)
    with pytest.raises(ConfigError, match="k: found 480, expected 1 to 479"):
        observe(*one, k=480)
    single = replace(one.pool, langs=np.zeros_like(one.pool.langs))
    with pytest.raises(DataError, match="one language only"):
        observe(single, *one[1:])
    langs = np.zeros_like(one.pool.langs)
    langs[0] = 1
    with pytest.raises(DataError, match="1 passage in 'en'"):
        observe(replace(one.pool, langs=langs), *one[1:])
    broken = one.pool.rows.copy()
    broken[7, 3] = np.nan
    with pytest.raises(DataError, match="NaN"):
        observe(replace(one.pool, rows=broken), *one[1:])
