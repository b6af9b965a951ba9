"""Saved corrections come back the same, and what is damaged or foreign is refused."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from evenrank.debias.base import fit_correction
from evenrank.debias.index import best_by_language
from evenrank.debias.overlap import refuse_overlap
from evenrank.debias.rows import blocks_of
from evenrank.debias.saving import load_correction, save_correction, save_model
from evenrank.encoding.base import build_encoder
from evenrank.encoding.fingerprint import model_fingerprint
from evenrank.encoding.loading import load_encoder
from evenrank.errors import ConfigError, DataError, EvenrankError

LANGUAGES = ("de", "en", "fi", "th")


def test_a_correction_comes_back_the_same(tmp_path, fit, queries, passages, case):
    name, settings = case
    correction = fit(name, settings, strength=0.7, encoder="abc", texts=["Wo?", "Wer?"])
    save_correction(correction, tmp_path / "one.safetensors")
    loaded = load_correction(tmp_path / "one.safetensors")
    best = best_by_language(queries.rows, passages.rows, passages.langs, LANGUAGES, 3)
    scores = [
        one.for_index(queries.rows, queries.langs, best).scores(
            passages.rows, passages.langs, one.stored(passages.rows, passages.langs)
        )
        for one in (correction, loaded)
    ]
    assert np.array_equal(*scores)
    for attribute in ("method", "settings", "encoder", "width", "counts"):
        assert getattr(loaded.fit, attribute) == getattr(correction.fit, attribute)
    if loaded.changes_vectors:
        assert loaded.needs_language == correction.needs_language
        for kind, side in (("query", queries), ("passage", passages)):
            rows = [one.apply(side.rows, side.langs, kind) for one in (correction, loaded)]
            assert np.array_equal(*rows)
    with pytest.raises(DataError, match="1 of 2 texts"):
        refuse_overlap(loaded.fit.texts, ["wo?", "wann?"], "benchmark")


@pytest.fixture
def saved(tmp_path, fit):
    path = tmp_path / "correction.safetensors"
    save_correction(fit("center"), path)
    return path


def test_a_file_that_exists_is_replaced_only_when_asked(saved, fit):
    with pytest.raises(ConfigError, match="--overwrite"):
        save_correction(fit("leace"), saved)
    assert load_correction(saved).fit.method == "center"
    save_correction(fit("leace"), saved, overwrite=True)
    assert load_correction(saved).fit.method == "leace"
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_file_cut_short(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=r"correction\.safetensors") as caught:
        load_correction(saved)
    assert "\n" not in str(caught.value)


def contents(path):
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "2"}, "version '2'"),
        ({"format": "pt"}, "format 'pt'"),
        ({"method": "centre"}, "unknown correction 'centre'"),
        ({"method": "lir"}, "Fit it again"),
        ({"settings": '{"to": "median"}'}, "median"),
        ({"settings": "{"}, "settings"),
        ({"strength": "1.5"}, "strength '1.5'"),
        ({"strength": "nan"}, "strength"),
        ({"width": "11"}, "arrays that do not fit together"),
        ({"counts": '{"passage": {"de": 9}}'}, "two languages"),
        ({"counts": '{"passage": {"de": 9, "en": 9}}'}, "do not fit"),
        ({"counts": '{"passage": {"de": 1, "en": 9}}'}, "counts"),
        ({"counts": None}, "counts"),
    ],
)
def test_metadata_of_something_else(saved, changes, message):
    arrays, metadata = contents(saved)
    metadata = {key: value for key, value in (metadata | changes).items() if value is not None}
    save_file(arrays, saved, metadata)
    with pytest.raises(DataError, match=message) as caught:
        load_correction(saved)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changed",
    [
        {"passage.offset": np.zeros((4, 11), np.float32)},
        {"passage.offset": np.zeros((4, 12), np.float64)},
        {"passage.offset": np.full((4, 12), np.nan, np.float32)},
        {"passage.left": np.zeros((4, 12, 2), np.float32)},
        {"passage.left": None},
        {"texts": None},
        {"unit": None},
        {"unit": np.zeros(2, np.float32)},
        {"texts": np.zeros((2, 2), np.float32)},
    ],
)
def test_arrays_of_something_else(saved, changed):
    arrays, metadata = contents(saved)
    arrays = {key: array for key, array in (arrays | changed).items() if array is not None}
    save_file(arrays, saved, metadata)
    with pytest.raises(DataError, match="do not fit together"):
        load_correction(saved)


def test_no_file_and_another_file(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.safetensors: found nothing"):
        load_correction(tmp_path / "nothing.safetensors")
    (tmp_path / "text.safetensors").write_text("not a correction" * 20)
    save_file({"weight": np.zeros((2, 2), np.float32)}, tmp_path / "weights.safetensors")
    for name in ("text.safetensors", "weights.safetensors", "."):
        with pytest.raises(EvenrankError) as caught:
            load_correction(tmp_path / name)
        assert "\n" not in str(caught.value)


TEXTS = {
    "de": ["Wo mündet der Rhein?", "Der Fluss ist lang.", "Köln ist alt.", "Wer wohnt hier?"],
    "en": ["Where does the Rhine end?", "The river is long.", "Cologne is old.", "Who lives here?"],
    "es": ["¿Dónde termina el Rin?", "El río es largo.", "Colonia es vieja.", "¿Quién vive aquí?"],
}


@pytest.fixture(scope="module")
def encoder():
    texts = [text for some in TEXTS.values() for text in some]
    return build_encoder("static", texts, {"width": 16}, seed=1)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def fitted(model, name, settings=None, **more):
    sides = [
        [(unit(encode(texts)), lang) for lang, texts in TEXTS.items()]
        for encode in (model.encode_document, model.encode_query)
    ]
    more = {"encoder": model_fingerprint(model), **more}
    return fit_correction(name, *sides, settings=settings, **more)


WITHOUT_EVENRANK = """
import sys
sys.modules["evenrank"] = None
import json, numpy, sentence_transformers
texts = json.loads(sys.argv[1])
for folder in sys.argv[2:]:
    model = sentence_transformers.SentenceTransformer(folder, device="cpu")
    query, passage = model.encode_query(texts), model.encode_document(texts)
    numpy.savez(folder + ".npz", query=query, passage=passage)
