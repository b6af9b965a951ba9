from __future__ import annotations

import json
import resource
import shutil
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
from safetensors.numpy import load_file, save_file

from evenrank.benchmarks.benchmark import Relevance
from evenrank.encoding import encode as encoding
from evenrank.encoding import store
from evenrank.encoding.base import build_encoder
from evenrank.encoding.encode import Work, empty_rows, encode_texts, fill_store
from evenrank.encoding.opening import as_model
from evenrank.encoding.prompts import set_prompts
from evenrank.encoding.store import EmbeddingStore, open_store
from evenrank.errors import ConfigError, DataError, FileError
from evenrank.processes import Team
from evenrank.ranking.rank import rank

WIDTH = 8
FACTS = {"encoder": "random", "kind": "passage", "prompt": ""}
STORE = f"""
import sys, time
from pathlib import Path
import numpy as np
from evenrank.encoding import store
store.MINIMUM_PIECE = store.MAXIMUM_PIECE = 10
opened = store.EmbeddingStore(Path(sys.argv[1]), {FACTS}, {WIDTH}, "float32")
for piece in opened.pieces([f"text {{i}}" for i in range(1000)]):
    def encode():
        time.sleep(0.05)
        return np.full((10, {WIDTH}), 1, dtype=np.float32)
    opened.add(piece, encode, wait=True)
"""


@pytest.fixture(scope="module")
def model(texts):
    return build_encoder("static", texts, {"width": 16})


@pytest.fixture
def small_pieces(monkeypatch):
    """Pieces of two to eight texts, so that few texts make many."""
    monkeypatch.setattr(store, "MINIMUM_PIECE", 2)
    monkeypatch.setattr(store, "MAXIMUM_PIECE", 8)
    monkeypatch.setattr(store, "_ONE_IN", 3)


def vectors_of(texts):
    """A unit vector for each text, the same each time."""
    seeds = [int.from_bytes(text.encode()[-7:], "little") for text in texts]
    rows = np.array([np.random.default_rng(seed).normal(size=WIDTH) for seed in seeds])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def opened(folder, dtype="float32", **facts):
    return EmbeddingStore(folder, FACTS | facts, WIDTH, dtype)


def numbered(count):
    return [f"text {number}" for number in range(count)]


def fill(one, texts):
    """Fill a store with texts, and return how many were encoded."""
    counts = []

    def encode(piece):
        counts.append(piece.stop - piece.start)
        return vectors_of(texts[piece.start : piece.stop])

    for piece in one.pieces(texts):
        one.add(piece, lambda piece=piece: encode(piece), wait=True)
    return sum(counts)


def read(one, texts):
    return one.read(one.pieces(texts))


def files_of(folder):
    return sorted(folder.rglob("*.safetensors"))


def test_the_vectors_are_the_encoders(tmp_path, model, texts, small_pieces):
    column = pa.chunked_array([texts[:5], texts[5:]])
    for kind in ("query", "passage"):
        expected = encode_texts(Work(model, kind), texts)
        for _ in range(2):
            found = encode_texts(Work(model, kind), column, store=tmp_path)
            assert found.dtype == np.float32
            assert found == pytest.approx(expected, abs=1e-6)


def test_the_same_texts_are_not_encoded_again(tmp_path, model, texts):
    work = Work(model, "passage")
    assert fill_store(work, texts, tmp_path) == len(texts)
    assert fill_store(work, texts, tmp_path) == 0


@pytest.mark.slow
@given(at=st.integers(0, 2_999), kind=st.sampled_from(["added", "changed", "removed"]))
def test_a_change_of_one_text_concerns_its_piece_and_few_others(at, kind):
    one = opened(None)
    texts = numbered(30_000)
    at *= 10
    new = {
        "added": [*texts[:at], "a new text", *texts[at:]],
        "changed": [*texts[:at], "a new text", *texts[at + 1 :]],
        "removed": [*texts[:at], *texts[at + 1 :]],
    }[kind]
    before = {piece.name for piece in one.pieces(texts)}
    after = {piece.name: piece for piece in one.pieces(new)}
    fresh = [after[name] for name in set(after) - before]
    assert 1 <= len(fresh) <= 4
    assert sum(piece.stop - piece.start for piece in fresh) <= 8_000


