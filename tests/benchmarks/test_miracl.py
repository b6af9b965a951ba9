from __future__ import annotations

import gzip

import numpy as np
import orjson
import pytest

from evenrank.benchmarks.benchmark import load_benchmark
from evenrank.benchmarks.miracl import load_miracl
from evenrank.benchmarks.miracl_files import (
    PUBLISHED,
    judgment_file,
    read_qrels,
    read_topics,
)
from evenrank.benchmarks.passage_table import lines_of
from evenrank.encoding.base import build_encoder
from evenrank.errors import ChecksumError, DataError, UnknownNameError
from evenrank.evaluation.evaluate import evaluate

QUERIES = {
    "ar": 2_896,
    "bn": 411,
    "de": 305,
    "en": 799,
    "es": 648,
    "fa": 632,
    "fi": 1_271,
    "fr": 343,
    "hi": 350,
    "id": 960,
    "ja": 860,
    "ko": 213,
    "ru": 1_252,
    "sw": 482,
    "te": 828,
    "th": 733,
    "yo": 119,
    "zh": 393,
}
"""Development queries as the paper counts them (arXiv 2210.09984, table 1)."""


@pytest.fixture
def miracl(real_data, own_data):
    """MIRACL's own queries and judgments in two languages, and no passages."""
    (own_data / "miracl").mkdir()
    for lang in ("sw", "yo"):
        for kind in ("topics", "qrels"):
            name = f"{kind}.miracl-v1.0-{lang}-dev.tsv.gz"
            (own_data / "miracl" / name).symlink_to(real_data / "miracl" / name)
    return own_data / "miracl"


def passage(docid, title="Kichwa", text=None):
    return {"docid": docid, "title": title, "text": text or f"Maandishi ya {docid}."}


def judged(lang):
    """All judged passages of a language, in the order of the judgments."""
    lines = [line.decode().split() for _, line in lines_of(judgment_file("qrels", lang))]
    return [passage(docid) for docid in dict.fromkeys(fields[2] for fields in lines)]


