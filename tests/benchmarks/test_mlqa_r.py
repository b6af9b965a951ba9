from __future__ import annotations

import random
from zipfile import ZipFile

import numpy as np
import orjson
import pytest

from evenrank.benchmarks import mlqa_r
from evenrank.benchmarks.benchmark import load_benchmark
from evenrank.benchmarks.sources import SourceFile
from evenrank.errors import ChecksumError, DataError
from evenrank.files import sha256_of

QUERIES = {"ar": 517, "de": 512, "en": 1148, "es": 500, "hi": 507, "vi": 511, "zh": 504}
CANDIDATES = {"ar": 2459, "de": 2446, "en": 6730, "es": 1944, "hi": 2334, "vi": 2876, "zh": 2289}
FINGERPRINT = "9c5686abb1ef784e-dca049bed24f25ba"


@pytest.fixture(scope="module")
def benchmark(real_data):
    return load_benchmark("mlqa-r")


def file_name(lang):
    return f"dev-context-{lang}-question-{lang}.json"


def relevant(benchmark, query):
    indptr = benchmark.relevance.indptr
    passages = benchmark.relevance.passages[indptr[query] : indptr[query + 1]]
    return benchmark.passages.ids.take(passages).to_pylist()


def test_counts(benchmark):
    assert benchmark.languages == tuple(QUERIES)
    assert np.bincount(benchmark.queries.langs).tolist() == list(QUERIES.values())
    assert np.bincount(benchmark.passages.langs).tolist() == list(CANDIDATES.values())
    assert len(benchmark.passages) == 21_078


def test_every_question_is_answered_once_in_each_of_its_two_to_four_languages(benchmark):
    assert np.bincount(benchmark.parallel).tolist().count(4) == 820
    assert np.bincount(np.bincount(benchmark.parallel)).tolist() == [0, 0, 65, 263, 820]
    languages_of = [set() for _ in range(1148)]
    for number, lang in zip(benchmark.parallel, benchmark.queries.langs, strict=True):
        languages_of[number].add(lang)
    for query, number in enumerate(benchmark.parallel):
        start, end = benchmark.relevance.indptr[query : query + 2]
        langs = benchmark.passages.langs[benchmark.relevance.passages[start:end]].tolist()
        assert langs == sorted(languages_of[number])


@pytest.mark.parametrize(
    ("row", "query", "text", "sentences"),
    [
        (
            0,
            "ar/00df95637d0fc0837b9eba5dafceb545856459b9",
            "ما هي الأمراض التي تزيد خطورة الإصابه بها من ارتفاع ضغط الدم؟",
            ["ar/0/1", "en/1/1", "hi/1/1", "zh/0/1"],
        ),
        (
            9,
            "ar/03d42670aca127a899e1178ca4ad0ae4b9afa69e",
            "ما هو الاختلاف بين سلطة مجلس الشيوخ وسلطة مجلس النواب؟",
            ["ar/6/5", "de/3/3", "en/11/5", "zh/4/4"],
        ),
        (
            4198,
            "zh/ffda9703f9c74514861038a4ebfa8dff3b4c0990",
            "他以什么神经递质的名字而闻名？",
            ["ar/438/4", "de/455/2", "en/977/4", "zh/442/1"],
        ),
    ],
)
def test_first_tenth_and_last_query(benchmark, row, query, text, sentences):
    assert benchmark.queries.ids[row].as_py() == query
    assert benchmark.queries.texts[row].as_py() == text
    assert relevant(benchmark, row) == sentences


@pytest.mark.parametrize(
    ("row", "passage", "start"),
    [
        (0, "ar/0/0", "فرط ضغط الدم هو أهم عوامل الخطورة"),
        (9, "ar/1/5", "يعالج المركز أكثر من نصف مليون مريض"),
        (21_077, "zh/442/1", "他最著名的是在蛙上做的关于神经肌肉接头"),
    ],
)
def test_first_tenth_and_last_passage(benchmark, row, passage, start):
    assert benchmark.passages.ids[row].as_py() == passage
    assert benchmark.passages.texts[row].as_py().startswith(start)