@given(st.lists(st.integers(0, 50), max_size=60))
def test_pieces_cover_all_texts_once(numbers):
    texts = [f"text {number}" for number in numbers]
    sizes = store.MINIMUM_PIECE, store.MAXIMUM_PIECE, store._ONE_IN
    store.MINIMUM_PIECE, store.MAXIMUM_PIECE, store._ONE_IN = 2, 8, 3
    try:
        pieces = opened(None).pieces(texts)
        assert pieces == opened(None).pieces(pa.chunked_array([texts], pa.string()))
    finally:
        store.MINIMUM_PIECE, store.MAXIMUM_PIECE, store._ONE_IN = sizes
    assert [at for one in pieces for at in range(one.start, one.stop)] == list(range(len(texts)))
    assert all(2 <= one.stop - one.start <= 8 for one in pieces[:-1])


def test_kinds_prompts_precisions_and_encoders_are_kept_apart(tmp_path, texts):
    model = build_encoder("static", texts, {"width": 16})
    assert fill_store(Work(model, "passage"), texts, tmp_path) == 36
    assert fill_store(Work(model, "query"), texts, tmp_path) == 36
    assert fill_store(Work(model, "passage"), texts, tmp_path, dtype="float16") == 36
    set_prompts(model, None, "Passage: ")
    assert fill_store(Work(model, "passage"), texts, tmp_path) == 36
    expected = encode_texts(Work(model, "passage"), texts)
    assert encode_texts(Work(model, "passage"), texts, store=tmp_path) == pytest.approx(
        expected, abs=1e-6
    )


def test_no_texts(tmp_path, model):
    assert encode_texts(Work(model, "query"), [], store=tmp_path).shape == (0, 16)


def test_what_is_large_stays_on_the_disk(tmp_path, model, texts, small_pieces, monkeypatch):
    work = Work(model, "passage")
    expected = encode_texts(work, texts, store=tmp_path)
    monkeypatch.setattr(encoding, "IN_MEMORY", 0)
    found = encode_texts(work, texts, store=tmp_path)
    assert not isinstance(found, np.ndarray)
    assert found.shape == expected.shape
    assert (np.asarray(found) == expected).all()


@given(key=st.one_of(st.slices(30), st.lists(st.integers(-30, 29), max_size=40)))
def test_stored_rows_are_read_like_an_array(tmp_path_factory, key):
    folder, texts = tmp_path_factory.getbasetemp() / "rows", numbered(30)
    sizes = store.MINIMUM_PIECE, store.MAXIMUM_PIECE
    store.MINIMUM_PIECE = store.MAXIMUM_PIECE = 7
    try:
        fill(opened(folder), texts)
        rows = read(opened(folder), texts)
    finally:
        store.MINIMUM_PIECE, store.MAXIMUM_PIECE = sizes
    expected = vectors_of(texts)
    assert (rows[key] == expected[key if isinstance(key, slice) else np.array(key, int)]).all()


def test_a_slice_of_one_piece_is_the_file_itself(tmp_path, small_pieces):
    texts = numbered(40)
    fill(opened(tmp_path), texts)
    rows = read(opened(tmp_path), texts)
    piece = next(piece for piece in opened(tmp_path).pieces(texts)[1:] if piece.stop > piece.start)
    inside = rows[piece.start + 1 : piece.stop]
    while not isinstance(inside, np.memmap):
        inside = inside.base
    assert inside.filename == opened(tmp_path).path(piece)
    rows[piece.start : piece.stop][:] = 0
    assert read(opened(tmp_path), texts)[piece.start : piece.stop].all()  # a private map


def test_ranking_from_the_disk_is_ranking_from_memory(tmp_path):
    texts = numbered(9_000)
    fill(opened(tmp_path), texts)
    rows = read(opened(tmp_path), texts)
    relevance = Relevance(np.array([0, 1, 3]), np.array([8_100, 7, 5_000]))
    queries, offsets = rows[:2], np.array([0, 3_000, 9_000])
    stored = rank(queries, rows, relevance, offsets, top_k=5)
    whole = rank(queries, np.asarray(rows), relevance, offsets, top_k=5)
    assert (stored.above == whole.above).all()
    assert (stored.top_passages == whole.top_passages).all()
    assert (stored.top_scores == whole.top_scores).all()


def test_half_precision_changes_ranks_of_nearly_equal_scores_only(tmp_path):
    texts, rows = numbered(2000), []
    for dtype in ("float32", "float16"):
        fill(opened(tmp_path / dtype, dtype), texts)
        rows.append(np.asarray(read(opened(tmp_path / dtype, dtype), texts), np.float32))
    exact, rounded = (part[:20] @ part.T for part in rows)
    error = abs(exact - rounded).max()
    assert 0 < error < 5e-4
    for before, after in zip(exact, rounded, strict=True):
        moved = abs(np.argsort(np.argsort(-before)) - np.argsort(np.argsort(-after)))
        ordered = np.sort(before)
        near = [np.searchsorted(ordered, before + sign * 2 * error) for sign in (-1, 1)]
        assert moved.any()
        assert (moved <= near[1] - near[0]).all()


