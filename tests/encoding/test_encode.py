import numpy as np
import pyarrow as pa
import pytest
import torch

from evenrank.encoding.base import build_encoder
from evenrank.encoding.encode import Work, encode_texts
from evenrank.encoding.prompts import set_max_length
from evenrank.errors import DataError


@pytest.fixture(scope="module")
def scratch(texts):
    sizes = {"width": 16, "heads": 2, "layers": 1, "inner_width": 32, "vocabulary": 600}
    return build_encoder("scratch", texts, sizes)


@pytest.fixture
def static(texts):
    return build_encoder("static", texts, {"width": 16, "vocabulary": 600})


def test_unit_vectors_in_the_order_of_the_texts(scratch, texts):
    many = [" ".join(texts[: 1 + number % 5]) for number in range(150)]
    vectors = encode_texts(Work(scratch, "query", batch_size=2), many)
    assert vectors.shape == (150, 16)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    for number in (0, 64, 149):
        alone = scratch.encode_query(many[number])
        np.testing.assert_allclose(vectors[number], alone / np.linalg.norm(alone), atol=1e-5)


def test_a_column_of_several_chunks_is_read_like_a_list(scratch, texts):
    column = pa.chunked_array([texts[:5], texts[5:12]])
    np.testing.assert_array_equal(
        encode_texts(Work(scratch, "passage"), column),
        encode_texts(Work(scratch, "passage"), texts[:12]),
    )


def test_queries_and_passages_get_their_own_prompts(scratch, texts):
    as_query, as_passage = (
        encode_texts(Work(scratch, kind), texts[:3]) for kind in ("query", "passage")
    )
    assert np.abs(as_query - as_passage).max() > 1e-3
    np.testing.assert_allclose(
        as_passage,
        scratch.encode([f"Passage: {text}" for text in texts[:3]], normalize_embeddings=True),
        atol=1e-6,
    )


def test_no_texts(scratch):
    vectors = encode_texts(Work(scratch, "query"), [])
    assert vectors.shape == (0, 16)


def test_nothing_is_learnt_from(scratch, texts):
    scratch.zero_grad()
    encode_texts(Work(scratch, "query"), texts)
    assert all(weight.grad is None for weight in scratch.parameters())


def test_progress_counts_texts(scratch, capsys, texts):
    encode_texts(Work(scratch, "query", batch_size=1, description="Encoding queries"), texts)
    assert f"Encoding queries: {len(texts)} texts" in capsys.readouterr().err


def test_a_text_without_any_word_is_named(static):
    texts = ["a", "b", " \u00ad\n"]
    with pytest.raises(DataError, match=r"^text 2, ' .*found an embedding of zeros"):
        encode_texts(Work(static, "passage"), texts)


def test_any_visible_text_has_an_embedding(static):
    texts = ["?", "🦆", "ⵣ", "한국어", "…", "0"]  # none of them in the training texts' alphabet
    vectors = encode_texts(Work(static, "query"), texts)
    assert len(np.unique(vectors, axis=0)) == len(texts)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_broken_embedding_is_named(value, static):
    number = static.tokenizer.encode("köln").ids[0]
    with torch.no_grad():
        static[0].embedding.weight[number, 3] = value
    texts = ["fine"] * 70 + ["In Köln " + "und so weiter " * 10]
    with pytest.raises(DataError, match=r"^text 70, 'In Köln und.*NaN or infinite") as caught:
        encode_texts(Work(static, "query", batch_size=1), texts)
    assert len(caught.value.place) < 130


def test_static_texts_can_be_cut(static, tmp_path):
    set_max_length(static, 2)
    one, other = "rhein köln nordsee", "rhein köln"
    assert len(static.tokenizer.encode(one).ids) == 2
    static.save_pretrained(str(tmp_path))
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(str(tmp_path), local_files_only=True)
    np.testing.assert_array_equal(loaded.encode(one), static.encode(one))
    assert len(loaded.tokenizer.encode(other).ids) == 2
