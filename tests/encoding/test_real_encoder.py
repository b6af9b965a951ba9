"""multilingual-e5-small, where EVENRANK_E5 names a folder with it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from evenrank.encoding.encode import Work, encode_texts
from evenrank.encoding.loading import load_encoder
from evenrank.encoding.opening import as_model
from evenrank.encoding.prompts import prompts_of
from evenrank.encoding.sanity import check_encoder, describe_encoder

QUERIES = ["Where does the Rhine end?", "Who discovered penicillin?", "What do bees collect?"]
PASSAGES = [
    "Bienen sammeln Nektar und Pollen von Blüten.",
    "Der Rhein mündet in den Niederlanden in die Nordsee.",
    "Alexander Fleming entdeckte 1928 das Penicillin.",
]


@pytest.fixture(scope="module")
def folder() -> Path:
    given = os.environ.get("EVENRANK_E5")
    if not given or not Path(given).is_dir():
        pytest.skip("EVENRANK_E5 is not set to a folder with multilingual-e5-small")
    return Path(given)


def test_e5_small_finds_german_answers_to_english_queries(folder, tmp_path):
    model = load_encoder(folder, device="cpu")
    assert prompts_of(model) == ("query: ", "passage: ")
    check_encoder(as_model(model))
    facts = describe_encoder(model)
    assert (facts["architecture"], facts["pooling"]) == ("BertModel", "mean")
    assert (facts["max_length"], facts["vocabulary"]) == (512, 250_002)
    assert facts["unread_scripts"] == []
    queries = encode_texts(Work(model, "query"), QUERIES)
    passages = encode_texts(Work(model, "passage"), PASSAGES, store=tmp_path)
    assert (queries @ passages.T).argmax(axis=1).tolist() == [1, 2, 0]
    plain = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    for found, expected in (
        (queries, plain.encode_query(QUERIES)),
        (passages, plain.encode_document(PASSAGES)),
    ):
        np.testing.assert_allclose(found, expected, atol=1e-5)
