"""What is saved is a plain Sentence Transformers folder: it needs nothing of evenrank."""

import os
import subprocess
import sys

import numpy as np
import pytest

from evenrank.encoding.base import build_encoder
from evenrank.encoding.loading import load_encoder

STRANGER = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "evenrank":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())

import numpy
from sentence_transformers import SentenceTransformer

texts = numpy.load("texts.npy").tolist()
for folder in sys.argv[1:]:
    model = SentenceTransformer(folder, device="cpu", local_files_only=True)
    assert model.similarity_fn_name == "cosine"
    numpy.save(f"{folder}-query.npy", model.encode_query(texts))
    numpy.save(f"{folder}-passage.npy", model.encode_document(texts))
assert "evenrank" not in sys.modules
"""


@pytest.mark.slow
def test_a_process_without_evenrank_gets_the_same_vectors(xlm_roberta, labse, tmp_path, texts):
    small = {"width": 16, "vocabulary": 600}
    models = {
        "static": build_encoder("static", texts, small | {"query_prompt": "Frage: "}),
        "scratch": build_encoder("scratch", texts, small | {"heads": 2, "layers": 1}),
        "xlm-r": load_encoder(xlm_roberta, device="cpu", max_length=24),
        "labse": load_encoder(str(labse), device="cpu", query_prompt="Query: "),
    }
    np.save(tmp_path / "texts.npy", texts[:12])
    for name, model in models.items():
        model.save_pretrained(str(tmp_path / name))
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run(
        [sys.executable, "-I", "-c", STRANGER, *models], cwd=tmp_path, env=env, check=True
    )
    for name, model in models.items():
        for kind, encode in (("query", model.encode_query), ("passage", model.encode_document)):
            theirs = np.load(tmp_path / f"{name}-{kind}.npy")
            ours = encode(texts[:12])
            np.testing.assert_allclose(theirs, ours, atol=1e-6, err_msg=f"{name} {kind}")
        assert np.abs(np.load(tmp_path / f"{name}-query.npy") - theirs).max() > 1e-4


def test_the_saved_folder_names_no_folder_of_this_machine(tmp_path, texts):
    model = build_encoder("scratch", texts, {"width": 16, "vocabulary": 600, "heads": 2})
    model.save_pretrained(str(tmp_path / "model"))
    for file in (tmp_path / "model").rglob("*"):
        if file.suffix in {".json", ".md"}:
            assert "evenrank-" not in file.read_text(encoding="utf-8")
