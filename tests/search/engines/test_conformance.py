"""What every engine does, on exact settings, compared with NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from evenrank.errors import DataError, UnknownNameError
from evenrank.search.base import Passage
from evenrank.search.engines.exact import ExactEngine
from evenrank.search.searcher import Searcher

from .conftest import SIZES, TOPICS, Data, changed, unit

LANGUAGES = list(SIZES)


def check_lists(engine, found, data, vectors, languages, k, allowed=lambda passage: True):
    """Compare the lists of each query with those of NumPy; vectors are ``(Q, L, H)``."""
    by_id = not isinstance(engine, ExactEngine)
    assert len(found) == len(vectors)
    for lists, rows in zip(found, vectors, strict=True):
        assert list(lists) == list(languages)
        for row, language in zip(rows, languages, strict=True):
            ids, scores = data.expected(row, language, k, allowed, by_id=by_id)
            assert list(lists[language].ids) == ids
            assert lists[language].scores.dtype == np.float32
            assert lists[language].scores == pytest.approx(scores, abs=1e-5)


def each(queries, languages):
    return np.repeat(queries, len(languages), axis=1)


def test_facts(filled):
    assert filled.width == 8
    assert filled.counts == SIZES
    assert list(filled.counts) == sorted(SIZES)
    assert filled.exact


@pytest.mark.parametrize("k", [1, 4, 1000])
def test_lists_are_exact_with_ties_by_id(filled, tied, tied_queries, k):
    found = filled.search(tied_queries, LANGUAGES, k)
    check_lists(filled, found, tied, each(tied_queries, LANGUAGES), LANGUAGES, k)


def test_languages_are_given_in_the_order_asked_for(filled, tied, tied_queries):
    languages = ["ja", "ar"]
    found = filled.search(tied_queries, languages, 5)
    check_lists(filled, found, tied, each(tied_queries, languages), languages, 5)


def test_each_language_may_have_a_vector_of_any_length(filled, tied):
    vectors = np.random.default_rng(3).normal(size=(2, len(LANGUAGES), 8)).astype(np.float32)
    found = filled.search(vectors, LANGUAGES, 6)
    check_lists(filled, found, tied, vectors, LANGUAGES, 6)


@pytest.mark.parametrize(
    ("filters", "allowed"),
    [
        ({"year": 2001}, lambda m: m["year"] == 2001),
        ({"year": 2001.0}, lambda m: m["year"] == 2001),
        ({"year": [2001, 2003, 1]}, lambda m: m["year"] in (2001, 2003)),
        ({"topic": TOPICS[2]}, lambda m: m["topic"] == TOPICS[2]),
        ({"topic": ["art", TOPICS[2], "none"]}, lambda m: m["topic"] in ("art", TOPICS[2])),
        ({"draft": True}, lambda m: m["draft"]),
        ({"weight": [0.25, 0.5]}, lambda m: m["weight"] in (0.25, 0.5)),
        ({"year": 2002, "draft": False}, lambda m: m["year"] == 2002 and not m["draft"]),
        ({"year": 10**30}, lambda m: False),
        ({"year": []}, lambda m: False),
    ],
)
def test_filters(filled, tied, tied_queries, filters, allowed):
    found = filled.search(tied_queries, LANGUAGES, 5, filters)
    check_lists(
        filled,
        found,
        tied,
        each(tied_queries, LANGUAGES),
        LANGUAGES,
        5,
        lambda p: allowed(p.metadata),
    )


@pytest.mark.parametrize(
    "field", ["colour", 'year" = 1 or "a', "year'; drop table x; --", "", "a.b"]
)
def test_a_filter_on_an_unknown_field_is_refused(filled, tied_queries, field):
    with pytest.raises((DataError, UnknownNameError), match="unknown field"):
        filled.search(tied_queries, ["de"], 5, {field: 1})


@pytest.mark.parametrize(
    ("shape", "languages", "k", "message"),
    [
        ((1, 1, 8), ["fr"], 5, "unknown language 'fr', expected one of ar, de, en, ja"),
        ((1, 1, 8), ["de", "' or true --"], 5, "unknown language"),
        ((1, 1, 9), ["de"], 5, r"shape \(1, 1, 9\)|width 9"),
        ((1, 3, 8), ["de", "en"], 5, r"\(1, 3, 8\)"),
        ((8,), ["de"], 5, r"\(8,\)"),
    ],
)
def test_a_search_that_cannot_be_done_is_refused(filled, shape, languages, k, message):
    with pytest.raises((DataError, UnknownNameError), match=message):
        filled.search(np.ones(shape, dtype=np.float32), languages, k)


def test_a_vector_that_is_not_finite_is_refused(filled, tied_queries):
    with pytest.raises(DataError, match="NaN or infinity"):
        filled.search(tied_queries * np.nan, ["de"], 5)


def test_passages_come_as_they_were_written(filled, tied):
    wanted = [tied.passages[at] for at in (70, 3, 40, 3)]
    assert filled.fetch([passage.id for passage in wanted]) == wanted
    assert filled.fetch([]) == []


@pytest.mark.parametrize("missing", ["de/999", "' or true --", "7"])
def test_an_id_that_is_not_there_is_refused(filled, tied, missing):
    with pytest.raises(DataError, match="no passage"):
        filled.fetch([tied.passages[0].id, missing])


def test_a_searcher_balances_what_an_engine_finds(filled, tied, tied_queries):
    searcher = Searcher(filled)
    vectors = tied_queries[:, 0]
    raw = searcher.search_vectors(vectors, k=20, policy="raw")
    even = searcher.search_vectors(vectors, k=20, policy="round-robin", filters={"draft": True})
    pages = [searcher.search_vectors(vectors, k=10, offset=at, policy="raw") for at in (0, 10)]
    texts = {passage.id: passage.text for passage in tied.passages}
    for number in range(len(vectors)):
        scores = [one.raw_score for one in raw[number]]
        assert scores == sorted(scores, reverse=True)
        assert [one.language for one in even[number][:4]] != [
            one.language for one in raw[number][:4]
        ]
        assert {one.language for one in even[number][:4]} == set(LANGUAGES)
        assert all(one.metadata["draft"] and one.text == texts[one.id] for one in even[number])
        assert pages[0][number] + pages[1][number] == raw[number]


def test_changes_are_seen_and_only_changes_are_sent(case, tied, tied_queries):
    first = tied.part(range(3, len(tied.passages)))  # no Arabic
    written = case.write(first, model="a", prompts=("q: ", "p: "))
    assert (written.sent, written.unchanged, written.removed) == (87, 0, 0)
    with case.open() as engine:
        assert engine.about == {"model": "a", "prompts": ["q: ", "p: "]}
        assert set(engine.counts) == {"de", "en", "ja"}
        later = tied.part([*range(20), *range(30, len(tied.passages))])
        later.passages[5] = changed(later.passages[5], text="new", metadata={"year": 5})
        later.vectors[6] = unit(np.arange(8))
        written = case.write(later, model="a", prompts=["q: ", "p: "])
        assert (written.sent, written.unchanged, written.removed) == (5, 75, 10)
        found = engine.search(tied_queries, LANGUAGES, 50)
        check_lists(engine, found, later, each(tied_queries, LANGUAGES), LANGUAGES, 50)
        assert engine.fetch([later.passages[5].id]) == [later.passages[5]]
        with pytest.raises(DataError, match="no passage"):
            engine.fetch([tied.passages[25].id])
        written = case.write(later, model="a")
        assert (written.sent, written.unchanged, written.removed) == (0, 80, 0)


def test_an_interrupted_run_goes_on_and_is_not_searched_before(case, tied):
    def breaks():
        yield from tied.passages[:70]
        raise KeyboardInterrupt

    prompts = ("q: ", "p: ")
    with pytest.raises(KeyboardInterrupt):
        case.write(Data(breaks(), tied.vectors), prompts=prompts)
    with pytest.raises(DataError, match="not complete"):
        case.open()
    written = case.write(tied, prompts=prompts)
    assert written.sent + written.unchanged == 90
    assert written.unchanged >= 16  # whole batches that had been sent
    with pytest.raises(KeyboardInterrupt):  # an update by the same model, then one by another
        case.write(Data(breaks(), tied.vectors), prompts=prompts)
    case.open()
    with pytest.raises(KeyboardInterrupt):
        case.write(Data(breaks(), tied.vectors), prompts=("", ""))
    with pytest.raises(DataError, match="not complete"):
        case.open()


def test_another_width_is_refused(case, tied):
    case.write(tied)
    with pytest.raises(DataError, match="width 8, expected 9"):
        case.write(Data(tied.passages, np.ones((90, 9), dtype=np.float32)))


@pytest.mark.parametrize(
    ("passages", "vectors", "message"),
    [
        ([Passage("a", "de", "x")], [[0, 0]], "without a direction"),
        ([Passage("a", "de", "x")], [[np.nan, 1]], "without a direction"),
        ([Passage("a", "de", "x")], [[1, 0], [0, 1]], "1 passages, expected 2"),
        ([Passage("a", "de", "x"), Passage("b", "de", "x")], [[1, 0]], "more than 1 passages"),
        ([Passage("a", "de", "x"), Passage("a", "en", "y")], [[1, 0], [0, 1]], "come twice"),
        ([Passage("a", "de", "x\0")], [[1, 0]], "the character NUL"),
        ([Passage("a", "de", "\ud800")], [[1, 0]], "expected text in UTF-8"),
        ([Passage("", "de", "x")], [[1, 0]], "an empty id"),
        ([Passage("a", "de", "x", "", {"n": 10**30})], [[1, 0]], "64-bit"),
        ([Passage("a", "de", "x", "", {"n": float("nan")})], [[1, 0]], "NaN or infinity"),
    ],
)
def test_what_cannot_be_stored_is_refused(case, passages, vectors, message):
    with pytest.raises(DataError, match=message):
        case.write(Data(passages, np.array(vectors, dtype=np.float32)))


def test_texts_that_look_like_an_escape_of_nul_are_stored(case):
    passage = Passage("a\\u0000", "de", "b\\u0000 \\")
    case.write(Data([passage], np.ones((1, 2), dtype=np.float32)))
    with case.open() as engine:
        assert engine.fetch([passage.id]) == [passage]