def test_a_kill_loses_the_current_piece_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "MINIMUM_PIECE", 10)
    monkeypatch.setattr(store, "MAXIMUM_PIECE", 10)
    process = subprocess.Popen([sys.executable, "-c", STORE, str(tmp_path)])
    while len(files_of(tmp_path)) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = 10 * len(files_of(tmp_path))
    assert 30 <= kept < 1000
    assert fill(opened(tmp_path), numbered(1000)) == 1000 - kept
    assert len(read(opened(tmp_path), numbered(1000))) == 1000
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".part"]


def test_workers_share_the_work(tmp_path, model, small_pieces):
    texts = [f"the sea {number}" for number in range(200)]

    def work(number):
        return fill_store(Work(model, "passage", team=Team(number, 3)), texts, tmp_path)

    with ThreadPoolExecutor(3) as pool:
        counts = list(pool.map(work, range(3)))
    assert sum(counts) == 200
    assert fill_store(Work(model, "passage"), texts, tmp_path) == 0


def test_the_proof_of_the_disk_leaves_the_folder_to_the_others(tmp_path):
    """A process that removed it again removed it from under the locks of another one."""
    store = opened(tmp_path / "new")
    assert store.missing(store.pieces(numbered(4)))
    assert store.folder.is_dir()
    assert not list(store.folder.iterdir())


def test_the_number_of_processes_does_not_change_the_files(tmp_path, model, small_pieces):
    texts = [f"the sea {number % 11}" for number in range(30)]
    folders = []
    for number, team in enumerate((Team(), Team(1, 2), Team(2, 3))):
        fill_store(Work(model, "passage", team=team), texts, tmp_path / str(number))
        files = files_of(tmp_path / str(number))
        folders.append({path.name: path.read_bytes() for path in files})
    assert folders[0] == folders[1] == folders[2]


def test_equal_texts_have_equal_vectors(tmp_path, model, texts):
    found = encode_texts(Work(model, "passage", batch_size=1), texts, store=tmp_path)
    assert len(np.unique(found, axis=0)) == len(set(texts)) == 12


def test_a_piece_that_another_process_encodes_is_left_to_it(tmp_path):
    first, second, texts = opened(tmp_path), opened(tmp_path), numbered(4)
    (piece,) = first.pieces(texts)

    def meanwhile():
        assert not second.add(piece, lambda: vectors_of(texts), wait=False)
        return vectors_of(texts)

    assert first.add(piece, meanwhile, wait=False)
    assert second.add(piece, pytest.fail, wait=True)
    assert (np.asarray(read(second, texts)) == vectors_of(texts)).all()


def test_an_interruption_leaves_what_is_finished(tmp_path, small_pieces):
    one, texts = opened(tmp_path), numbered(12)
    *finished, last = one.pieces(texts)

    def interrupt():
        raise KeyboardInterrupt

    for piece in finished:
        one.add(piece, lambda piece=piece: vectors_of(texts[piece.start : piece.stop]), wait=True)
    with pytest.raises(KeyboardInterrupt):
        one.add(last, interrupt, wait=True)
    assert fill(opened(tmp_path), texts) == last.stop - last.start


