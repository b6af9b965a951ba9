"""An index is built whole, brought up to date cheaply, and refused when it is not what it was."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evenrank.benchmarks.parallel_corpus import benchmark_from_corpus
from evenrank.data.corpus import corpus_from_rows
from evenrank.debias.base import fit_correction
from evenrank.encoding.model import EmbeddingModel
from evenrank.errors import ConfigError, DataError, FileError
from evenrank.files import lock_folder, sha256_of
from evenrank.search.index.build import build_index
from evenrank.search.index.manifest import read_manifest, write_manifest
from evenrank.search.index.opening import open_index
from evenrank.search.opening import open_searcher


class Encoder(EmbeddingModel):
    """Numbers from a text, and a record of what was encoded."""

    label = "Encoder"

    def __init__(self, width=8):
        self._width, self.seen = width, []

    @property
    def width(self):
        return self._width

    @property
    def fingerprint(self):
        return f"letters-{self._width}"

    def encode(self, texts, kind, batch_size=64):
        self.seen += texts
        seeds = [int.from_bytes(text.encode()[:16]) for text in texts]
        rows = [np.random.default_rng(seed).standard_normal(self._width) for seed in seeds]
        return np.array(rows, dtype=np.float32)

    def describe(self):
        return {}


ROWS = [
    {"id": "b1", "lang": "de", "text": "Eins.", "group": "1", "year": 1999, "tags": ["x", "y"]},
    {"id": 7, "lang": "eng", "text": "One.", "group": 1, "source": "web"},
    {"id": "b2", "lang": "de", "text": "Zwei.", "year": 2000.5, "draft": True},
    {"id": "b3", "language": "de", "text": "Eins.", "source": None},
]


def write(path: Path, rows) -> Path:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def vector(text):
    row = Encoder().encode([text], "query")[0]
    return (row / np.linalg.norm(row)).astype(np.float32)


@pytest.fixture
def corpus(tmp_path):
    return write(tmp_path / "news.jsonl", ROWS)


def test_an_index_has_the_passages_and_their_vectors(corpus, tmp_path):
    built = build_index(corpus, Encoder(), tmp_path / "index")
    assert (built.languages, built.encoded) == ({"de": 3, "en": 1}, 3)  # one text comes twice
    index = open_index(tmp_path / "index", verify=True)
    assert index.manifest.corpus == "news"
    found = index.engine.fetch(["7", "b1", "b2", "b3"])
    assert [(one.language, one.text, one.group) for one in found] == [
        ("en", "One.", "1"),
        ("de", "Eins.", "1"),
        ("de", "Zwei.", ""),
        ("de", "Eins.", ""),
    ]
    assert [dict(one.metadata) for one in found] == [
        {"source": "web"},
        {"year": 1999.0, "tags": '["x","y"]'},
        {"year": 2000.5, "draft": True},
        {},
    ]
    expected = np.stack([vector(text) for text in ("Eins.", "Zwei.", "Eins.", "One.")])
    np.testing.assert_allclose(index.engine.vectors, expected, atol=1e-6)
    assert {path.name for path in (tmp_path / "index").iterdir()} == {
        ".evenrank",
        "current.json",
        "generations",
    }


def test_the_same_passages_are_read_from_every_form_of_file(corpus, tmp_path):
    rows = [{"id": str(row["id"]), "lang": "de", "text": row["text"], "n": "5"} for row in ROWS]
    lines = ["id,lang,text,n", *(",".join(row.values()) for row in rows)]
    (tmp_path / "one.csv").write_text("\n".join(lines), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "one.parquet")
    (tmp_path / "folder").mkdir()
    write(
        tmp_path / "folder" / "de.jsonl", [{k: row[k] for k in ("id", "text", "n")} for row in rows]
    )
    found = []
    for name in ("one.csv", "one.parquet", "folder"):
        build_index(tmp_path / name, Encoder(), tmp_path / f"of-{name}")
        found.append(open_index(tmp_path / f"of-{name}").engine.fetch(["b1", "7", "b2", "b3"]))
    assert found[0] == found[1] == found[2]
    assert [one.metadata for one in found[0]] == [{"n": "5"}] * 4


def test_only_new_texts_are_encoded_and_readers_keep_what_they_opened(corpus, tmp_path):
    encoder, folder = Encoder(), tmp_path / "index"
    build_index(corpus, encoder, folder)
    with open_searcher(folder, Encoder()) as old:
        encoder.seen.clear()
        write(corpus, [*ROWS[1:], {"id": "n", "lang": "fr", "text": "Trois."}])
        assert build_index(corpus, encoder, folder).encoded == 1
        assert encoder.seen.count("Trois.") == 1
        assert not {"Eins.", "One.", "Zwei."} & set(encoder.seen)
        assert old.languages == {"de": 3, "en": 1}
        assert old.search("Eins.", k=2)[0][0].id == "b1"
    index = open_index(folder)
    assert index.engine.counts == {"de": 2, "en": 1, "fr": 1}
    expected = np.stack([vector(text) for text in ("Zwei.", "Eins.", "One.", "Trois.")])
    np.testing.assert_allclose(index.engine.vectors, expected, atol=1e-6)
    assert index.is_current
    build_index(corpus, encoder, folder, precision="float16")
    assert not index.is_current
    assert open_index(folder).engine.vectors.dtype == np.float16


def test_passages_of_a_corpus_and_of_its_benchmark_are_the_same(tmp_path):
    row = {"id": "1", "passage_id": "a", "lang": "de", "query": "Wer?", "passage": "Ada war's."}
    rows = [row, row | {"lang": "en", "query": "Who?", "passage": "It was Ada."}]
    rows.append(row | {"id": "2", "passage_id": "b", "passage": "Bob."})
    data = corpus_from_rows(rows, "ada")
    build_index(data, Encoder(), tmp_path / "one")
    build_index(benchmark_from_corpus(data), Encoder(), tmp_path / "two")
    one, two = (open_index(tmp_path / name).engine for name in ("one", "two"))
    ids = benchmark_from_corpus(data).passages.ids.to_pylist()
    assert [passage.group for passage in one.fetch(ids)] == ["a", "b", "a"]
    assert [passage.group for passage in two.fetch(ids)] == ["de/a", "", "de/a"]
    assert [p.text for p in one.fetch(ids)] == [p.text for p in two.fetch(ids)]
    assert (one.vectors == two.vectors).all()


def test_a_build_that_was_stopped_continues(corpus, tmp_path):
    class Breaks(Encoder):
        def encode(self, texts, kind, batch_size=64):
            if "Text 5990." in texts:
                raise KeyboardInterrupt
            return super().encode(texts, kind, batch_size)

    write(corpus, [{"id": n, "lang": "de", "text": f"Text {n}."} for n in range(6000)])
    with pytest.raises(KeyboardInterrupt):
        build_index(corpus, Breaks(), tmp_path / "index")
    with pytest.raises(DataError, match="no index"):
        open_index(tmp_path / "index")
    again = Encoder()
    build_index(corpus, again, tmp_path / "index")
    assert len(open_index(tmp_path / "index").engine.vectors) == 6000
    assert "Text 5990." in again.seen
    assert len(again.seen) < 5000


def test_a_correction_is_kept_with_what_it_needs(corpus, tmp_path):
    rows = [
        {"id": f"{lang}{n}", "lang": lang, "text": f"{n} {lang}"}
        for n in range(40)
        for lang in ("de", "en")
    ]
    write(corpus, rows)
    build_index(
        corpus, Encoder(), tmp_path / "fitted", fit="center", fit_settings={"shrink": False}
    )
    index = open_index(tmp_path / "fitted", verify=True)
    assert index.stored is not None
    assert index.manifest.correction["method"] == "center"
    build_index(corpus, Encoder(), tmp_path / "given", correction=index.correction)
    queries = np.stack([vector("one"), vector("two")])
    options = {"k": 20, "query_languages": ["de", "en"], "policy": "raw"}
    results = []
    for name, how in [
        ("fitted", {}),
        ("given", {}),
        ("fitted", {"strength": 0.0}),
        ("fitted", {"strength": 1.0}),
    ]:
        with open_searcher(tmp_path / name, **how) as searcher:
            results.append(searcher.search_vectors(queries, **options))
    assert results[0] == results[1] == results[3]
    build_index(corpus, Encoder(), tmp_path / "plain")
    with open_searcher(tmp_path / "plain") as plain:
        uncorrected = plain.search_vectors(queries, **options)
    assert [one.id for one in results[2][0]] == [one.id for one in uncorrected[0]]
    assert [one.id for one in results[0][0]] != [one.id for one in uncorrected[0]]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"id": "x", "text": "No language."}, "news.jsonl:5: found no field 'lang'"),
        ({"id": "x", "lang": "xyzzy", "text": "a"}, "news.jsonl:5: .*'xyzzy'"),
        ({"id": "x", "lang": "de", "text": " "}, "news.jsonl:5: found field 'text' with nothing"),
        ({"lang": "de", "text": "a"}, "news.jsonl:5: found no field 'id'"),
        ({"id": "7", "lang": "de", "text": "a"}, "id '7' in rows 2 and 5"),
        ({"id": "x", "lang": "de", "text": "a", "year": "old"}, "'x', field 'year': found 'old'"),
        ({"id": "x", "lang": "de", "text": "a", "n": 2**63}, "expected a number of 64 bits"),
        ({"id": "x", "lang": "de", "text": "a", "": 1}, "found a field ''"),
    ],
)
def test_a_bad_row_is_named(corpus, tmp_path, row, words):
    write(corpus, [*ROWS, row])
    with pytest.raises(DataError, match=words):
        build_index(corpus, Encoder(), tmp_path / "index")
    assert not list((tmp_path / "index").glob("generations/*"))


def test_what_a_build_cannot_have_is_refused(corpus, tmp_path):
    folder = tmp_path / "index"
    with pytest.raises(ConfigError, match="unknown correction 'centre'"):
        build_index(corpus, Encoder(), folder, fit="centre")
    with pytest.raises(DataError, match="no such file or folder"):
        build_index(tmp_path / "nothing.jsonl", Encoder(), folder)
    with pytest.raises(ConfigError, match="folder that contains an input"):
        build_index(corpus, Encoder(), tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="a folder of something else"):
        build_index(corpus, Encoder(), other)
    with lock_folder(folder), pytest.raises(ConfigError, match="another run that writes to it"):
        build_index(corpus, Encoder(), folder)
    blocks = [(np.eye(8, dtype=np.float32), "de"), (np.eye(8, dtype=np.float32), "fr")]
    correction = fit_correction("center", blocks)
    with pytest.raises(DataError, match="found no 'en', of which news has passages"):
        build_index(corpus, Encoder(), folder, correction=correction)
    with pytest.raises(DataError, match="embeddings of width 9, expected width 8"):
        build_index(corpus, Encoder(9), folder, correction=correction)


def test_an_index_that_is_damaged_or_of_another_model_is_refused(corpus, tmp_path):
    folder = tmp_path / "index"
    build_index(corpus, Encoder(), folder)
    with pytest.raises(DataError, match="found model 'Encoder' of width 9"):
        open_searcher(folder, Encoder(9))
    with (
        open_searcher(folder) as searcher,
        pytest.raises(ConfigError, match="Name it with --model"),
    ):
        searcher.search("words")
    with pytest.raises(ConfigError, match="settings timeout"):
        open_searcher(folder, timeout=3)
    generation = next((folder / "generations").iterdir())
    for path in [folder / "current.json", *generation.glob("[a-z]*")]:
        whole = path.read_bytes()
        for wrong in (None, b"", whole[:-3], bytes([whole[0] ^ 1]) + whole[1:], whole + b"x"):
            path.unlink()
            if wrong is not None:
                path.write_bytes(wrong)
            with pytest.raises(DataError) as caught:
                open_index(folder)
            assert str(folder) in str(caught.value)
            path.write_bytes(whole)
    open_index(folder, verify=True)


def test_a_half_copied_index_is_replaced_by_a_build(corpus, tmp_path):
    folder = tmp_path / "index"
    build_index(corpus, Encoder(), folder)
    next(folder.glob("generations/*/vectors.npy")).unlink()
    encoder = Encoder()
    assert build_index(corpus, encoder, folder).encoded == 3
    open_index(folder, verify=True)


def test_a_full_disk_leaves_the_index_as_it_was(small_disk, tmp_path):
    source = write(tmp_path / "news.jsonl", ROWS)
    folder = small_disk / "index"
    build_index(source, Encoder(), folder)
    rows = [{"id": n, "lang": "de", "text": f"Text {n} " + "x" * 50} for n in range(3000)]
    write(source, rows)
    with pytest.raises(FileError, match="disk full"):
        build_index(source, Encoder(), folder)
    assert open_index(folder, verify=True).engine.counts == {"de": 3, "en": 1}
    assert len(list(folder.glob("generations/*"))) == 1


def test_a_name_in_a_manifest_cannot_leave_the_folder(corpus, tmp_path):
    folder = tmp_path / "index"
    build_index(corpus, Encoder(), folder)
    pointer = orjson.loads((folder / "current.json").read_bytes())
    shutil.copytree(folder / "generations" / "1", tmp_path / "outside")
    for wrong in ("../../outside", "/etc", "1/../1"):
        (folder / "current.json").write_bytes(orjson.dumps(pointer | {"generation": wrong}))
        with pytest.raises(DataError, match="damaged index"):
            open_index(folder)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("rows.npy", lambda rows: rows + 100, "an order of other passages"),
        ("id_places.npy", lambda rows: rows + 100, "an order of other passages"),
        ("rows.npy", lambda rows: rows[:2], "2 rows instead of 5"),
        ("scale.npy", lambda rows: rows[:2], "2 numbers"),
        ("vectors.npy", lambda rows: rows[:, :3], "vectors of width 3"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(corpus, tmp_path, name, change, words):
    """With a manifest that names their checksums, as someone might write on purpose."""
    folder = tmp_path / "index"
    write(corpus, [*ROWS, {"id": "e2", "lang": "en", "text": "Two."}])
    build_index(corpus, Encoder(), folder, fit="center")
    generation = next((folder / "generations").iterdir())
    np.save(generation / name, change(np.load(generation / name)))
    manifest = read_manifest(generation)
    (generation / "manifest.json").unlink()
    write_manifest(generation, manifest)
    pointer = {"generation": "1", "sha256": sha256_of(generation / "manifest.json")}
    (folder / "current.json").write_bytes(orjson.dumps(pointer))
    with pytest.raises(DataError, match=f"damaged index .{words}"):
        open_index(folder)
