"""Fixtures that the tests of every package may use.

Among them is a small benchmark with the irregularities of real ones, and a ranking of it full of
ties.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from evenrank.benchmarks.benchmark import Benchmark, Card, Passage, Query, build_benchmark
from evenrank.encoding.base import build_encoder
from evenrank.files import write_json
from evenrank.ranking.rank import rank
from evenrank.ranking.ranks import Ranking

settings.register_profile("unhurried", deadline=None)  # times say nothing on a busy machine
settings.load_profile("unhurried")


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Ctrl-C interrupts, also where the tests are a background job, which ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; tests that need it say that they skipped when it is absent."""
    folder = os.environ.get("EVENRANK_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("EVENRANK_DATA is not set to a folder of real data")
    return Path(folder)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """No test reads or fills the user's cache."""
    monkeypatch.setenv("EVENRANK_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 200 kB, mounted as a folder."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a disk needs rights that this process does not have")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


CARD = Card(title="Numbers", source="tests", licence="CC0", citation="none")
WORDS = {
    "de": ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"],
    "en": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    "es": ["cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"],
    "th": ["ศูนย์", "หนึ่ง", "สอง", "สาม", "สี่", "ห้า", "หก", "เจ็ด", "แปด", "เก้า"],
    "vi": ["không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín"],
}


@pytest.fixture(scope="session")
def benchmark() -> Benchmark:
    """Build ten questions in four languages and their answers in four.

    Nobody asks in ``vi`` and nothing is written in ``th``. Question 3 has no Spanish answer,
    question 4 two, and question 9 no answer at all.
    """
    queries = [
        Query(f"{lang}-q{number}", f"q{number}", lang, f"{word}?")
        for lang, words in WORDS.items()
        for number, word in enumerate(words)
        if lang != "vi"
    ]
    passages = [
        Passage(f"{lang}-p{number}", lang, f"{word}.")
        for lang, words in WORDS.items()
        for number, word in enumerate(words)
        if lang != "th" and (lang, number) != ("es", 3)
    ]
    passages.append(Passage("es-p4b", "es", "4."))
    qrels = [
        (query.id, passage.id)
        for query in queries
        for passage in passages
        if passage.id.split("-p")[1].rstrip("b") == query.id.split("-q")[1] != "9"
    ]
    return build_benchmark("numbers", CARD, queries, passages, qrels)


@pytest.fixture(scope="session")
def scores_QD(benchmark) -> np.ndarray:
    """Dot products of small whole numbers: many are equal."""
    queries, passages = embeddings(benchmark)
    return queries @ passages.T


@pytest.fixture(scope="session")
def ranking(benchmark) -> Ranking:
    """The exact pass over these scores; it keeps every passage."""
    queries, passages = embeddings(benchmark)
    return rank(queries, passages, benchmark.relevance, benchmark.offsets, top_k=100)


def embeddings(benchmark):
    generator = np.random.default_rng(5)
    sizes = (len(benchmark.queries), len(benchmark.passages))
    return [generator.integers(-2, 3, size=(size, 4)).astype(np.float32) for size in sizes]


TRAINING = {
    "strategy": "hybrid",
    "seed": 3,
    "languages": ["de", "en"],
    "config": {"alpha": 0.5},
    "log": [{"step": 10, "loss": 1.5, "dev": 0.25}],
}


@pytest.fixture(scope="session")
def model_folder(benchmark, tmp_path_factory):
    """Write a small untrained encoder, with the facts of its training, as in a run folder."""
    texts = benchmark.queries.texts.to_pylist() + benchmark.passages.texts.to_pylist()
    settings = {"width": 16, "query_prompt": "Query: ", "passage_prompt": "Passage: "}
    folder = tmp_path_factory.mktemp("runs") / "hybrid" / "model"
    build_encoder("static", texts, settings).save_pretrained(str(folder))
    write_json(folder / "evenrank.json", TRAINING)
    return folder
