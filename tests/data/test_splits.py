"""Splits: no passage and no article on two sides, in any language."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evenrank.data.corpus import ParallelCorpus, corpus_from_rows
from evenrank.data.splits import split_corpus
from evenrank.errors import ConfigError, DataError

PARTS = {"train": 0.6, "dev": 0.2, "test": 0.2}


def corpus_of(facts) -> ParallelCorpus:
    """A corpus from (item, language, passage, article or None)."""
    text = {"query": "?", "passage": "."}
    unique = {(item, lang): (passage, article) for item, lang, passage, article in facts}
    return corpus_from_rows(
        [
            {
                "id": f"q{item}",
                "lang": lang,
                "passage_id": f"p{passage}",
                "article": None if article is None else f"a{article}",
                **text,
            }
            for (item, lang), (passage, article) in unique.items()
        ],
        "test",
    )


def values(corpus: ParallelCorpus, column: str) -> set[str]:
    return set(corpus.column(column, corpus.rows[corpus.rows >= 0]))


def items(corpus: ParallelCorpus) -> list[str]:
    return corpus.column("id", corpus.first_rows)


facts = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.sampled_from(["de", "en", "fi"]),
        st.integers(0, 25),
        st.integers(0, 12),
    ),
    min_size=1,
    max_size=50,
)
fractions = st.sampled_from([PARTS, {"train": 0.5, "test": 0.5}, {"all": 1.0}])


@given(facts, fractions, st.sampled_from(["passage", "article"]), st.integers(0, 3))
def test_nothing_leaks_and_nothing_is_lost(facts, fractions, by, seed):
    corpus = corpus_of(facts)
    try:
        parts = split_corpus(corpus, fractions, by=by, seed=seed)
    except DataError:
        assume(False)  # too few units for so many parts; tested below
    assert sorted(item for part in parts.values() for item in items(part)) == sorted(items(corpus))
    assert sum((part.rows >= 0).sum() for part in parts.values()) == (corpus.rows >= 0).sum()
    for column in ("passage_id", "article")[: 1 if by == "passage" else 2]:
        seen = [values(part, column) for part in parts.values()]
        assert sum(map(len, seen)) == len(set().union(*seen))


@given(facts, st.integers(0, 3))
def test_the_order_of_rows_changes_nothing(facts, seed):
    unique = list({(fact[0], fact[1]): fact for fact in facts}.values())
    splits = []
    for rows in (unique, sorted(unique), unique[::-1]):
        try:
            parts = split_corpus(corpus_of(rows), {"a": 0.5, "b": 0.5}, by="passage", seed=seed)
        except DataError:
            assume(False)
        splits.append({name: sorted(items(part)) for name, part in parts.items()})
    assert splits[0] == splits[1] == splits[2]


@pytest.fixture
def articles() -> ParallelCorpus:
    """100 articles of 1 to 40 items in two languages, two items a passage."""
    sizes = np.random.default_rng(0).integers(1, 41, 100)
    article = np.repeat(np.arange(100), sizes)
    return corpus_of(
        (item, lang, item // 2 + 10_000 * about, about)
        for item, about in enumerate(article.tolist())
        for lang in ("de", "en")
    )


@pytest.mark.parametrize("by", ["passage", "article"])
@pytest.mark.parametrize("seed", range(5))
def test_sizes_are_near_to_the_fractions(articles, by, seed):
    parts = split_corpus(articles, PARTS, by=by, seed=seed)
    for name, share in PARTS.items():
        assert abs(len(parts[name]) - share * len(articles)) <= 10


def test_large_and_small_articles_are_on_every_side(articles):
    """Units are drawn whatever their size; filling up with small ones is for the last few only."""
    sizes = [[], []]
    for seed in range(5):
        parts = split_corpus(articles, {"train": 0.5, "test": 0.5}, by="article", seed=seed)
        for side, part in enumerate(parts.values()):
            names = part.column("article", part.first_rows)
            sizes[side] += np.unique(names, return_counts=True)[1].tolist()
    assert abs(np.mean(sizes[0]) - np.mean(sizes[1])) < 4


def test_a_seed_gives_one_split_and_another_seed_another(articles):
    one, same, other = (
        items(split_corpus(articles, PARTS, by="article", seed=seed)["test"]) for seed in (1, 1, 2)
    )
    assert one == same != other


def test_the_same_split_whichever_languages_are_read(articles):
    whole = split_corpus(articles, PARTS, by="article", seed=0)
    german = split_corpus(articles.restrict(["de"]), PARTS, by="article", seed=0)
    assert {name: items(part) for name, part in whole.items()} == {
        name: items(part) for name, part in german.items()
    }


def test_parts_are_named_and_know_their_content(articles):
    parts = split_corpus(articles, PARTS, by="passage", seed=0)
    assert [part.name for part in parts.values()] == ["test:train", "test:dev", "test:test"]
    assert len({part.fingerprint for part in parts.values()}) == 3


def test_a_passage_is_whole_where_articles_disagree():
    """Item 0 is in two articles, so both articles and all their passages are one unit."""
    facts = [(0, "de", 0, 0), (0, "en", 0, 1), (1, "de", 1, 0), (2, "en", 2, 1), (3, "en", 3, 2)]
    parts = split_corpus(corpus_of(facts), {"a": 0.7, "b": 0.3}, by="article", seed=0)
    assert sorted(map(len, parts.values())) == [1, 3]


def test_a_split_of_a_split_does_not_see_the_rest(articles):
    part = split_corpus(articles, PARTS, by="article", seed=0)["train"]
    again = split_corpus(part, {"one": 0.5, "two": 0.5}, by="article", seed=0)
    assert sorted(items(again["one"]) + items(again["two"])) == sorted(items(part))


def test_an_article_may_be_named_in_one_language_only():
    facts = [(0, "de", 0, 0), (0, "en", 0, None), (1, "en", 1, 1), (2, "en", 0, None)]
    parts = split_corpus(corpus_of(facts), {"a": 0.5, "b": 0.5}, by="article", seed=0)
    assert sorted(sorted(items(part)) for part in parts.values()) == [["q0", "q2"], ["q1"]]


def test_a_passage_without_an_article_is_a_unit_of_its_own():
    facts = [(0, "de", 0, 0), (1, "de", 1, 0), (2, "de", 2, None), (3, "en", 3, None)]
    parts = split_corpus(corpus_of(facts), {"a": 0.5, "b": 0.5}, by="article", seed=0)
    assert {tuple(sorted(items(part))) for part in parts.values()} >= {("q0", "q1")}
    thirds = {"a": 0.5, "b": 0.25, "c": 0.25}
    parts = split_corpus(corpus_of(facts), thirds, by="article", seed=0)
    assert sorted(sorted(items(part)) for part in parts.values()) == [["q0", "q1"], ["q2"], ["q3"]]


def test_a_corpus_without_articles_cannot_be_split_by_article():
    corpus = corpus_of([(0, "de", 0, None), (1, "de", 1, None)])
    with pytest.raises(DataError, match=r"found no article, .* Split by passage"):
        split_corpus(corpus, {"a": 0.5, "b": 0.5}, by="article", seed=0)
    assert len(split_corpus(corpus, {"a": 0.5, "b": 0.5}, by="passage", seed=0)) == 2


def test_more_parts_than_units_are_refused():
    corpus = corpus_of([(0, "de", 0, 0), (1, "de", 0, 0), (2, "de", 1, 0)])
    with pytest.raises(DataError, match=r"no items for '.*': there are 1 units"):
        split_corpus(corpus, {"a": 0.5, "b": 0.5}, by="article", seed=0)
    with pytest.raises(DataError, match="there are 2 units"):
        split_corpus(corpus, PARTS, by="passage", seed=0)
    nothing = corpus.select(np.array([], dtype=int))
    with pytest.raises(DataError, match="there are 0 units"):
        split_corpus(nothing, PARTS, by="passage", seed=0)


@pytest.mark.parametrize("bad", [{}, {"a": 0.5}, {"a": 0.8, "b": 0.3}, {"a": 1.5, "b": -0.5}])
def test_fractions_add_up_to_one(articles, bad):
    with pytest.raises(ConfigError, match="expected fractions above 0 that add up to 1"):
        split_corpus(articles, bad, by="passage", seed=0)


def test_thirds_add_up_to_one(articles):
    assert len(split_corpus(articles, dict.fromkeys("abc", 1 / 3), by="passage", seed=0)) == 3


def test_a_negative_seed_is_refused(articles):
    with pytest.raises(ConfigError, match="split seed: found -1"):
        split_corpus(articles, PARTS, by="passage", seed=-1)


def test_passages_with_an_empty_article_are_not_one_article():
    """SQuAD in Italian has 510 empty titles; they do not join articles of other languages."""
    text = {"query": "?", "passage": "."}
    titles = [f"Article {number // 2}" for number in range(20)]
    rows = [
        {"id": str(n), "passage_id": str(n), "lang": lang, "article": article, **text}
        for lang, articles in (("en", titles), ("it", ["", " ", *([""] * 16), *titles[18:]]))
        for n, article in enumerate(articles)
    ]
    corpus = corpus_from_rows(rows, "squad")
    parts = split_corpus(corpus, {"train": 0.5, "test": 0.5}, by="article", seed=0)
    assert [len(part) for part in parts.values()] == [10, 10]
