from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenrank.benchmarks.benchmark import Relevance
from evenrank.encoding import embed, store
from evenrank.encoding.base import build_encoder
from evenrank.encoding.embed import embed_texts, fill_store
from evenrank.encoding.encode import encode_texts
from evenrank.encoding.prompts import set_prompts
from evenrank.encoding.store import EmbeddingStore, open_store
from evenrank.errors import ConfigError, DataError
from evenrank.processes import Team
from evenrank.ranking.rank import rank

WIDTH = 8
FACTS = {"encoder": "random", "kind": "passage", "prompt": ""}
STORE = f"""
import sys, time
from pathlib import Path
import numpy as np
from evenrank.encoding import store
store.CHUNK = 10
opened = store.EmbeddingStore(Path(sys.argv[1]), {FACTS}, {WIDTH}, "float32", verify=True)
def encode(texts, places):
    time.sleep(0.05)
    return np.full((len(texts), {WIDTH}), 1, dtype=np.float32)
for start in range(0, 1000, 10):
    opened.add([f"text {{i}}" for i in range(start, start + 10)], encode, wait=True)
"""


@pytest.fixture(scope="module")
def model(texts):
    return build_encoder("static", texts, {"width": 16})


@pytest.fixture
def pieces_of_four(monkeypatch):
    monkeypatch.setattr(store, "CHUNK", 4)
    monkeypatch.setattr(embed, "CHUNK", 4)


def vectors_of(texts, places):
    """A unit vector for each text, the same whenever it is asked for."""
    seeds = [int.from_bytes(text.encode()[-7:], "little") for text in texts]
    rows = np.array([np.random.default_rng(seed).normal(size=WIDTH) for seed in seeds])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def opened(folder, dtype="float32", verify=True):
    return EmbeddingStore(folder, FACTS, WIDTH, dtype, verify=verify)


def numbered(count):
    return [f"text {number}" for number in range(count)]


def filled(folder, count=20, size=4, **options):
    """A store of numbered texts, in chunks of ``size``."""
    one = opened(folder, **options)
    for start in range(0, count, size):
        one.add(numbered(count)[start : start + size], vectors_of, wait=True)
    return one


def names(folder):
    return sorted(path.name for path in (folder / "chunks").iterdir())


def encoded_again(folder, model, texts, kind="passage"):
    opened_again = open_store(folder, model, kind)
    return fill_store(opened_again, model, texts, kind=kind, description="Encoding")


def test_the_vectors_are_the_encoders(tmp_path, model, texts, pieces_of_four):
    column = pa.chunked_array([texts[:5], texts[5:]])
    for kind in ("query", "passage"):
        expected = encode_texts(model, texts, kind=kind, description="Encoding")
        for _ in range(2):
            found = embed_texts(tmp_path, model, column, kind=kind, description="Encoding")
            assert found.dtype == np.float32
            assert found == pytest.approx(expected, abs=1e-6)


def test_a_text_is_encoded_once_whatever_it_belongs_to(tmp_path, model, texts, pieces_of_four):
    assert encoded_again(tmp_path, model, texts) == len(set(texts)) == 12  # of 36
    assert encoded_again(tmp_path, model, texts[::-1]) == 0
    assert encoded_again(tmp_path, model, ["a new one", *texts[3:7]]) == 1
    assert len(open_store(tmp_path, model, "passage")) == 13


def test_kinds_prompts_and_encoders_are_kept_apart(tmp_path, texts):
    model = build_encoder("static", texts, {"width": 16})
    assert encoded_again(tmp_path, model, texts, "passage") == 12
    assert encoded_again(tmp_path, model, texts, "query") == 12
    set_prompts(model, None, "Passage: ")
    assert encoded_again(tmp_path, model, texts) == 12
    expected = encode_texts(model, texts, kind="passage", description="Encoding")
    found = embed_texts(tmp_path, model, texts, kind="passage", description="Encoding")
    assert found == pytest.approx(expected, abs=1e-6)


def test_no_texts(tmp_path, model):
    assert embed_texts(tmp_path, model, [], kind="query", description="Encoding").shape == (0, 16)


def test_what_is_large_stays_on_the_disk(tmp_path, model, texts, pieces_of_four, monkeypatch):
    expected = embed_texts(tmp_path, model, texts, kind="passage", description="Encoding")
    monkeypatch.setattr(embed, "IN_MEMORY", 0)
    found = embed_texts(tmp_path, model, texts, kind="passage", description="Encoding")
    assert not isinstance(found, np.ndarray)
    assert found.shape == expected.shape
    assert (np.asarray(found) == expected).all()


@given(key=st.one_of(st.slices(30), st.lists(st.integers(-30, 29), max_size=40)))
def test_stored_rows_are_read_like_an_array(tmp_path_factory, key):
    texts = [f"text {number % 11 if number > 20 else number}" for number in range(30)]
    folder = tmp_path_factory.getbasetemp() / "rows"
    rows = filled(folder, 21).read(texts)
    expected = vectors_of(texts, [])
    assert (rows[key] == expected[key if isinstance(key, slice) else np.array(key, int)]).all()


