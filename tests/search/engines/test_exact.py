"""The exact engine returns what sorting all scores returns, ties included."""

from __future__ import annotations

import numpy as np
import pytest

from evenrank.errors import DataError, UnknownNameError
from evenrank.search.base import Passage
from evenrank.search.engines.exact import ExactEngine
from evenrank.search.index.passages import table_of_passages


def sorted_lists(vectors, passages, queries_QLH, languages, k, keep=lambda passage: True):
    """Return the reference: all scores in float64, sorted by score, then by position."""
    found = []
    for query_LH in queries_QLH:
        lists = {}
        for column, language in enumerate(languages):
            own = [at for at, one in enumerate(passages) if one.language == language and keep(one)]
            query = query_LH[min(column, len(query_LH) - 1)].astype(np.float64)
            scores = (vectors[own].astype(np.float64) @ query).astype(np.float32)
            order = np.lexsort((own, -scores))[:k]
            lists[language] = ([passages[own[at]].id for at in order], scores[order])
        found.append(lists)
    return found


def assert_equal_lists(found, expected):
    assert len(found) == len(expected)
    for lists, wanted in zip(found, expected, strict=True):
        assert list(lists) == list(wanted)
        for language, (ids, scores) in wanted.items():
            assert list(lists[language].ids) == ids
            np.testing.assert_allclose(lists[language].scores, scores, atol=1e-6)


@pytest.mark.parametrize("count", [1, 3, 20])
@pytest.mark.parametrize("k", [1, 10, 200])
def test_every_language_gets_its_best_in_order(engine, vectors, passages, queries, count, k):
    some = queries[:count, None]
    expected = sorted_lists(vectors, passages, some, ["de", "en", "sw"], k)
    assert_equal_lists(engine.search(some, ["de", "en", "sw"], k), expected)


@pytest.mark.parametrize("count", [2, 20])
def test_each_language_may_have_a_vector_of_its_own(engine, vectors, passages, queries, count):
    wide = np.stack([queries[:count], queries[::-1][:count]], axis=1)
    expected = sorted_lists(vectors, passages, wide, ["sw", "de"], 7)
    assert_equal_lists(engine.search(wide, ["sw", "de"], 7), expected)


@pytest.mark.parametrize("count", [1, 20])
def test_filters_hold_for_all_of_their_fields(engine, vectors, passages, queries, count):
    filters = {"year": [2001, 2003.0], "source": "a", "open": False}

    def keep(passage):
        fields = passage.metadata
        return fields["year"] in (2001, 2003) and fields["source"] == "a" and not fields["open"]

    some = queries[:count, None]
    expected = sorted_lists(vectors, passages, some, ["de", "en", "sw"], 300, keep)
    assert_equal_lists(engine.search(some, ["de", "en", "sw"], 300, filters), expected)


def test_scores_do_not_depend_on_the_company_or_on_threads(vectors, passages, queries):
    table = table_of_passages("numbers", passages)
    together = [ExactEngine(vectors, table, threads=n) for n in (1, 3)]
    lists = [engine.search(queries[:, None], ["de", "en"], 50) for engine in together]
    alone = [together[0].search(query[None, None], ["de", "en"], 50)[0] for query in queries]
    for one, other, single in zip(*lists, alone, strict=True):
        for language in ("de", "en"):
            assert one[language].ids == other[language].ids == single[language].ids
            assert (one[language].scores == other[language].scores).all()
            assert (one[language].scores == single[language].scores).all()
    for engine in together:
        engine.close()


def test_more_queries_than_a_block_are_searched_in_several_passes(engine, queries):
    many = np.tile(queries, (14, 1))[:270, None]
    found = engine.search(many, ["en"], 4)
    once = engine.search(queries[:, None], ["en"], 4)
    assert len(found) == 270
    for number, lists in enumerate(found):
        assert lists["en"].ids == once[number % 20]["en"].ids
    assert engine.search(many[:0], ["en"], 4) == []


def test_half_precision_is_searched_as_it_is_stored(vectors, passages, queries):
    half = vectors.astype(np.float16)
    with ExactEngine(half, table_of_passages("numbers", passages)) as engine:
        for count in (1, 20):
            some = queries[:count, None]
            expected = sorted_lists(half, passages, some, ["de", "en"], 20)
            assert_equal_lists(engine.search(some, ["de", "en"], 20), expected)


def test_passages_are_fetched_in_the_order_of_ids(engine, passages):
    assert engine.fetch(["sw-0", "de-5", "sw-0"]) == [passages[-1], passages[5], passages[-1]]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"languages": ["xx"]}, UnknownNameError, "language 'xx'"),
        ({"vectors": np.ones((1, 1, 3), np.float32)}, DataError, "width 3, expected width 24"),
        ({"vectors": np.ones((1, 2, 24), np.float32)}, DataError, "1 or 1, 24"),
        ({"vectors": np.full((1, 1, 24), np.nan, np.float32)}, DataError, "NaN"),
        ({"filters": {"yaer": 1}}, UnknownNameError, "nearest is 'year'"),
        ({"filters": {"year": "2001"}}, DataError, "found '2001', expected a number"),
        ({"filters": {"open": 1}}, DataError, "found 1, expected true or false"),
    ],
)
def test_what_cannot_be_searched_is_refused(engine, queries, change, error, words):
    given = {"vectors": queries[:1, None], "languages": ["de"], "k": 3} | change
    with pytest.raises(error, match=words):
        engine.search(**given)


def test_a_number_beyond_the_field_matches_nothing(engine, queries):
    lists = engine.search(queries[:1, None], ["de"], 3, {"year": 10**30})
    assert len(lists[0]["de"]) == 0


def test_ids_that_are_missing_or_come_twice_are_named(engine, passages):
    with pytest.raises(DataError, match="no passage 'zz'"):
        engine.fetch(["de-1", "zz"])
    twice = [passages[0], passages[1], Passage("de-0", "en", "again")]
    with pytest.raises(DataError, match="id 'de-0' in rows 1 and 3"):
        table_of_passages("numbers", twice)