def publish(miracl, lang, *parts):
    """Write a language's passages as the hub has them."""
    folder = miracl / f"miracl-corpus-v1.0-{lang}"
    folder.mkdir(exist_ok=True)
    for number, rows in enumerate(parts):
        lines = [row if isinstance(row, bytes) else orjson.dumps(row) for row in rows]
        (folder / f"docs-{number}.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines) + b"\n"))
    return folder


@pytest.fixture
def published(miracl):
    for lang in ("sw", "yo"):
        rows = judged(lang)
        publish(miracl, lang, rows[:5], *([row] for row in rows[5:15]), rows[15:])
    return miracl


def test_counts_are_the_published_ones(real_data):
    assert {lang: len(read_topics(lang)) for lang in PUBLISHED} == QUERIES
    assert {lang: facts.queries for lang, facts in PUBLISHED.items()} == QUERIES
    assert sum(facts.passages for facts in PUBLISHED.values()) == 106_332_152
    assert {lang: len({query for query, _ in read_qrels(lang)}) for lang in PUBLISHED} == QUERIES


def test_only_the_grade_one_is_relevant(real_data):
    lines = [line.split() for _, line in lines_of(judgment_file("qrels", "sw"))]
    assert len(lines) == PUBLISHED["sw"].judgments == 5_092
    assert len(read_qrels("sw")) == sum(fields[3] == b"1" for fields in lines) == 910


def test_the_first_tenth_and_last_query(published):
    benchmark = load_benchmark("miracl:yo,partial")
    ids, texts = benchmark.queries.ids, benchmark.queries.texts
    assert [(ids[at].as_py(), texts[at].as_py()) for at in (0, 9, 118)] == [
        ("yo/10020#0", "Odun wo ni wọn ṣe idije Olympiiki akọkọ?"),
        ("yo/13935#0", "Awon orile ede wo ni won pe ni Balkani?"),
        ("yo/9593#0", "Kí ni orúkọ bibi akọrin Naira Marley?"),
    ]


def test_relevant_passages_are_found_in_their_language(published):
    benchmark = load_benchmark("miracl:yo, sw, partial")
    assert benchmark.name == "miracl:sw,yo,partial"
    assert benchmark.languages == ("sw", "yo")
    found = set()
    for query, (start, end) in enumerate(
        zip(benchmark.relevance.indptr[:-1], benchmark.relevance.indptr[1:], strict=True)
    ):
        passages = benchmark.relevance.passages[start:end]
        assert (np.diff(passages) > 0).all()
        for id_ in benchmark.passages.ids.take(passages).to_pylist():
            found.add((benchmark.queries.ids[query].as_py(), id_))
    assert found == {
        (f"{lang}/{query}", f"{lang}/{docid}")
        for lang in ("sw", "yo")
        for query, docid in read_qrels(lang)
    }


def test_passages_keep_the_order_of_the_files_and_their_titles(published):
    publish(
        published,
        "yo",
        [passage("1#0", "Ìlú", " Èkó. "), passage("2#0", "", "Àkúrẹ́."), *judged("yo")[:5]],
    )
    benchmark = load_miracl(["yo"], partial=True)
    assert benchmark.passages.texts[:2].to_pylist() == ["Ìlú\n\n Èkó. ", "Àkúrẹ́."]  # as written
    ids = benchmark.passages.ids.to_pylist()
    assert ids == ["yo/1#0", "yo/2#0", *(f"yo/{row['docid']}" for row in judged("yo"))]
    assert benchmark.offsets.tolist() == [0, len(ids)]


def test_passages_are_converted_once_and_again_when_a_file_changes(published, capsys):
    first = load_miracl(["yo"], partial=True)
    assert "Converting miracl/yo" in capsys.readouterr().err
    assert load_miracl(["yo"], partial=True).fingerprint == first.fingerprint
    assert "Converting" not in capsys.readouterr().err
    publish(published, "yo", [*judged("yo")[:5], passage("new#0")])
    again = load_miracl(["yo"], partial=True)
    assert len(again.passages) == len(first.passages) + 1
    assert again.fingerprint != first.fingerprint


def test_it_is_evaluated_by_way_of_a_store(published, tmp_path):
    benchmark = load_miracl(["sw", "yo"], partial=True)
    model = build_encoder("static", benchmark.queries.texts.to_pylist(), {"width": 16})
    measures = ["nDCG@10", "R@100"]
    stored = evaluate(model, benchmark, measures=measures, store=tmp_path / "store").result
    assert stored.settings == evaluate(model, benchmark, measures=measures).result.settings
    assert 0 < stored.settings["mono"]["nDCG@10"] < 1
    assert stored.settings["cross"]["nDCG@10"] is None  # nothing is relevant across languages
    assert stored.scored == {"sw": 482, "yo": 119}


def test_a_collection_that_is_not_whole(published):
    with pytest.raises(DataError, match=r"found 942 passages, expected 49,043") as met:
        load_benchmark("miracl:yo")
    assert "miracl:yo,partial" in met.value.remedy


def test_a_relevant_passage_that_is_missing(published):
    rows = judged("yo")
    assert rows[0]["docid"] == "10020#1"
    publish(published, "yo", rows[1:5])
    with pytest.raises(
        DataError,
        match=r"relevance of query 'yo/10020#0': found passage 'yo/10020#1' which is missing",
    ):
        load_miracl(["yo"], partial=True)


@pytest.mark.parametrize("apart", [False, True])
def test_a_relevant_passage_that_is_there_twice(published, apart, monkeypatch):
    if apart:
        monkeypatch.setattr("evenrank.benchmarks.passage_table.BATCH_ROWS", 3)
    publish(published, "yo", [*judged("yo")[:5], judged("yo")[0]])
    with pytest.raises(DataError, match="passage 'yo/10020#1' twice"):
        load_miracl(["yo"], partial=True)


def test_queries_that_are_not_miracls(published):
    path = published / "topics.miracl-v1.0-yo-dev.tsv.gz"
    lines = gzip.decompress(path.read_bytes()).splitlines()
    path.unlink()
    path.write_bytes(gzip.compress(b"\n".join(lines[:-1])))
    with pytest.raises(ChecksumError, match=r"found 118 queries .* expected MIRACL's 119"):
        load_miracl(["yo"], partial=True)


def test_the_hubs_own_layout_is_read_too(published):
    name = "topics.miracl-v1.0-yo-dev.tsv"
    plain = gzip.decompress((published / f"{name}.gz").read_bytes())
    (published / f"{name}.gz").unlink()
    hub = published / "miracl-v1.0-yo" / "topics" / name
    hub.parent.mkdir(parents=True)
    hub.write_bytes(plain.replace(b"\n", b"\r\n"))
    assert len(read_topics("yo")) == 119


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"docid": "1#0", "title": "a"', "not JSON"),
        (b'{"docid": "1#0", "title": "a"}', "no field 'text'"),
        (b'{"docid": "1#0", "title": null, "text": "b"}', "a field that is not a text"),
        (b'["1#0", "a", "b"]', "a field that is not a text"),
        (b'{"docid": "1 0", "title": "a", "text": "b"}', "the id 'yo/1 0'"),
    ],
)
def test_a_line_that_is_no_passage(published, line, found):
    folder = publish(published, "yo", [*judged("yo")[:5], line])
    with pytest.raises(DataError, match=found) as met:
        load_miracl(["yo"], partial=True)
    assert met.value.place == f"{folder / 'docs-0.jsonl.gz'}:6"


