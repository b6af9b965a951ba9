"""Every other source of embeddings: folders, objects, ready vectors."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sentence_transformers import SentenceTransformer

from evenrank.debias.corpus import fit_on_corpus
from evenrank.encoding.opening import open_model
from evenrank.errors import ConfigError, DataError, EvenrankError, MissingExtraError
from evenrank.evaluation.encode import embed, encode_benchmark
from evenrank.evaluation.evaluate import evaluate


class Plain:
    """Nothing but the two methods."""

    def __init__(self, folder, form=list):
        self.model, self.form = SentenceTransformer(str(folder), local_files_only=True), form

    def encode_query(self, texts):
        return self.form(self.model.encode_query(texts))

    def encode_document(self, texts):
        return self.form(self.model.encode_document(texts))


def figures(evaluation):
    return evaluation.result.settings, evaluation.result.bias


@pytest.mark.parametrize("form", [list, np.float64])
def test_an_object_gives_the_result_of_its_model(model_folder, benchmark, form):
    found = evaluate(Plain(model_folder, form), benchmark)
    assert figures(found) == figures(evaluate(model_folder, benchmark))
    assert found.result.model.label == "Plain"
    other = evaluate(Plain(model_folder, form), benchmark, label="mine")
    assert other.result.model.fingerprint == found.result.model.fingerprint
    assert other.result.model.label == "mine"


def test_the_fingerprint_of_an_object_follows_its_vectors(model_folder):
    one, other = Plain(model_folder), Plain(model_folder)
    other.model[0].embedding.weight.data *= -1
    named = Plain(model_folder)
    named.fingerprint = "version 2"
    prints = [open_model(model).fingerprint for model in (one, other, named)]
    assert len(set(prints)) == 3
    assert open_model(Plain(model_folder)).fingerprint == prints[0]


@pytest.mark.parametrize("model", [object(), 3, {"encode_query": 1}])
def test_an_object_without_the_methods_is_refused(model, benchmark):
    with pytest.raises(ConfigError, match="without encode_query, expected a folder"):
        evaluate(model, benchmark)


@pytest.mark.parametrize(
    ("form", "found"),
    [
        (lambda rows: rows[:-1], r"\d+ vectors of width 16 for \d+ texts"),
        (lambda rows: rows[:, 0], "no matrix of numbers"),
        (lambda rows: "vectors", "no matrix of numbers"),
        (lambda rows: [row[: 1 + at] for at, row in enumerate(rows)], "no matrix|width 1"),
        (lambda rows: rows * np.nan, "NaN"),
    ],
)
def test_an_object_with_other_vectors_is_refused(model_folder, benchmark, form, found):
    with pytest.raises(DataError, match=found):
        evaluate(Plain(model_folder, form), benchmark)


def test_dtype_and_backend_of_a_folder(model_folder, benchmark):
    half = open_model(model_folder, {"dtype": "bfloat16"})
    assert half.describe()["dtype"] == "bfloat16"
    whole = open_model(model_folder)
    assert (whole.describe()["dtype"], whole.describe()["backend"]) == ("float32", "torch")
    assert half.fingerprint != whole.fingerprint
    one, other = embed(half, benchmark), embed(whole, benchmark)
    assert np.abs(one.passages - other.passages).max() < 0.02
    assert evaluate(model_folder, benchmark, model_settings={"dtype": "bfloat16"}).result.config[
        "model_settings"
    ] == {"dtype": "bfloat16"}


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"backend": "jax"}, "backend: found 'jax'"),
        ({"dtype": "int8"}, "dtype: found 'int8'"),
        ({"backend": "onnx", "dtype": "float16"}, "dtype: found 'float16' with the backend"),
        ({"file_name": "x.onnx"}, "file_name: found 'x.onnx' with the backend 'torch'"),
        ({"colour": "red"}, "unknown setting 'colour'"),
    ],
)
def test_a_wrong_setting_is_one_line(model_folder, settings, found):
    with pytest.raises(ConfigError, match=found):
        open_model(model_folder, settings)


def test_a_backend_that_is_not_installed(model_folder):
    try:
        import openvino  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtraError, match=r"pip install 'sentence-transformers\[openv"):
            open_model(model_folder, {"backend": "openvino"})
    else:
        assert open_model(model_folder, {"backend": "openvino"}).width == 16


def arrow_of(rows):
    kind = {"int8": pa.int8(), "float16": pa.float16()}.get(str(rows.dtype), pa.float32())
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1), kind), rows.shape[1])


def write(folder, benchmark, rows, form):
    folder.mkdir(exist_ok=True)
    for stem, texts in (("queries", benchmark.queries), ("passages", benchmark.passages)):
        ids, vectors = texts.ids.to_pylist()[::-1], rows[stem][::-1]  # in any order
        if form == "npy":
            np.save(folder / f"{stem}.npy", vectors)
            (folder / f"{stem}.txt").write_text("\n".join(ids) + "\n", encoding="utf-8")
        elif form == "list":
            pq.write_table(
                pa.table({"id": ids, "vector": list(vectors)}), folder / f"{stem}.parquet"
            )
        else:
            table = pa.table({"id": ids, "vector": arrow_of(np.ascontiguousarray(vectors))})
            pq.write_table(table, folder / f"{stem}.parquet", row_group_size=7)
    return f"vectors:{folder}"


@pytest.fixture(scope="module")
def rows(model_folder, benchmark):
    found = embed(open_model(model_folder), benchmark)
    return {"queries": found.queries, "passages": found.passages}


@pytest.mark.parametrize("form", ["npy", "list", "fixed"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_ready_vectors_give_the_result_of_their_model(
    model_folder, benchmark, rows, tmp_path, form, dtype
):
    given = {
        stem: np.round(some * 127).astype(np.int8) if dtype == "int8" else some.astype(dtype)
        for stem, some in rows.items()
    }
    source = write(tmp_path / "e5", benchmark, given, form)
    found = evaluate(source, benchmark)
    assert (found.result.model.label, found.result.model.path) == ("e5", source)
    assert found.result.model.encoder["dtype"] == dtype
    exact = evaluate(model_folder, benchmark)
    if dtype == "float32":
        assert figures(found) == figures(exact)
    one, other = (some.result.settings["mono"]["AP"] for some in (found, exact))
    assert one == pytest.approx(other, abs={"float32": 0, "float16": 0.02, "int8": 0.1}[dtype])


def spoil_ids(change):
    def spoil(folder):
        path = folder / "passages.txt"
        lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("\n".join(change(lines)) + "\n", encoding="utf-8")

    return spoil


def spoil_rows(change):
    def spoil(folder):
        path = folder / "passages.npy"
        np.save(path, change(np.load(path)))

    return spoil


def uneven(folder):
    (folder / "passages.npy").unlink()
    table = pa.table({"id": ["a", "b"], "vector": [[1.0, 2.0], [1.0]]})
    pq.write_table(table, folder / "passages.parquet")


def with_nan(rows):
    rows[3, 2] = np.nan
    return rows


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (spoil_ids(lambda ids: ["other", *ids[1:]]), "no vector of passage 'vi-p9', expected"),
        (spoil_ids(lambda ids: [f"{id_}x" for id_ in ids]), r"no vector of passage .* and \d+ oth"),
        (spoil_ids(lambda ids: [ids[1], *ids[1:]]), "id 'vi-p8' twice"),
        (spoil_ids(lambda ids: ids[1:]), r"passages.txt: found \d+ ids, expected \d+"),
        (spoil_rows(lambda some: some[:, :5]), r"passages.npy: found vectors of width 5, exp.* 16"),
        (spoil_rows(with_nan), r"passages.npy: found a vector of passage .* with NaN"),
        (spoil_rows(lambda some: some.astype(str)), "passages.npy: found <U"),
        (spoil_rows(lambda some: some[0]), r"of shape \(16,\)"),
        (uneven, r"passages.parquet: found a vector of width 1 for id 'b', expected width 2"),
        (lambda folder: (folder / "passages.npy").unlink(), "passages: found no vectors"),
        (lambda folder: (folder / "passages.txt").unlink(), "passages.txt: found no readable"),
        (lambda folder: (folder / "passages.npy").write_bytes(b"x"), "npy: found no readable"),
        (lambda folder: (folder / "passages.parquet").write_bytes(b"x"), "found both passages.p"),
    ],
)
def test_wrong_vectors_are_one_line(benchmark, rows, tmp_path, spoil, found):
    source = write(tmp_path / "e5", benchmark, rows, "npy")
    spoil(tmp_path / "e5")
    with pytest.raises(DataError, match=found):
        evaluate(source, benchmark)


def test_objects_in_a_matrix_are_not_unpickled(benchmark, rows, tmp_path):
    source = write(tmp_path / "e5", benchmark, rows, "npy")
    np.save(tmp_path / "e5" / "passages.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"passages.npy: found no readable"):
        evaluate(source, benchmark)


def test_ready_vectors_are_not_encoded(benchmark, rows, tmp_path):
    source = write(tmp_path / "e5", benchmark, rows, "npy")
    with pytest.raises(ConfigError, match="ready vectors, expected a model"):
        encode_benchmark(source, benchmark, tmp_path / "store")
    evaluate(source, benchmark, store=tmp_path / "store")
    assert not list((tmp_path / "store").rglob("*.safetensors"))


def test_a_correction_of_ready_vectors_is_that_of_their_model(tmp_path, benchmark, texts):
    from evenrank.benchmarks.parallel_corpus import benchmark_from_corpus
    from evenrank.data.corpus import corpus_from_rows
    from evenrank.encoding.base import build_encoder

    words = {"de": ["eins", "zwei", "drei"], "en": ["one", "two", "three"]}
    corpus = corpus_from_rows(
        (
            {"id": str(at), "passage_id": f"p{at}", "lang": lang, "query": f"{word}?"}
            | {"passage": f"{word}."}
            for lang, some in words.items()
            for at, word in enumerate(some)
        ),
        "numbers",
    )
    model = build_encoder("static", texts, {"width": 8})
    data = benchmark_from_corpus(corpus)
    found = embed(model, data)
    given = {"queries": found.queries, "passages": found.passages}
    source = write(tmp_path / "e5", data, given, "npy")
    ready = fit_on_corpus(source, corpus, model_settings={"encoder": "my-model"})
    exact = fit_on_corpus(model, corpus)
    for name, array in exact.arrays().items():
        np.testing.assert_allclose(ready.arrays()[name], array, atol=1e-6)
    other = write(
        tmp_path / "other",
        benchmark,
        {
            "queries": np.ones((len(benchmark.queries), 8), np.float32),
            "passages": np.ones((len(benchmark.passages), 8), np.float32),
        },
        "npy",
    )
    assert open_model(other, {"encoder": "my-model"}).fingerprint == ready.fit.encoder
    with pytest.raises(EvenrankError, match="encoder"):
        evaluate(other, benchmark, debias=ready)
