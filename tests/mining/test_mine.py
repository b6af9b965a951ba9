"""Hard negatives are those that a plain sort of all scores gives, without the query's own group."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from evenrank.cli.app import app
from evenrank.data.corpus import corpus_from_rows
from evenrank.data.negatives import copy_negatives
from evenrank.data.opening import open_corpus
from evenrank.data.writing import write_corpus
from evenrank.encoding.base import build_encoder
from evenrank.encoding.opening import open_model
from evenrank.errors import ConfigError, DataError
from evenrank.mining.mine import mine_negatives

WORDS = {"de": "eins zwei drei vier fünf sechs sieben acht", "en": "one two three four five six"}
WORDS["en"] += " seven eight"


@pytest.fixture(scope="module")
def corpus():
    """24 items in two languages on 12 passages; texts repeat, and some items miss a language."""
    rng = np.random.default_rng(3)
    passages = {(n, lang): rng.integers(0, 8, size=3).tolist() for n in range(12) for lang in WORDS}
    passages[11, "de"] = passages[0, "de"]  # one text in two groups
    rows = []
    for item in range(24):
        choice = rng.integers(0, 8, size=4)
        for lang, words in WORDS.items():
            word = words.split()
            row = {"id": f"q{item}", "passage_id": f"p{item // 2}", "lang": lang}
            row["query"] = " ".join(word[at] for at in choice)
            row["passage"] = " ".join(word[at] for at in passages[item // 2, lang]) + "."
            rows += [row] if item % 5 or lang == "de" else []
    return corpus_from_rows(rows, "numbers")


@pytest.fixture(scope="module")
def model(corpus, tmp_path_factory):
    texts = [*corpus.table["query"].to_pylist(), *corpus.table["passage"].to_pylist()]
    folder = tmp_path_factory.mktemp("model") / "static"
    build_encoder("static", texts, {"width": 12}).save_pretrained(str(folder))
    return folder


def expected(corpus, model, number, margin, across):
    """Sort all scores of each row, and leave out what is not a negative."""
    encoder = open_model(str(model))
    table = corpus.table.to_pylist()
    group_of = {
        int(row): int(group)
        for rows, group in zip(corpus.rows, corpus.groups, strict=True)
        for row in rows[rows >= 0]
    }

    def unit(name):
        kind = "query" if name == "query" else "passage"
        vectors = encoder.encode([row[name] for row in table], kind)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    scores = unit("query") @ unit("passage").T
    texts_of = {}
    for row, group in group_of.items():
        texts_of.setdefault(group, set()).add(table[row]["passage"])
    twins = {
        group: {other for other, texts in texts_of.items() if texts & texts_of[group]}
        for group in texts_of
    }
    found = {}
    for row, group in group_of.items():
        wrong = set().union(*(twins[other] for other in twins[group]))
        lists = {}
        for other in group_of:
            if across or table[other]["lang"] == table[row]["lang"]:
                good = scores[row, other] <= scores[row, row] - margin + 1e-6
                if good and group_of[other] not in wrong:
                    lists[table[other]["lang"], table[other]["passage"]] = scores[row, other]
        found[row] = sorted(lists.values(), reverse=True)[:number]
    return found, scores


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("margin", [-2, 0.0, 0.3])
def test_negatives_are_the_hardest_that_are_not_relevant(corpus, model, margin, across):
    mined = mine_negatives(str(model), corpus, negatives=4, margin=margin, across=across)
    wanted, scores = expected(corpus, model, 4, margin, across)
    table = mined.corpus.table.to_pylist()
    place = {}
    for row, values in enumerate(table):
        place.setdefault((values["lang"], values["passage"]), row)
    for row, values in enumerate(table):
        langs = list(WORDS) if across else [values["lang"]]
        texts = values["negatives"]
        own = {table[r]["passage"] for r in same_group(corpus, row)}
        assert not own & set(texts)
        assert len(set(texts)) == len(texts)
        got = [
            next(scores[row, place[lang, text]] for lang in langs if (lang, text) in place)
            for text in texts
        ]
        np.testing.assert_allclose(got, wanted[row], atol=1e-5)
    assert any(table[row]["negatives"] for row in range(len(table)))
    assert mined.counts.sum() == sum(len(values["negatives"]) for values in table)
    assert corpus.table["negatives"].null_count == corpus.table.num_rows
    others = [
        text
        for values in table
        for text in values["negatives"]
        if (values["lang"], text) not in place
    ]
    assert bool(others) == across


def same_group(corpus, row):
    item = np.flatnonzero((corpus.rows == row).any(axis=1))[0]
    rows = corpus.rows[corpus.groups == corpus.groups[item]]
    return rows[rows >= 0].tolist()


def test_a_mined_corpus_is_written_with_its_facts_and_read_again(corpus, model, tmp_path):
    write_corpus(corpus, tmp_path / "c")
    arguments = ["data", "mine", str(model), str(tmp_path / "c"), "--negatives", "2"]
    arguments += ["--margin", "0.1", "--output", str(tmp_path / "out")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    again = open_corpus(tmp_path / "out")
    mined = mine_negatives(str(model), open_corpus(tmp_path / "c"), negatives=2, margin=0.1)
    assert again.table["negatives"].to_pylist() == mined.corpus.table["negatives"].to_pylist()
    facts = json.loads((tmp_path / "out" / "negatives.json").read_text())
    assert facts.pop("date") <= mined.facts["date"]
    assert {k: v for k, v in mined.facts.items() if k != "date"} == facts
    assert datetime.fromisoformat(mined.facts["date"]).tzinfo
    assert facts["model_fingerprint"] == open_model(str(model)).fingerprint
    assert (facts["margin"], facts["pool"], facts["search"]) == (0.1, "mono", "exact")
    other = mine_negatives(str(model), open_corpus(tmp_path / "c"), negatives=2, margin=0.5)
    assert other.corpus.fingerprint != mined.corpus.fingerprint


def test_negatives_are_copied_to_parts_of_the_corpus(corpus, model, tmp_path):
    mined = mine_negatives(str(model), corpus, negatives=2, margin=-2)
    mined.write(tmp_path / "mined")
    part = corpus.select(np.arange(0, 24, 3))
    write_corpus(part, tmp_path / "c")
    arguments = ["data", "convert", str(tmp_path / "c"), str(tmp_path / "out"), "--negatives"]
    done = CliRunner().invoke(app, [*arguments, str(tmp_path / "mined")])
    assert done.exit_code == 0, done.output
    copied = open_corpus(tmp_path / "out")
    texts = {(row["id"], row["lang"]): row["negatives"] for row in mined.corpus.table.to_pylist()}
    rows = copied.table.to_pylist()
    assert len(rows) == int((part.rows >= 0).sum())
    assert all(row["negatives"] == texts[row["id"], row["lang"]] for row in rows)
    facts = [(tmp_path / name / "negatives.json").read_bytes() for name in ("mined", "out")]
    assert facts[0] == facts[1]
    arguments = ["data", "convert", str(tmp_path / "out"), str(tmp_path / "parts"), "--split"]
    assert CliRunner().invoke(app, [*arguments, "a=0.5,b=0.5"]).exit_code == 0
    assert (tmp_path / "parts" / "b" / "negatives.json").read_bytes() == facts[0]
    (tmp_path / "out" / "negatives.json").write_text("{")
    again = CliRunner().invoke(app, ["data", "convert", str(tmp_path / "out"), str(tmp_path / "d")])
    assert "negatives.json: found no readable JSON" in str(again.exception)


def test_negatives_of_a_source_are_written_with_its_name(tmp_path):
    row = {"id": 1, "lang": "de", "query": "Wer?", "pos": ["Ada."], "neg": ["Bob."]}
    (tmp_path / "triples.jsonl").write_text(json.dumps(row) + "\n")
    arguments = ["data", "convert", str(tmp_path / "triples.jsonl"), str(tmp_path / "out")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    corpus = open_corpus(tmp_path / "triples.jsonl")
    assert json.loads((tmp_path / "out" / "negatives.json").read_text()) == {
        "source": "triples.jsonl", "corpus_fingerprint": corpus.fingerprint
    }  # fmt: skip
    assert open_corpus(tmp_path / "out").table["negatives"].to_pylist() == [["Bob."]]


def test_negatives_of_another_corpus_are_refused(corpus, model):
    mined = mine_negatives(str(model), corpus, negatives=2).corpus
    with pytest.raises(
        DataError, match=r"id 'q1' in 'de': found no row with this id, expected the"
    ):
        copy_negatives(corpus, mined.select(np.array([0])))
    other = pa.chunked_array([[f"{text}!" for text in mined.table["passage"].to_pylist()]])
    changed = replace(mined, table=mined.table.set_column(5, "passage", other))
    with pytest.raises(
        DataError, match="id 'q0' in 'de': found another passage, expected the rows"
    ):
        copy_negatives(corpus, changed)
    with pytest.raises(DataError, match=r"found no negatives, expected a mined corpus. Mine them"):
        copy_negatives(corpus, corpus)


def test_settings_out_of_their_range(corpus, model):
    with pytest.raises(ConfigError, match="negatives: found 0, expected 1 or more"):
        mine_negatives(str(model), corpus, negatives=0)
    with pytest.raises(ConfigError, match="margin: found 3, expected a difference of cosines"):
        mine_negatives(str(model), corpus, margin=3)