def test_a_full_disk_is_one_line_and_leaves_what_is_finished(tmp_path, small_pieces):
    texts = numbered(8)
    fill(opened(tmp_path), texts)
    store.MINIMUM_PIECE = store.MAXIMUM_PIECE = 500  # set back by the fixture
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(FileError, match=r"Free some space") as caught:
            fill(opened(tmp_path), numbered(1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".part"]
    assert fill(opened(tmp_path), numbered(1000)) == 1000


def test_too_small_a_disk_is_refused_before_the_first_text(tmp_path):
    huge = EmbeddingStore(tmp_path / "a" / "b", FACTS, 1 << 45, "float32")
    with pytest.raises(FileError, match=r"a/b: .* GB free, .*1 texts.* Free some space"):
        huge.missing(huge.pieces(["a"]))
    assert not (tmp_path / "a").exists()


def test_a_disk_that_fills_up(tmp_path, model):
    """A real disk of 200 kB, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not permitted")
    try:
        with pytest.raises(FileError, match=r"Free some space"):
            fill_store(Work(model, "passage"), numbered(9_000), disk / "store")
        (disk / "large").write_bytes(b"0" * 190_000)
        with pytest.raises(FileError, match=r"Free some space"):
            fill_store(Work(model, "passage"), numbered(900), disk / "other")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_read_only_store_serves_what_it_has(tmp_path, model, texts):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not permitted")
    try:
        fill_store(Work(model, "passage"), texts, disk)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert len(encode_texts(Work(model, "passage"), texts, store=disk)) == len(texts)
        with pytest.raises(FileError, match="read-only file system"):
            encode_texts(Work(model, "passage"), texts[:5], store=disk)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def damage_end(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def damage_card(path):
    content = path.read_bytes()
    path.write_bytes(content.replace(b"sha256", b"sha257"))


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (damage_end, "SHA-256"),
        (damage_card, "no readable embeddings"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "no readable embeddings"),
        (lambda path: path.write_bytes(b""), "no readable embeddings"),
        (lambda path: path.write_bytes(b"\xff" * 900), "no readable embeddings"),
        (lambda path: save_file(load_file(path), path), "no readable embeddings"),
        (lambda path: path.write_bytes(files_of(path.parent)[0].read_bytes()), "embeddings of"),
    ],
)
def test_damage_is_found_and_repaired_as_the_message_says(tmp_path, small_pieces, damage, found):
    texts = numbered(40)
    fill(opened(tmp_path), texts)
    path = files_of(tmp_path)[1]
    damage(path)
    with pytest.raises(DataError, match=found) as caught:
        np.asarray(read(opened(tmp_path), texts))
    assert caught.value.place == str(path)
    assert caught.value.remedy.startswith("Delete this file")
    path.unlink()
    assert 0 < fill(opened(tmp_path), texts) < 40
    assert (np.asarray(read(opened(tmp_path), texts)) == vectors_of(texts)).all()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"\.safetensors: found no readable embeddings"):
        read(opened(tmp_path), numbered(5))


def test_files_of_another_encoder_are_not_used(tmp_path):
    """They were moved by hand, under their name and under another one."""
    texts = numbered(20)
    fill(opened(tmp_path / "one"), texts)
    (theirs,) = files_of(tmp_path / "one")
    other = opened(tmp_path / "two", encoder="other")
    (piece,) = other.pieces(texts)
    other.folder.mkdir()
    shutil.copy(theirs, other.folder)
    assert other.missing([piece]) == [piece]
    shutil.copy(theirs, other.path(piece))
    with pytest.raises(DataError, match=r"embeddings of .*'encoder': 'random'.*those of its name"):
        other.read([piece])


def test_a_store_that_is_a_file(tmp_path, model):
    (tmp_path / "store").write_text("a file")
    for place in ("store", "store/deeper"):
        with pytest.raises(FileError, match=f"{place}.*"):
            fill_store(Work(model, "query"), ["a"], tmp_path / place)


def test_a_precision_that_does_not_exist(tmp_path, model):
    with pytest.raises(ConfigError, match="float32 or float16"):
        open_store(tmp_path, as_model(model), "query", dtype="int8")


def test_a_file_says_what_it_is(tmp_path, model, texts):
    fill_store(Work(model, "passage"), texts, tmp_path, dtype="float16")
    (path,) = files_of(tmp_path)
    size = int.from_bytes(path.read_bytes()[:8], "little")
    card = json.loads(json.loads(path.read_bytes()[8 : 8 + size])["__metadata__"]["evenrank"])
    assert (card["kind"], card["dtype"], card["width"]) == ("passage", "float16", 16)
    assert path.parent.parent.name == card["encoder"]
    assert load_file(path)["rows"].shape == (36, 16)


def test_texts_without_a_direction(tmp_path, model, texts, small_pieces):
    mixed = [*texts[:6], "\u200b", *texts[6:8], ""]
    named = Work(model, "passage", name_of=lambda at: f"passage {at}")
    for place in (None, tmp_path):
        with pytest.raises(DataError, match=r"^passage 6, '.u200b': found an embedding of zeros"):
            encode_texts(named, mixed, store=place)
    assert not files_of(tmp_path)  # the error came before the first piece
    allowed = Work(model, "passage", empty_texts="last")
    for place in (None, tmp_path):
        rows = encode_texts(allowed, mixed, store=place)
        assert empty_rows(rows).tolist() == [6, 9]
        kept = np.delete(np.asarray(rows), [6, 9], axis=0)
        assert kept == pytest.approx(encode_texts(named, [*texts[:8]]), abs=1e-6)
    with pytest.raises(DataError, match=r"^passage 6, "):  # they are in the store now
        encode_texts(named, mixed, store=tmp_path)
