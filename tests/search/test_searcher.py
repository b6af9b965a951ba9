"""From queries to results: paging, languages, filters, groups, corrections, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from evenrank.debias.base import fit_correction
from evenrank.encoding.python_object import PythonObject
from evenrank.errors import ConfigError, DataError, UnknownNameError
from evenrank.search.correction import stored_numbers
from evenrank.search.engines.exact import ExactEngine
from evenrank.search.index.passages import table_of_passages
from evenrank.search.options import LONGEST
from evenrank.search.searcher import Searcher


class Encoder:
    """Encodes a text by the sum of the numbers of its words."""

    def _encode(self, texts):
        return [np.random.default_rng(sum(map(ord, text))).standard_normal(24) for text in texts]

    encode_query = encode_document = _encode


@pytest.fixture(scope="module")
def searcher(engine):
    return Searcher(engine, PythonObject(Encoder()))


def ids(results):
    return [one.id for one in results]


def test_results_are_the_best_of_all_languages(searcher, vectors, passages, queries):
    results = searcher.search_vectors(queries[:2], k=5, policy="raw")
    for query, found in zip(queries, results, strict=False):
        scores = vectors.astype(np.float64) @ query.astype(np.float64)
        best = np.lexsort((np.arange(len(scores)), -scores.astype(np.float32)))[:5]
        assert ids(found) == [passages[at].id for at in best]
        assert [one.place for one in found] == [1, 2, 3, 4, 5]
        np.testing.assert_allclose([one.raw_score for one in found], scores[best], atol=1e-6)
        assert found[0].text == passages[best[0]].text
        assert found[0].metadata == passages[best[0]].metadata


def test_pages_neither_repeat_nor_skip(searcher, queries):
    whole = ids(searcher.search_vectors(queries[0], k=30)[0])
    pages = [ids(searcher.search_vectors(queries[0], k=10, offset=at)[0]) for at in (0, 10, 20)]
    assert [one for page in pages for one in page] == whole
    places = [one.place for one in searcher.search_vectors(queries[0], k=10, offset=20)[0]]
    assert places == list(range(21, 31))
    assert searcher.search_vectors(queries[0], k=10, offset=9_000)[0] == []


def test_languages_are_chosen_or_left_out(searcher, queries):
    some = searcher.search_vectors(queries[0], k=50, languages="en,sw")[0]
    assert {one.language for one in some} == {"en", "sw"}
    assert some == searcher.search_vectors(queries[0], k=50, exclude=["de"])[0]


def test_a_group_is_shown_once_in_the_language_of_the_query(searcher, queries):
    options = {"query_languages": "en", "policy": "raw"}
    found = searcher.search_vectors(queries[0], k=200, collapse=True, **options)[0]
    groups = [one.group for one in found]
    assert len(set(groups)) == len(groups) == 200
    plain = searcher.search_vectors(queries[0], k=3000, **options)[0]
    assert groups == list(dict.fromkeys(one.group for one in plain))[:200]
    seen = {one.group for one in plain[:600] if one.language == "en"} & set(groups)
    assert seen == {one.group for one in found if one.language == "en"}
    best = {one.group: one.language for one in reversed(plain)}
    assert any(best[group] != "en" for group in seen)  # the passage in English replaced another


def test_words_are_encoded_and_vectors_are_taken_as_they_are(searcher):
    vector = Encoder().encode_query(["two words"])[0]
    by_words = searcher.search("two words", k=3)
    by_vector = searcher.search_vectors(vector / np.linalg.norm(vector), k=3)
    assert ids(by_words[0]) == ids(by_vector[0])


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("center", {}),
        ("center", {"unit": False}),
        ("project", {"rank": 2}),
        ("calibrate", {"by": "mean"}),
        ("calibrate", {"by": "z"}),
        ("calibrate", {"by": "top", "k": 5}),
        ("csls", {"k": 3}),
        ("flatten", {"k": 3}),
    ],
)
def test_corrected_search_is_the_corrected_score_of_every_passage(
    engine, vectors, passages, queries, method, settings
):
    langs = np.array([one.language for one in passages])
    blocks = [(vectors[langs == lang], lang) for lang in ("de", "en")]
    blocks.append((np.repeat(vectors[langs == "sw"], 2, axis=0), "sw"))
    correction = fit_correction(method, blocks, blocks, settings=settings)
    query_langs = ["de", "sw", "en"]
    form_langs = np.array(query_langs)
    best = None
    if correction.best_needed:
        raw = queries[:3].astype(np.float64) @ vectors.T
        best = np.full((3, 3, 5), np.nan)
        for column, lang in enumerate(("de", "en", "sw")):
            top = np.sort(raw[:, langs == lang], axis=1)[:, ::-1][:, :5]
            best[:, column, : top.shape[1]] = top
    form = correction.for_index(queries[:3], form_langs, best)
    scores = form.scores(vectors, langs, correction.stored(vectors, langs))
    searcher = Searcher(engine, None, correction, stored_numbers(engine, correction))
    found = searcher.search_vectors(queries[:3], k=40, query_languages=query_langs, policy="raw")
    for row, results in zip(scores, found, strict=True):
        np.testing.assert_allclose(
            [one.score for one in results], np.sort(row)[::-1][:40], atol=2e-6
        )
        places = {one.id: at for at, one in enumerate(passages)}
        own = [row[places[one.id]] for one in results]
        np.testing.assert_allclose(own, [one.score for one in results], atol=2e-6)
        for one in results:
            raw_score = vectors[places[one.id]] @ queries[found.index(results)]
            assert one.raw_score == pytest.approx(raw_score, abs=1e-5)
            assert one.raw_score + one.correction == pytest.approx(one.score, abs=1e-5)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"k": 0}, ConfigError, "k: found 0, expected a whole number, at least 1"),
        ({"k": True}, ConfigError, "k: found True"),
        ({"k": 10**9}, ConfigError, "found 1,000,000,000 places, expected offset"),
        ({"offset": -1}, ConfigError, "offset: found -1"),
        ({"policy": "fair"}, UnknownNameError, "unknown policy 'fair'"),
        ({"balance": 1.5}, ConfigError, "balance: found 1.5, expected a number from 0 to 1"),
        ({"balance": float("nan")}, ConfigError, "balance: found nan"),
        ({"weights": {"fr": 2}}, UnknownNameError, "unknown language 'fr'"),
        ({"weights": {"de": -1}}, ConfigError, "weights of 'de': found -1"),
        ({"languages": "fr"}, UnknownNameError, "unknown language 'fr'"),
        ({"languages": "xyzzy"}, DataError, "language code 'xyzzy'"),
        ({"exclude": "de,en,sw"}, ConfigError, "no language left"),
        ({"filters": {"yaer": 1}}, UnknownNameError, "unknown field 'yaer'"),
        ({"query_languages": ["de", "en"]}, ConfigError, "found 2 languages, expected 1"),
        ({"sort": "date"}, UnknownNameError, "unknown option 'sort'"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(searcher, queries, options, error, words):
    with pytest.raises(error, match=words):
        searcher.search_vectors(queries[0], **options)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "query: found an empty text"),
        ("\x00\x1f \u200b", "found nothing visible"),
        ("a" * (LONGEST + 1), "found 32,769 characters, expected at most 32,768"),
        ("a" * 10_000_000, "found 10,000,000 characters"),
        (7, "found int, expected a text"),
    ],
)
def test_queries_that_cannot_be_meant_are_refused(searcher, text, words):
    with pytest.raises(DataError, match=words):
        searcher.search([text])


def test_what_does_not_fit_together_is_refused(engine, searcher, vectors, passages):
    with pytest.raises(DataError, match="width 3, expected width 24"):
        searcher.search_vectors(np.ones(3))
    with pytest.raises(ConfigError, match="no model"):
        Searcher(engine).search("words")
    blocks = [(vectors[:50], "de"), (vectors[50:99], "fr")]
    with pytest.raises(DataError, match="found no 'en', of which numbers has passages"):
        Searcher(engine, None, fit_correction("center", blocks))
    blocks = [(vectors[:50], "de"), (vectors[50:99], "en"), (vectors[99:120], "sw")]
    with pytest.raises(ConfigError, match="a number for each passage"):
        Searcher(engine, None, fit_correction("center", blocks))
    plain = fit_correction("center", blocks, settings={"unit": False})
    with pytest.raises(ConfigError, match="query language: found none"):
        Searcher(engine, None, plain).search_vectors(vectors[0])


def test_an_engine_without_passages_of_equal_number_is_refused(vectors, passages):
    with pytest.raises(DataError, match="expected 3,071 rows"):
        ExactEngine(vectors[:5], table_of_passages("numbers", passages))


def corrected(engine, vectors, passages, method, **settings):
    """A searcher with a correction that was fitted on its passages."""
    langs = [one.language for one in passages]
    blocks = [(vectors[at : at + 1], lang) for at, lang in enumerate(langs)] * 2
    correction = fit_correction(method, blocks, blocks, settings=settings)
    return Searcher(engine, None, correction, stored_numbers(engine, correction))


@pytest.mark.parametrize("method", ["project", "flatten", "calibrate"])
def test_at_balance_0_the_order_is_that_of_raw_scores(
    engine, searcher, vectors, passages, queries, method
):
    other = corrected(engine, vectors, passages, method)
    asked = {"k": 40, "query_languages": "de"}
    plain = searcher.search_vectors(queries, policy="raw", **asked)
    assert other.search_vectors(queries, balance=0, **asked) == plain
    assert other.search_vectors(queries, policy="raw", corrected=False, **asked) == plain
    assert other.search_vectors(queries, policy="raw", **asked) != plain


@pytest.mark.parametrize(
    ("method", "policy"),
    [
        ("flatten", "balanced(lead=5.75)"),
        ("calibrate", "balanced(lead=5.75)"),
        ("csls", "balanced"),  # it leaves the levels of the languages
    ],
)
def test_without_levels_the_query_language_gets_a_larger_lead(
    engine, vectors, passages, queries, method, policy
):
    found = corrected(engine, vectors, passages, method)
    asked = {"k": 40, "query_languages": "de"}
    every = found.search_vectors(queries, **asked)
    assert every == found.search_vectors(queries, policy=policy, **asked)
    for other in {"balanced", "balanced(lead=5.75)"} - {policy}:
        assert every != found.search_vectors(queries, policy=other, **asked)
