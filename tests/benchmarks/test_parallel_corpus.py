from __future__ import annotations

import numpy as np
import orjson
import pytest

from evenrank.benchmarks.benchmark import load_benchmark
from evenrank.benchmarks.parallel_corpus import benchmark_from_corpus
from evenrank.data.corpus import corpus_from_rows
from evenrank.data.opening import open_corpus
from evenrank.errors import ConfigError, DataError


def row(item, passage, lang, text=None):
    return {
        "id": item,
        "passage_id": passage,
        "lang": lang,
        "query": f"{item} in {lang}?",
        "passage": text or f"{passage} in {lang}.",
    }


ROWS = [
    row("q1", "a", "en"),
    row("q1", "a", "de"),
    row("q2", "a", "en"),
    row("q3", "b", "de"),
    row("q3", "b", "en"),
]


def relevant(benchmark):
    """Ids of the relevant passages of each query."""
    ids = benchmark.passages.ids.to_pylist()
    indptr, passages = benchmark.relevance.indptr, benchmark.relevance.passages
    return {
        query: [ids[at] for at in passages[indptr[place] : indptr[place + 1]]]
        for place, query in enumerate(benchmark.queries.ids.to_pylist())
    }


def test_passages_are_shared_by_items_and_relevant_in_every_language():
    benchmark = benchmark_from_corpus(corpus_from_rows(ROWS, "letters"))
    assert benchmark.name == "letters"
    assert benchmark.passages.ids.to_pylist() == ["de/a", "de/b", "en/a", "en/b"]
    assert benchmark.passages.texts.to_pylist() == [
        "a in de.",
        "b in de.",
        "a in en.",
        "b in en.",
    ]
    assert relevant(benchmark) == {
        "de/q1": ["de/a", "en/a"],
        "de/q3": ["de/b", "en/b"],
        "en/q1": ["de/a", "en/a"],
        "en/q2": ["de/a", "en/a"],  # the query is in English only, its passages in both
        "en/q3": ["de/b", "en/b"],
    }
    assert benchmark.parallel.tolist() == [0, 1, 0, 2, 1]
    assert benchmark.queries.texts[3].as_py() == "q2 in en?"


def test_one_text_in_two_documents_stays_two_passages():
    rows = [row("q1", "a", "en", "Same."), row("q2", "b", "en", "Same.")]
    benchmark = benchmark_from_corpus(corpus_from_rows(rows, "same"))
    assert relevant(benchmark) == {"en/q1": ["en/a"], "en/q2": ["en/b"]}


def test_two_texts_of_one_passage_id_are_both_relevant():
    rows = [
        row("q1", "a", "en", "One."),
        row("q2", "a", "en", "Two."),
        row("q3", "a", "en", "One."),
    ]
    benchmark = benchmark_from_corpus(corpus_from_rows(rows, "both"))
    assert benchmark.passages.ids.to_pylist() == ["en/a", "en/a#2"]
    assert relevant(benchmark) == {f"en/q{number}": ["en/a", "en/a#2"] for number in (1, 2, 3)}


def test_ids_are_made_fit_for_trec_files_and_stay_different():
    rows = [row("q 1", "a#2", "en"), row("q%201", "a 2", "en"), row("q3", "a%202", "en")]
    rows += [row("q4", "a", "en", "One."), row("q5", "a", "en", "Two.")]
    benchmark = benchmark_from_corpus(corpus_from_rows(rows, "odd"))
    assert benchmark.queries.ids.to_pylist()[:2] == ["en/q%201", "en/q%25201"]
    assert benchmark.passages.ids.to_pylist() == [
        "en/a%232",
        "en/a%202",
        "en/a%25202",
        "en/a",
        "en/a#2",
    ]


def test_rows_that_no_item_points_at_do_not_count():
    whole = corpus_from_rows(ROWS, "letters")
    benchmark = benchmark_from_corpus(whole.select(np.array([2])).restrict(["de"]))
    assert benchmark.languages == ("de",)
    assert relevant(benchmark) == {"de/q3": ["de/b"]}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "letters"
    path.mkdir()
    for lang in ("de", "en"):
        lines = [orjson.dumps(one) for one in ROWS if one["lang"] == lang]
        (path / f"{lang}.jsonl").write_bytes(b"\n".join(lines))
    return path


def test_a_folder_is_a_benchmark(folder):
    benchmark = load_benchmark(f"corpus:{folder}")
    assert benchmark.name == "letters"
    assert benchmark.card.source == str(folder)
    built = benchmark_from_corpus(corpus_from_rows(ROWS, "letters"))
    assert relevant(benchmark) == relevant(built)


def test_a_corpus_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        load_benchmark(f"corpus:{tmp_path / 'nowhere'}")


@pytest.mark.parametrize("name", ["corpus", "corpus:"])
def test_a_corpus_without_a_path(name):
    with pytest.raises(ConfigError, match="found no path, expected corpus:PATH"):
        load_benchmark(name)


def test_a_real_corpus(real_data):
    corpus = open_corpus(
        real_data / "squad-dev-parallel",
        where="in_xquad_paragraph = true",
        languages=["fi", "sv"],
    )
    benchmark = benchmark_from_corpus(corpus)
    columns, items = np.nonzero(corpus.rows.T >= 0)
    own = corpus.column("passage", corpus.rows[items, columns])
    texts = dict(
        zip(
            benchmark.passages.ids.to_pylist(),
            benchmark.passages.texts.to_pylist(),
            strict=True,
        )
    )
    answers = relevant(benchmark)
    assert len(answers) == len(own) > 2000
    for passage, ids in zip(own, answers.values(), strict=True):
        assert passage in [texts[id_] for id_ in ids]
