"""Descriptions: figures that a person can count."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st

from evenrank.data.corpus import corpus_from_rows
from evenrank.data.description import Repeats, describe_corpus


def test_sizes_and_overlap(rows):
    about = describe_corpus(corpus_from_rows(rows, "test"))
    assert (about.name, about.items, about.rows) == ("test", 6, 16)
    assert about.languages == {"de": 6, "en": 6, "fi": 4}
    assert about.overlap["de"] == {"de": 6, "en": 6, "fi": 4}
    assert about.overlap["fi"] == {"de": 4, "en": 4, "fi": 4}
    assert (about.passages, about.articles, about.items_without_article) == (3, 2, 0)


def test_a_part_is_described_without_the_rest(rows):
    about = describe_corpus(corpus_from_rows(rows, "test").select(np.array([0, 4])))
    assert (about.items, about.rows, about.passages, about.articles) == (2, 5, 2, 2)
    assert about.languages == {"de": 2, "en": 2, "fi": 1}


def test_articles_may_be_unknown(rows):
    for row in rows[:-2]:
        row["article"] = None
    about = describe_corpus(corpus_from_rows(rows, "test"))
    assert (about.articles, about.items_without_article) == (1, 5)


def test_lengths_are_percentiles_of_characters():
    rows = [
        {"id": str(n), "passage_id": str(n), "lang": "zh", "query": "谁" * n, "passage": "🙂" * 7}
        for n in range(1, 102)
    ]
    texts = describe_corpus(corpus_from_rows(rows, "test")).texts["zh"]
    assert texts.query_characters == (1, 6, 51, 96, 101)
    assert texts.passage_characters == (7, 7, 7, 7, 7)


def row(item, passage, query, text, lang="en"):
    return {"id": item, "passage_id": passage, "lang": lang, "query": query, "passage": text}


def test_queries_that_several_items_share():
    rows = [
        row("1", "a", "Who?", "Ada."),
        row("2", "b", "Who?", "Bob."),
        row("3", "b", "Who?", "Bob."),
        row("4", "b", "What?", "Bob."),
        row("5", "b", "When?", "Bob."),
        row("6", "c", "What?", "Cy."),
        row("6", "c", "Who?", "Cy.", lang="de"),
    ]
    texts = describe_corpus(corpus_from_rows(rows, "test")).texts
    assert texts["en"].repeated_queries == Repeats(
        texts=2, items=5, examples={"Who?": ("1", "2", "3"), "What?": ("4", "6")}
    )
    assert texts["de"].repeated_queries == Repeats(0, 0, {})


def test_passages_that_stand_under_several_ids():
    rows = [
        row("1", "a", "1?", "Ada."),
        row("2", "a", "2?", "Ada."),  # one passage, two questions: as it should be
        row("3", "b", "3?", "Bob."),
        row("4", "c", "4?", "Bob."),
        row("5", "c", "5?", "Bob."),
    ]
    texts = describe_corpus(corpus_from_rows(rows, "test")).texts
    assert texts["en"].repeated_passages == Repeats(1, 3, {"Bob.": ("3", "4")})


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12))
def test_repeats_are_those_of_counting_by_hand(pairs):
    rows = [row(str(n), f"p{p}", f"{n}?", f"text {t}") for n, (p, t) in enumerate(pairs)]
    found = describe_corpus(corpus_from_rows(rows, "test")).texts["en"].repeated_passages
    ids_of_text: dict[int, set[int]] = {}
    for passage, text in pairs:
        ids_of_text.setdefault(text, set()).add(passage)
    repeated = {text for text, passages in ids_of_text.items() if len(passages) > 1}
    assert found.texts == len(repeated)
    assert found.items == sum(text in repeated for _, text in pairs)
    assert set(found.examples) <= {f"text {text}" for text in repeated}


def test_a_description_is_json(rows):
    about = describe_corpus(corpus_from_rows(rows, "test"))
    again = orjson.loads(orjson.dumps(asdict(about)))
    assert again["texts"]["de"]["query_characters"] == [17, 17, 17, 17, 17]
