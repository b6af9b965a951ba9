"""Corrections are chosen on parallel texts that they were not fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from evenrank.data.corpus import corpus_from_rows
from evenrank.debias.base import fit_correction
from evenrank.debias.canaries import Canaries, choose, lower_ranks
from evenrank.debias.corpus import fit_on_corpus
from evenrank.debias.overlap import refuse_overlap, sketch
from evenrank.encoding.base import build_encoder
from evenrank.encoding.fingerprint import model_fingerprint
from evenrank.errors import ConfigError, DataError

LANGUAGES = ("de", "en", "fi")


def parallel(seed, directions, items=40, width=10):
    """Items in three languages that differ along some directions only."""
    random = np.random.default_rng(seed)
    meaning = random.normal(0, 1, (items, width))
    offsets = np.zeros((3, width))
    offsets[:, :directions] = np.eye(3)[:, :directions] * 3
    rows = meaning + offsets[:, None] + random.normal(0, 0.05, (3, items, width))
    return (rows / np.linalg.norm(rows, axis=2, keepdims=True)).astype(np.float32)


def fitted(directions, **settings):
    rows = parallel(1, directions)
    blocks = list(zip(rows, LANGUAGES, strict=True))
    return fit_correction("project", blocks, settings=settings)


def test_rank_distance_against_a_loop():
    canaries = Canaries(LANGUAGES, parallel(2, 2), parallel(3, 2))
    correction = fitted(2).with_strength(0.5)
    queries = correction.apply(canaries.queries.reshape(-1, 10), None, "query")
    passages = correction.apply(canaries.passages.reshape(-1, 10), None, "passage")
    distances = []
    for number, scores in enumerate(queries.astype(np.float64) @ passages.T):
        order = np.argsort(-scores).tolist()
        ranks = [order.index(lang * 40 + number % 40) for lang in range(3)]
        distances.append(max(ranks) - min(ranks))
    assert canaries.rank_distance(correction) == pytest.approx(np.mean(distances) / 119, abs=1e-4)


def test_a_correction_that_helps_is_chosen():
    canaries = Canaries(LANGUAGES, parallel(2, 2), parallel(2, 2))
    whole = fitted(2)
    assert choose([whole.with_strength(0), whole], canaries) is whole
    assert canaries.rank_distance(whole) < 0.3 * canaries.rank_distance(whole.with_strength(0))


@pytest.mark.parametrize("method", ["center", "calibrate", "csls", "lir"])
def test_every_kind_of_correction_has_a_rank_distance(method):
    rows = parallel(1, 2)
    correction = fit_correction(method, list(zip(rows, LANGUAGES, strict=True)))
    canaries = Canaries(LANGUAGES, parallel(2, 2), parallel(2, 2))
    assert 0 < canaries.rank_distance(correction) <= 1


def test_lower_ranks_are_those_of_a_fit_with_this_rank():
    ranks = lower_ranks(fitted(2))
    assert [one.fit.settings["rank"] for one in ranks] == [1, 2]
    rows = parallel(4, 2)[0]
    for one in ranks:
        again = fitted(2, rank=one.fit.settings["rank"])
        assert np.array_equal(one.apply(rows, None, "query"), again.apply(rows, None, "query"))


def test_canaries_in_one_language():
    rows = parallel(1, 2)
    with pytest.raises(DataError, match="40 items in 1 languages"):
        Canaries(("de",), rows[:1], rows[:1])


NUMBERS = ["one two", "two three", "three four", "four five", "five six", "six one"] * 4


@pytest.fixture(scope="module")
def corpus():
    rows = [
        {
            "id": str(at),
            "passage_id": str(at),
            "lang": lang,
            "query": f"{lang} {text} {at}?",
            "passage": f"{lang} {text} {at}",
        }
        for at, text in enumerate(NUMBERS)
        for lang in LANGUAGES
    ]
    return corpus_from_rows(rows, "numbers")


@pytest.fixture(scope="module")
def encoder(corpus):
    return build_encoder("static", corpus.column("passage", corpus.rows.ravel()), {"width": 12})


def test_a_rank_is_chosen_on_items_that_are_held_out(corpus, encoder):
    correction = fit_on_corpus(encoder, corpus, "project", choose_rank=True, strength=0.5)
    assert correction.fit.settings["rank"] in (1, 2)
    assert correction.strength == 0.5
    assert correction.fit.encoder == model_fingerprint(encoder)
    held = corpus.column("passage", corpus.rows[::5].ravel())
    refuse_overlap(correction.fit.texts, held, "held-out items")
    assert correction.fit.counts["passage"] == dict.fromkeys(LANGUAGES, len(NUMBERS) - 5)


def test_items_are_spread_over_the_corpus_and_each_text_counts_once(corpus, encoder):
    correction = fit_on_corpus(encoder, corpus, "center", items=6)
    assert correction.fit.counts["query"] == dict.fromkeys(LANGUAGES, 6)
    texts = corpus.column("query", corpus.rows[::4].ravel())
    texts += corpus.column("passage", corpus.rows[::4].ravel())
    assert np.array_equal(correction.fit.texts, sketch(texts))


def test_a_rank_is_chosen_for_projections_only(corpus, encoder):
    with pytest.raises(ConfigError, match="'project' alone"):
        fit_on_corpus(encoder, corpus, "center", choose_rank=True)