def test_a_slice_of_one_chunk_is_the_file_itself(tmp_path):
    rows = filled(tmp_path).read(numbered(20))
    inside = rows[5:8]
    while not isinstance(inside, np.memmap):
        inside = inside.base
    assert inside.filename.name.endswith(".rows.npy")
    assert not isinstance(rows[2:6], np.memmap)
    rows[5:8][:] = 0
    assert opened(tmp_path).read(numbered(20))[5:8].all()  # a map of one's own


def test_ranking_from_the_disk_is_ranking_from_memory(tmp_path):
    texts = [f"text {number % 33_000}" for number in range(34_000)]
    one = opened(tmp_path)
    for start in range(0, 34_000, 16_384):
        one.add(texts[start : start + 16_384], _random, wait=True)
    rows = one.read(texts)
    relevance = Relevance(np.array([0, 1, 3]), np.array([33_100, 7, 20_000]))
    queries, offsets = rows[:2], np.array([0, 10_000, 34_000])
    stored = rank(queries, rows, relevance, offsets, top_k=5)
    whole = rank(queries, np.asarray(rows), relevance, offsets, top_k=5)
    assert (stored.above == whole.above).all()
    assert (stored.top_passages == whole.top_passages).all()
    assert (stored.top_scores == whole.top_scores).all()


def _random(texts, places):
    seed = int(texts[0].split()[1])
    rows = np.random.default_rng(seed).normal(size=(len(texts), WIDTH))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_half_precision_changes_ranks_of_nearly_equal_scores_only(tmp_path):
    full, half = (filled(tmp_path / kind, 2000, 500, dtype=kind) for kind in ("float32", "float16"))
    rows = [np.asarray(one.read(numbered(2000)), np.float32) for one in (full, half)]
    exact, rounded = (part[:20] @ part.T for part in rows)
    error = abs(exact - rounded).max()
    assert 0 < error < 5e-4
    for before, after in zip(exact, rounded, strict=True):
        moved = abs(np.argsort(np.argsort(-before)) - np.argsort(np.argsort(-after)))
        ordered = np.sort(before)
        near = [np.searchsorted(ordered, before + sign * 2 * error) for sign in (-1, 1)]
        assert moved.any()
        assert (moved <= near[1] - near[0]).all()


