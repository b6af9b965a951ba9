"""Batches of about as many tokens each: the same vectors, with less padding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer

from evenrank.encoding.base import build_encoder
from evenrank.encoding.encode import Work, encode_texts
from evenrank.encoding.token_batches import batches_by_tokens

# as many characters, but two and eight times as many tokens
TEXTS = [
    ("wörter von üblicher länge " * 30)[: 10 * number] if number % 2 else "鷲" * 10 * number
    for number in range(1, 25)
]


@pytest.fixture(scope="module")
def scratch(texts):
    sizes = {"width": 16, "heads": 2, "layers": 1, "inner_width": 32, "vocabulary": 600}
    return build_encoder("scratch", texts, {**sizes, "passage_prompt": "Passage of some words: "})


def plain_vectors(model, kind, texts):
    encode = model.encode_query if kind == "query" else model.encode_document
    return encode(texts, normalize_embeddings=True, batch_size=len(texts))


@pytest.mark.parametrize("kind", ["query", "passage"])
@pytest.mark.parametrize("name", ["scratch", "labse", "xlm_roberta"])
def test_vectors_are_those_of_sentence_transformers(name, kind, request):
    model = request.getfixturevalue(name)
    if name != "scratch":
        model = SentenceTransformer(str(model), device="cpu")
        model.prompts = {"query": "query: ", "passage": "passage: "}  # not under 'document'
    found = encode_texts(Work(model, kind, batch_size=3), TEXTS)
    np.testing.assert_allclose(found, plain_vectors(model, kind, TEXTS), atol=1e-6)


def test_a_prompt_that_is_not_pooled_and_a_shorter_vector(scratch):
    scratch.set_pooling_include_prompt(False)
    try:
        with scratch.truncate_embeddings(8):
            found = encode_texts(Work(scratch, "passage", batch_size=3), TEXTS)
            np.testing.assert_allclose(found, plain_vectors(scratch, "passage", TEXTS), atol=1e-6)
    finally:
        scratch.set_pooling_include_prompt(True)


def test_little_padding_where_characters_say_nothing(scratch):
    computed, real = [], []

    def count(_, args):
        computed.append(args[0]["input_ids"].numel())
        real.append(int(args[0]["attention_mask"].sum()))

    def padding(encode):
        computed.clear()
        real.clear()
        encode()
        return sum(computed) / sum(real), sum(real), max(computed), len(computed)

    with scratch[0].register_forward_pre_hook(count):
        ours = padding(lambda: encode_texts(Work(scratch, "query", batch_size=4), TEXTS))
        plain = padding(lambda: scratch.encode_query(TEXTS, batch_size=4))
    assert ours[0] < 1.2 < 1.3 < plain[0]
    assert ours[1] == plain[1]  # each token once
    assert ours[2] <= plain[2]  # no more memory than for the longest texts


@given(
    tokens=st.lists(st.integers(0, 600), max_size=60),
    batch_size=st.integers(1, 20),
)
def test_each_text_is_in_one_batch_and_no_batch_is_above_the_budget(tokens, batch_size):
    tokens_N = np.array(tokens, dtype=np.int64)
    batches = batches_by_tokens(tokens_N, batch_size)
    order = [position for batch in batches for position in batch.tolist()]
    assert sorted(order) == list(range(len(tokens)))
    assert [tokens[at] for at in order] == sorted(tokens, reverse=True)
    for batch in batches:
        if len(batch) > 1:
            padded = max(1, tokens_N[batch].max()) * len(batch)
            assert padded <= max(batch_size * tokens_N.mean(), 1)