def test_passages_begin_and_end_with_something_to_see(benchmark):
    texts = benchmark.passages.texts.to_pylist()
    assert all(text and text == text.strip().strip("\u200b\ufeff") for text in texts)


def test_the_content_is_the_one_that_results_are_compared_on(benchmark):
    assert benchmark.fingerprint == FINGERPRINT


@pytest.fixture
def shuffled(real_data):
    """The files of MLQA with articles and questions in another order, and other spacing."""
    order = random.Random(1)
    files = {}
    for lang in QUERIES:
        file = orjson.loads((real_data / "mlqa" / "dev" / file_name(lang)).read_bytes())
        order.shuffle(file["data"])
        for article in file["data"]:
            order.shuffle(article["paragraphs"])
            for paragraph in article["paragraphs"]:
                order.shuffle(paragraph["qas"])
                paragraph["qas"][0]["question"] += " "
        files[lang] = orjson.dumps(file, option=orjson.OPT_INDENT_2)
    return files


def test_the_order_in_the_files_does_not_matter(shuffled, own_data):
    (own_data / "mlqa" / "dev").mkdir(parents=True)
    for lang, data in shuffled.items():
        (own_data / "mlqa" / "dev" / file_name(lang)).write_bytes(data)
    assert load_benchmark("mlqa-r").fingerprint == FINGERPRINT


def pack(monkeypatch, own_data, members):
    """Put an archive with these members where the published one is looked for."""
    path = own_data / "mlqa" / "MLQA_V1.zip"
    path.parent.mkdir()
    with ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    packed = SourceFile("mlqa/MLQA_V1.zip", "", sha256_of(path), path.stat().st_size)
    monkeypatch.setattr(mlqa_r, "ARCHIVE", packed)


def test_the_archive_gives_the_same_benchmark(shuffled, own_data, monkeypatch):
    members = {f"MLQA_V1/dev/{file_name(lang)}": data for lang, data in shuffled.items()}
    pack(monkeypatch, own_data, members)
    assert load_benchmark("mlqa-r").fingerprint == FINGERPRINT


@pytest.fixture
def small(paragraph, squad):
    """Members of a small archive: one context twice, each time with another question."""
    first, second = ("q1", " Rain? ", 0), ("q2", "Snow?", 10)
    data = squad(paragraph("It rains. It snows.", second), paragraph("It rains. It snows.", first))
    return {f"MLQA_V1/dev/{file_name(lang)}": data for lang in QUERIES}


def test_a_context_that_comes_twice_is_searched_once(small, own_data, monkeypatch):
    pack(monkeypatch, own_data, small)
    benchmark = load_benchmark("mlqa-r")
    assert benchmark.passages.ids.to_pylist()[:3] == ["ar/0/0", "ar/0/1", "de/0/0"]
    assert benchmark.queries.texts.to_pylist()[:2] == ["Rain?", "Snow?"]
    assert relevant(benchmark, 1) == [f"{lang}/0/1" for lang in QUERIES]


def test_no_member_of_the_archive_is_written_anywhere(small, own_data, monkeypatch):
    pack(monkeypatch, own_data, {"../../escaped": b"", "/escaped": b"", **small})
    before = sorted(own_data.parent.rglob("*"))
    load_benchmark("mlqa-r")
    assert sorted(own_data.parent.rglob("*")) == before


def test_an_archive_without_a_language(small, own_data, monkeypatch):
    small.popitem()
    pack(monkeypatch, own_data, small)
    with pytest.raises(DataError, match=r"MLQA_V1.zip: found .*question-zh.json"):
        load_benchmark("mlqa-r")


def test_a_file_with_other_content(paragraph, squad, own_data):
    (own_data / "mlqa" / "dev").mkdir(parents=True)
    changed = squad(paragraph("Es regnet.", ("q", "?", 0)))
    (own_data / "mlqa" / "dev" / file_name("ar")).write_bytes(changed)
    with pytest.raises(ChecksumError, match=r"question-ar.json: found content \w+, expected conte"):
        load_benchmark("mlqa-r")


def test_a_folder_without_a_language(own_data):
    (own_data / "mlqa" / "dev").mkdir(parents=True)
    with pytest.raises(DataError, match=r"context-ar-question-ar.json: found no such file"):
        load_benchmark("mlqa-r")
