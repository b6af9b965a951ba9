import json

import numpy as np
import pyarrow.compute as pc
import pytest

from evenrank.benchmarks.benchmark import (
    Card,
    Passage,
    Query,
    build_benchmark,
    same_content,
    with_grades,
)
from evenrank.benchmarks.export import export_benchmark, restrict
from evenrank.errors import ConfigError, DataError
from evenrank.results.run_files import read_benchmark

CARD = Card("Baths", "tests", "CC0", "none")


@pytest.fixture
def baths():
    queries = [
        Query("de/1", "1", "de", "Wann öffnet\tdas Bad?"),
        Query("en/1", "1", "en", 'When does "the" bath\nopen?'),
        Query("th/2", "2", "th", "สระ?"),
    ]
    passages = [
        Passage("en-a", "en", "At eight."),
        Passage("de-a", "de", "Um acht."),
        Passage("en-b", "en", "\r\nNobody\u2028knows."),
    ]
    qrels = [("de/1", "de-a"), ("de/1", "en-a"), ("en/1", "en-a"), ("en/1", "de-a")]
    return build_benchmark("baths", CARD, queries, passages, qrels)


def read_beir(folder):
    """Read a BEIR folder, refusing everything that its format does not have."""

    def rows(name, fields):
        found = {}
        for line in (folder / name).read_text(encoding="utf-8").removesuffix("\n").split("\n"):
            row = json.loads(line)
            assert set(row) == fields
            assert all(isinstance(row[field], str) for field in fields - {"metadata"})
            assert row["_id"] not in found
            found[row["_id"]] = row
        return found

    corpus = rows("corpus.jsonl", {"_id", "title", "text", "metadata"})
    queries = rows("queries.jsonl", {"_id", "text", "metadata"})
    header, *lines = (folder / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()
    assert header == "query-id\tcorpus-id\tscore"
    pairs = [tuple(line.split("\t")) for line in lines]
    assert len(set(pairs)) == len(pairs)
    assert all(q in queries and d in corpus and int(score) == 1 for q, d, score in pairs)
    assert sorted(path.name for path in folder.glob("[!.]*")) == [
        "corpus.jsonl",
        "qrels",
        "queries.jsonl",
    ]
    return corpus, queries, {(query, passage) for query, passage, _ in pairs}


def test_a_beir_folder_holds_everything(baths, tmp_path):
    export_benchmark(baths, tmp_path / "out", "beir")
    corpus, queries, pairs = read_beir(tmp_path / "out")
    assert list(corpus) == ["de-a", "en-a", "en-b"]
    assert corpus["en-b"]["text"] == "\r\nNobody\u2028knows."
    assert corpus["de-a"]["metadata"] == {"language": "de"}
    assert queries["de/1"]["text"] == "Wann öffnet\tdas Bad?"
    assert list(queries) == ["de/1", "en/1", "th/2"]
    assert pairs == {(f"{lang}/1", f"{other}-a") for lang in ("de", "en") for other in ("de", "en")}


def test_trec_files_hold_a_line_for_each_text(baths, tmp_path):
    export_benchmark(baths, tmp_path / "out", "trec")
    lines = {path.name: path.read_bytes().decode() for path in (tmp_path / "out").iterdir()}
    assert lines["queries.tsv"].split("\n")[:2] == [
        "de/1\tWann öffnet das Bad?",
        'en/1\tWhen does "the" bath open?',
    ]
    assert lines["collection.tsv"] == "de-a\tUm acht.\nen-a\tAt eight.\nen-b\t Nobody knows.\n"
    assert lines["qrels.trec"].splitlines()[0] == "de/1 0 de-a 1"
    assert lines["languages.tsv"].splitlines() == [
        "passage\tde-a\tde",
        "passage\ten-a\ten",
        "passage\ten-b\ten",
        "query\tde/1\tde\t0",
        "query\ten/1\ten\t0",
        "query\tth/2\tth\t1",
    ]


def test_a_pool_is_the_passages_of_its_languages_and_what_is_relevant_there(baths, tmp_path):
    part = restrict(baths, query_langs=["en", "th"], pool=["de"])
    assert part.offsets.tolist() == [0, 1, 1, 1]
    assert part.parallel.tolist() == [0, 1]
    assert part.fingerprint != baths.fingerprint
    export_benchmark(part, tmp_path / "out", "beir")
    corpus, queries, pairs = read_beir(tmp_path / "out")
    assert (list(corpus), list(queries), pairs) == (["de-a"], ["en/1", "th/2"], {("en/1", "de-a")})


def test_grades_are_kept_in_every_file_and_pool(baths, tmp_path):
    graded = with_grades(baths, {("de/1", "en-a"): 3, ("en/1", "de-a"): 2})
    part = restrict(graded, pool=["en"])
    export_benchmark(part, tmp_path / "beir", "beir")
    export_benchmark(graded, tmp_path / "trec", "trec")
    lines = (tmp_path / "beir" / "qrels" / "test.tsv").read_text().splitlines()
    assert lines[1:] == ["de/1\ten-a\t3", "en/1\ten-a\t1"]
    lines = (tmp_path / "trec" / "qrels.trec").read_text().splitlines()
    assert lines == ["de/1 0 de-a 1", "de/1 0 en-a 3", "en/1 0 de-a 2", "en/1 0 en-a 1"]


@pytest.mark.parametrize("part", [{}, {"query_langs": ["en", "th"]}, {"pool": ["en"]}])
def test_an_exported_benchmark_read_from_its_qrels_is_the_same(baths, tmp_path, part):
    """Results on the two can be compared; another text is only seen where both have texts."""
    graded = restrict(with_grades(baths, {("de/1", "en-a"): 3}), **part)
    export_benchmark(graded, tmp_path / "out", "trec")
    read = read_benchmark(tmp_path / "out" / "qrels.trec", tmp_path / "out" / "languages.tsv")
    assert graded.fingerprint.startswith(f"{read.fingerprint}-")
    assert same_content(graded.fingerprint, read.fingerprint)
    other = restrict(baths, pool=["de"])
    assert not same_content(other.fingerprint, read.fingerprint)


def test_everything_restricted_to_everything_is_the_same(baths):
    whole = restrict(baths)
    assert whole.fingerprint == baths.fingerprint
    assert pc.all(pc.equal(whole.passages.ids, baths.passages.ids)).as_py()
    assert np.array_equal(whole.relevance.indptr, baths.relevance.indptr)
    assert np.array_equal(whole.relevance.passages, baths.relevance.passages)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"query_langs": ["fi"]}, "no query in fi, expected some of de, en, th"),
        ({"pool": ["de", "th"]}, "no passage in th, expected some of de, en"),
    ],
)
def test_languages_that_are_not_there_are_refused(baths, part, message):
    with pytest.raises(ConfigError, match=message):
        restrict(baths, **part)


@pytest.mark.parametrize("form", ["beir", "trec"])
def test_only_an_export_is_replaced(baths, tmp_path, form):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="folder that evenrank wrote"):
        export_benchmark(baths, tmp_path / "mine", form, overwrite=True)
    export_benchmark(baths, tmp_path / "out", form)
    with pytest.raises(ConfigError, match="--overwrite"):
        export_benchmark(baths, tmp_path / "out", form)
    export_benchmark(baths, tmp_path / "out", form, overwrite=True)


def test_a_failed_export_leaves_nothing(baths, tmp_path):
    (tmp_path / "file").write_text("")
    for ids in (["de a", "en-a", "en-b"], ["de-a", "", "en-b"]):
        broken = build_broken(baths, ids)
        with pytest.raises(DataError, match="without white space"):
            export_benchmark(broken, tmp_path / "out", "beir")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def build_broken(benchmark, ids):
    from dataclasses import replace

    import pyarrow as pa

    return replace(benchmark, passages=replace(benchmark.passages, ids=pa.chunked_array([ids])))