def test_a_kill_loses_the_chunk_in_hand_and_no_other(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", STORE, str(tmp_path)])
    while len(list((tmp_path / "chunks").glob("*.json"))) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = len(opened(tmp_path))
    assert 30 <= kept < 1000
    counts = []

    def count(texts, places):
        counts.append(len(texts))
        return vectors_of(texts, places)

    again = opened(tmp_path)
    for start in range(0, 1000, 10):
        again.add(numbered(1000)[start : start + 10], count, wait=False)
    assert sum(counts) == 1000 - kept
    assert len(opened(tmp_path)) == 1000
    assert not [name for name in names(tmp_path) if name.endswith(".part")]


def test_workers_share_the_work(tmp_path, model, pieces_of_four):
    texts = [f"the sea {number}" for number in range(200)]

    def work(number):
        own = open_store(tmp_path, model, "passage")
        team = Team(number, 3)
        return fill_store(own, model, texts, kind="passage", team=team, description="Encoding")

    with ThreadPoolExecutor(3) as pool:
        counts = list(pool.map(work, range(3)))
    assert sum(counts) == 200
    assert encoded_again(tmp_path, model, texts) == 0


@pytest.mark.parametrize(("number", "before"), [(0, 0), (1, 12)])
def test_a_process_begins_with_its_own_share(tmp_path, model, pieces_of_four, number, before):
    texts = ["", *(f"the sea {number}" for number in range(15))]  # the first piece fails
    one = open_store(tmp_path, model, "passage")
    with pytest.raises(DataError, match="text 1 of 16"):
        fill_store(one, model, texts, kind="passage", team=Team(number, 2), description="Encoding")
    assert len(open_store(tmp_path, model, "passage")) == before


def test_repeated_texts_belong_to_their_first_piece_whoever_begins(tmp_path, model, pieces_of_four):
    texts = [f"the sea {number % 11}" for number in range(30)]
    for number, team in enumerate((Team(), Team(1, 2), Team(2, 3))):
        one = open_store(tmp_path / str(number), model, "passage")
        assert fill_store(one, model, texts, kind="passage", team=team, description="Filling") == 11
    chunks = [
        {path.name: path.read_bytes() for path in (tmp_path / str(number)).rglob("chunks/*")}
        for number in range(3)
    ]
    assert chunks[0] == chunks[1] == chunks[2]


def test_a_small_collection_is_taken_in_pieces_too(tmp_path, model):
    texts = [f"the sea {number}" for number in range(2_500)]
    assert encoded_again(tmp_path, model, texts) == 2_500
    assert len(list(tmp_path.rglob("chunks/*.json"))) == 3  # a kill costs one of them


def test_a_piece_that_another_process_has_in_hand_is_left_to_it(tmp_path):
    first, second = opened(tmp_path), opened(tmp_path)

    def meanwhile(texts, places):
        assert second.add(numbered(4), vectors_of, wait=False) is None
        return vectors_of(texts, places)

    assert first.add(numbered(4), meanwhile, wait=False) == 4
    assert second.add(numbered(4), vectors_of, wait=True) == 0
    assert (np.asarray(second.read(numbered(4))) == vectors_of(numbered(4), [])).all()


def test_an_interruption_leaves_what_is_finished(tmp_path):
    one = filled(tmp_path, 8)

    def interrupt(texts, places):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.add(numbered(12)[8:], interrupt, wait=True)
    assert len(opened(tmp_path)) == 8
    assert opened(tmp_path).add(numbered(12)[8:], vectors_of, wait=False) == 4


def test_a_full_disk_is_one_line_and_leaves_what_is_finished(tmp_path):
    one = filled(tmp_path, 8)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(DataError, match=r"no room .*Make room and start again"):
            one.add(numbered(1000), vectors_of, wait=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not [name for name in names(tmp_path) if name.endswith(".part")]
    assert opened(tmp_path).add(numbered(1000), vectors_of, wait=True) == 992


def damage_end(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("pattern", "damage", "found"),
    [
        ("*.rows.npy", damage_end, "SHA-256"),
        ("*.rows.npy", cut_short, "255 bytes, expected 256 bytes"),
        ("*.rows.npy", lambda path: path.unlink(), "no such file"),
        ("*.keys.npy", damage_end, "SHA-256"),
        ("*.keys.npy", cut_short, "191 bytes, expected 192 bytes"),
        ("*.json", cut_short, None),
        ("*.json", lambda path: path.write_text("{}"), "no readable record"),
        ("*.json", lambda path: path.write_bytes(b"\xff"), "no readable record"),
    ],
)
def test_damage_is_found_and_mended_as_the_message_says(tmp_path, pattern, damage, found):
    filled(tmp_path)
    path = sorted((tmp_path / "chunks").glob(pattern))[1]
    damage(path)
    if found is None:  # a record without its last line break is the same record
        assert len(opened(tmp_path)) == 20
        return
    with pytest.raises(DataError, match=found) as met:
        np.asarray(opened(tmp_path).read(numbered(20)))
    assert met.value.place == str(path)
    name = path.name.partition(".")[0]
    assert met.value.remedy.startswith(f"Delete {tmp_path / 'chunks' / name}.*")
    for left in (tmp_path / "chunks").glob(f"{name}.*"):
        left.unlink()
    mended = filled(tmp_path)
    assert (np.asarray(mended.read(numbered(20))) == vectors_of(numbered(20), [])).all()


def test_without_verification_only_the_keys_are_read_whole(tmp_path):
    filled(tmp_path)
    damage_end(sorted((tmp_path / "chunks").glob("*.rows.npy"))[0])
    opened(tmp_path, verify=False).read(numbered(20))[:]
    with pytest.raises(DataError, match="SHA-256"):
        opened(tmp_path).read(numbered(20))[:]


def test_rows_that_are_pickled_objects_are_not_read(tmp_path):
    filled(tmp_path, 4)
    path = next((tmp_path / "chunks").glob("*.rows.npy"))
    np.save(path, np.array([{}] * 4, dtype=object))
    with pytest.raises(DataError):
        opened(tmp_path, verify=False).read(numbered(4))[:]


def test_a_store_of_something_else(tmp_path):
    filled(tmp_path)
    with pytest.raises(DataError, match=r"store.json: found .*'width': 8.* expected .*'width': 9"):
        EmbeddingStore(tmp_path, FACTS, WIDTH + 1, "float32", verify=True)


def test_a_store_that_is_no_folder(tmp_path):
    (tmp_path / "store").write_text("a file")
    with pytest.raises(DataError, match=r"store: found .*File exists.* Name another folder"):
        opened(tmp_path / "store")
    with pytest.raises(DataError, match=r"deeper: found .*Not a directory.* Name another folder"):
        opened(tmp_path / "store" / "deeper")


def test_a_text_that_was_never_encoded(tmp_path):
    with pytest.raises(DataError, match="no embedding of 'text 4'"):
        filled(tmp_path, 4).read(numbered(5))


def test_a_precision_that_there_is_not(tmp_path, model):
    with pytest.raises(ConfigError, match="float32 or float16"):
        open_store(tmp_path, model, "query", dtype="int8")


def test_a_text_without_a_direction_is_named_by_its_place(tmp_path, model, texts, pieces_of_four):
    with pytest.raises(DataError, match=r"text 7 of 9, ''"):
        embed_texts(
            tmp_path, model, [*texts[:6], "", *texts[6:8]], kind="passage", description="Encoding"
        )