"""


@pytest.mark.slow
def test_a_plain_folder_encodes_where_evenrank_cannot_be_imported(tmp_path, encoder):
    corrections = {name: fitted(encoder, name, strength=0.8) for name in ("project", "leace")}
    for name, correction in corrections.items():
        save_model(correction, encoder, tmp_path / name)
    texts = [*TEXTS["de"], "Neuer Text", *TEXTS["es"]]
    command = [sys.executable, "-c", WITHOUT_EVENRANK, json.dumps(texts)]
    subprocess.run([*command, *corrections], check=True, cwd=tmp_path)
    for name, correction in corrections.items():
        encoded = np.load(tmp_path / f"{name}.npz")
        for kind, encode in (("query", encoder.encode_query), ("passage", encoder.encode_document)):
            expected = correction.apply(unit(encode(texts)), None, kind)
            assert (encoded[kind] * expected).sum(axis=1).min() > 1 - 1e-6
        loaded = load_encoder(str(tmp_path / name))
        np.testing.assert_allclose(loaded.encode_query(texts), encoded["query"], atol=1e-6)
        assert loaded.prompts == encoder.prompts


def test_the_encoder_itself_stays_as_it_is(tmp_path, encoder):
    before = model_fingerprint(encoder)
    save_model(fitted(encoder, "project"), encoder, tmp_path / "model")
    assert model_fingerprint(encoder) == before
    assert model_fingerprint(load_encoder(str(tmp_path / "model"))) != before


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("center", {}),
        ("shift", {}),
        ("lir", {}),
        ("project", {"sides": "queries"}),
        ("calibrate", {"by": "mean"}),
        ("csls", {}),
    ],
)
def test_what_needs_the_language_is_no_plain_folder(tmp_path, encoder, name, settings):
    with pytest.raises(ConfigError, match="depends on the language or the kind"):
        save_model(fitted(encoder, name, settings), encoder, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_folder_for_another_encoder(tmp_path, encoder):
    correction = fitted(encoder, "leace", encoder="0123456789abcdef")
    with pytest.raises(DataError, match="0123456789abcdef, which it was fitted for"):
        save_model(correction, encoder, tmp_path / "model")


def test_sketches_come_from_fit_texts(tmp_path, passages):
    texts = (f"text {number}" for number in range(5))
    correction = fit_correction("center", blocks_of(*passages), texts=texts)
    save_correction(correction, tmp_path / "one.safetensors")
    with pytest.raises(DataError, match="xquad-r: found 1 of 1 texts"):
        refuse_overlap(
            load_correction(tmp_path / "one.safetensors").fit.texts, ["Text 3"], "xquad-r"
        )
