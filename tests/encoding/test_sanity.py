"""What every source of embeddings has to do, and what is said of an encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evenrank.encoding.base import build_encoder
from evenrank.encoding.loading import load_encoder
from evenrank.encoding.python_object import PythonObject
from evenrank.encoding.sanity import check_encoder, describe_encoder
from evenrank.errors import DataError
from evenrank.evaluation.evaluate import evaluate

WIDTH = 8


class Source:
    """A source of embeddings that is not a SentenceTransformer: a bag of bytes."""

    def __init__(self, spoil=lambda vectors, texts: vectors, width=WIDTH):
        self.spoil, self.width, self.calls = spoil, width, 0

    def get_embedding_dimension(self):
        return self.width

    def encode_document(self, texts, **options):
        self.calls += 1
        counts = [np.bincount([b % WIDTH for b in text.encode()], minlength=8) for text in texts]
        return self.spoil(torch.tensor(np.array(counts), dtype=torch.float32), texts)

    encode_query = encode_document


def noisy(vectors, texts):
    return vectors + torch.randn(vectors.shape) * 3


def padded(vectors, texts):
    longest = max(map(len, texts))
    return vectors + torch.tensor([[longest - len(text)] * WIDTH for text in texts])


def failing(vectors, texts):
    raise IndexError("index 9 is out of range")


def test_a_working_source_passes():
    check_encoder(PythonObject(Source()))
    check_encoder(PythonObject(Source(lambda vectors, texts: vectors * 1e-3)))  # any length


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda vectors, texts: torch.ones_like(vectors), "the same vector for every text"),
        (lambda vectors, texts: torch.zeros_like(vectors), "vectors of zeros for every text"),
        (lambda vectors, texts: vectors / 0, "NaN or infinite values"),
        (
            lambda vectors, texts: vectors[:, :4],
            "vectors of width 4 .* of width 8",
        ),
        (noisy, "two vectors of one text"),
        (padded, "another vector of a text alone than in a batch"),
        (failing, "an error on the first text .*index 9"),
    ],
)
def test_a_broken_source_is_refused(spoil, found):
    torch.manual_seed(0)
    with pytest.raises(DataError, match=rf"^(my model|model Source): found .*{found}"):
        check_encoder(PythonObject(Source(spoil)), "my model")


def test_a_source_that_knows_one_script_passes():
    def latin_only(vectors, texts):
        known = torch.tensor([[text.isascii()] for text in texts])
        return torch.where(known, vectors, torch.ones_like(vectors))

    check_encoder(PythonObject(Source(latin_only)))


def test_a_model_object_is_checked_before_it_is_evaluated(benchmark, texts):
    model = build_encoder("static", texts, {"width": 8})
    with torch.no_grad():
        model[0].embedding.weight[:] = 1
    with pytest.raises(DataError, match="the same vector for every text"):
        evaluate(model, benchmark)


def test_a_description_says_what_was_loaded(xlm_roberta, labse, texts):
    found = describe_encoder(load_encoder(labse, device="cpu"))
    assert found["architecture"] == "BertModel"
    assert found["modules"] == ["Transformer", "Pooling", "Dense", "Normalize"]
    assert found["pooling"] == "cls"
    assert found["max_length"] == 32
    assert found["dtype"] == "float32"
    assert found["tokenizer"] == "BertTokenizer"
    model = load_encoder(xlm_roberta, device="cpu", max_length=40)
    model.half()
    found = describe_encoder(model)
    assert (found["max_length"], found["dtype"]) == (40, "float16")
    assert found["parameters"] == sum(weights.numel() for weights in model.parameters())
    assert found["vocabulary"] == len(model.tokenizer)
    static = describe_encoder(build_encoder("static", texts, {"width": 8, "vocabulary": 700}))
    assert static["architecture"] == "StaticEmbedding"
    assert static["pooling"] is None
    assert static["max_length"] is None
    assert static["unread_scripts"] == []


def test_scripts_without_a_known_word_are_listed(labse):
    found = describe_encoder(load_encoder(labse, device="cpu"))["unread_scripts"]
    assert {"Cyrillic", "Arabic", "Thai", "Han"} <= set(found)
    assert "Latin" not in found


def test_the_description_is_in_the_result(benchmark, model_folder):
    result = evaluate(model_folder, benchmark).result
    assert result.model.encoder["architecture"] == "StaticEmbedding"
    assert result.model.encoder["parameters"] > 0


@pytest.mark.parametrize("error", [MemoryError, torch.OutOfMemoryError])
def test_too_little_memory_is_not_the_fault_of_the_model(error):
    def refuse(vectors, texts):
        raise error("20 GiB")

    with pytest.raises(error) as raised:
        check_encoder(PythonObject(Source(refuse)))
    assert raised.value.__cause__ is None