@pytest.mark.parametrize("cut", [-9, 30])
def test_a_file_cut_short_leaves_nothing_converted(published, cut, tmp_path):
    folder = publish(published, "yo", judged("yo"))
    path = folder / "docs-0.jsonl.gz"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match="damaged file"):
        load_miracl(["yo"], partial=True)
    assert not list((tmp_path / "cache").rglob("*.arrow*"))


def test_a_flipped_byte_is_found_by_the_archives_own_checksum(published):
    folder = publish(published, "yo", judged("yo"))
    path = folder / "docs-0.jsonl.gz"
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="CRC check failed"):
        load_miracl(["yo"], partial=True)


def test_a_language_that_miracl_lacks():
    with pytest.raises(UnknownNameError, match="unknown MIRACL language 'el'"):
        load_benchmark("miracl:el")


def test_offline_without_files_the_message_says_where_they_go(own_data, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="no download") as met:
        load_benchmark("miracl:sw")
    name = "miracl-v1.0-sw/topics/topics.miracl-v1.0-sw-dev.tsv"
    assert met.value.place == f"https://huggingface.co/datasets/miracl/miracl/{name}"
    assert f"FOLDER/miracl/{name} and set EVENRANK_DATA=FOLDER" in met.value.remedy
    assert met.value.__context__ is None  # no chain of tracebacks of the network library


def test_files_in_the_hubs_cache_are_used(published, real_data, own_data, monkeypatch, tmp_path):
    hub = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub))
    for repository, files in {
        "miracl": [f"miracl-v1.0-yo/{kind}/{kind}.miracl-v1.0-yo-dev.tsv" for kind in KINDS],
        "miracl-corpus": ["miracl-corpus-v1.0-yo/docs-0.jsonl.gz"],
    }.items():
        commit = "d921ec7e349ce0d28daf30b2da9da5ee698bef0d"
        place = hub / f"datasets--miracl--{repository}"
        (place / "refs").mkdir(parents=True)
        (place / "refs" / "main").write_text(commit)
        for name in files:
            path = place / "snapshots" / commit / name
            path.parent.mkdir(parents=True, exist_ok=True)
            own = published / (name if "docs" in name else f"{name.split('/')[-1]}.gz")
            content = own.read_bytes()
            path.write_bytes(content if "docs" in name else gzip.decompress(content))
    (own_data / "miracl").rename(own_data / "elsewhere")
    with pytest.raises(DataError, match="found 5 passages, expected 49,043"):
        load_benchmark("miracl:yo")


KINDS = ("topics", "qrels")
