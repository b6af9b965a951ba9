"""Real corpora, where ``EVENRANK_DATA`` names their folder."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from evenrank.benchmarks.benchmark import load_benchmark
from evenrank.benchmarks.export import export_benchmark
from evenrank.data.description import describe_corpus
from evenrank.data.opening import open_corpus
from evenrank.data.splits import split_corpus

OUTSIDE_XQUAD = {"da": 9731, "en": 10174, "es": 8635, "fi": 10174, "it": 6812, "sv": 9555}


@pytest.fixture
def squad(real_data):
    """SQuAD dev in six languages without the paragraphs that XQuAD uses, and what was left out."""
    return open_corpus(real_data / "squad-dev-parallel", where="in_xquad_paragraph = false")


def test_squad_dev_has_the_rows_of_its_files(squad, real_data):
    corpus, counts = squad, squad.counts
    assert dict(zip(corpus.languages, (corpus.rows >= 0).sum(axis=0).tolist(), strict=True)) == (
        OUTSIDE_XQUAD
    )
    assert (counts.read, counts.filtered, counts.skipped) == (63_856, 8_775, 0)
    with gzip.open(real_data / "squad-dev-parallel" / "da.jsonl.gz", "rt") as lines:
        rows = [row for row in map(json.loads, lines) if row["in_xquad_paragraph"] is False]
    danish = np.arange(len(rows))  # files are read in the order of their names
    for ours, theirs in (("id", "id"), ("query", "question"), ("passage_id", "context_id")):
        assert corpus.column(ours, danish) == [row[theirs] for row in rows]


def test_squad_dev_is_described(squad):
    about = describe_corpus(squad)
    assert (about.items, about.rows) == (14_862, sum(OUTSIDE_XQUAD.values()))
    assert about.languages == OUTSIDE_XQUAD
    assert about.overlap["en"]["fi"] == about.overlap["fi"]["en"] == 10_174


def test_squad_dev_is_split_by_article(real_data):
    corpus = open_corpus(
        real_data / "squad-dev-parallel",
        where="in_xquad_paragraph = false",
        languages=["en", "fi", "sv"],
    )
    parts = split_corpus(corpus, {"train": 0.8, "test": 0.2}, by="article", seed=0)
    assert abs(len(parts["train"]) / len(corpus) - 0.8) < 0.01
    for column in ("passage_id", "article"):
        train, test = (
            set(part.column(column, part.rows[part.rows >= 0])) for part in parts.values()
        )
        assert not train & test
    assert parts["test"].languages == corpus.languages


def test_passages_without_an_article_are_units_of_their_own(squad):
    assert describe_corpus(squad).items_without_article == 510
    parts = split_corpus(squad, {"train": 0.8, "test": 0.2}, by="article", seed=0)
    assert sum(map(len, parts.values())) == len(squad)
    articles = [set(part.column("article", part.first_rows)) - {None} for part in parts.values()]
    assert not set.intersection(*articles)


@pytest.mark.slow
def test_squad2_train_is_fully_parallel(real_data):
    corpus = open_corpus(real_data / "squad2-train-en-fi")
    assert corpus.languages == ("en-BT", "fi")
    assert len(corpus) == 130_319
    assert (corpus.rows >= 0).all()
    assert len(np.unique(corpus.groups)) == 19_035


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "items", "groups"), [("mlqa-r", 1148, 1137), ("xquad-r", 1190, 489)]
)
def test_an_exported_benchmark_keeps_its_groups(real_data, tmp_path, name, items, groups):
    export_benchmark(load_benchmark(name), tmp_path / name, "beir")
    corpus = open_corpus(tmp_path / name)
    assert (len(corpus), len(np.unique(corpus.groups))) == (items, groups)
