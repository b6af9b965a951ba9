"""Embeddings of columns of a batch: those of the model, whatever the order of encoding."""

from __future__ import annotations

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Router

from evenrank.encoding.base import build_encoder
from evenrank.training.columns import embed, embed_column, in_order, order_of, undo

TEXTS = [f"text {number} of " + "words " * (7 * number % 11) for number in range(20)]


@pytest.fixture(scope="module")
def transformer():
    sizes = {"layers": 1, "width": 16, "heads": 2, "inner_width": 32, "vocabulary": 600}
    return build_encoder("scratch", TEXTS, sizes, seed=0).eval()


def static(seed):
    return build_encoder("static", TEXTS, {"width": 8, "vocabulary": 600}, seed=seed)


def encoded(model, texts, size):
    """Return the embeddings, and the shape of each part that the model encoded."""
    shapes = []
    hook = model[0].register_forward_pre_hook(
        lambda _, given: shapes.append(tuple(given[0]["input_ids"].shape))
    )
    embeddings = embed_column(model, model.preprocess(texts), size)
    hook.remove()
    return embeddings, shapes


@pytest.mark.parametrize("size", [1, 6, 20, 50])
def test_parts_have_texts_of_similar_length_and_the_embeddings_of_the_batch(transformer, size):
    whole, ((rows, width),) = encoded(transformer, TEXTS, None)
    found, shapes = encoded(transformer, TEXTS, size)
    torch.testing.assert_close(found, whole, atol=1e-6, rtol=1e-5)
    assert [part for part, _ in shapes] == [min(size, rows - at) for at in range(0, rows, size)]
    lengths = sorted(
        (len(transformer.tokenizer(text)["input_ids"]) for text in TEXTS), reverse=True
    )
    assert [length for _, length in shapes] == lengths[::size]
    assert lengths[0] == width


def test_padding_on_the_left_stays(transformer):
    transformer.tokenizer.padding_side = "left"
    try:
        whole, _ = encoded(transformer, TEXTS, None)
        found, shapes = encoded(transformer, TEXTS, 6)
    finally:
        transformer.tokenizer.padding_side = "right"
    torch.testing.assert_close(found, whole, atol=1e-6, rtol=1e-5)
    assert len({length for _, length in shapes}) == 1


def test_an_order_is_undone():
    mask = torch.tensor([[1, 0, 0], [1, 1, 1], [1, 1, 0], [1, 1, 1]])
    features = {"attention_mask": mask, "task": "query", "prompt_length": torch.tensor([2])}
    order = order_of(features)
    assert order.tolist() == [1, 3, 2, 0]
    ordered = in_order(features, order)
    assert ordered["attention_mask"].sum(dim=1).tolist() == [3, 3, 2, 1]
    assert (ordered["task"], ordered["prompt_length"].tolist()) == ("query", [2])
    assert undo(ordered["attention_mask"], order).equal(mask)


@pytest.mark.parametrize(
    "features",
    [
        {"input_ids": torch.arange(9), "cu_seq_lens_q": torch.tensor([0, 4, 9])},
        {"attention_mask": torch.ones(2, 4), "pixel_values": torch.ones(5, 3)},
        {"input_ids": torch.arange(9), "offsets": torch.tensor([0, 4])},
    ],
    ids=["without padding", "images", "bags"],
)
def test_a_column_that_cannot_be_ordered_stays_as_it_is(features):
    assert order_of(features) is None
    assert in_order(features, None) is features


def test_bags_of_all_columns_are_embedded_in_one_call():
    model, calls = static(seed=0), []
    model[0].register_forward_hook(lambda *_: calls.append(1))
    columns = [TEXTS[:8], ["", *TEXTS[9:]]]
    found = embed(model, [model.preprocess(texts, task="query") for texts in columns])
    assert calls == [1]
    for texts, embeddings in zip(columns, found, strict=True):
        expected = torch.stack(
            [model(model.preprocess([t]))["sentence_embedding"][0] for t in texts]
        )
        torch.testing.assert_close(embeddings, expected)


def test_a_router_keeps_its_columns_apart():
    """Queries and passages have models of their own."""
    routes = {"query": [static(0)[0]], "document": [static(1)[0]]}
    model = SentenceTransformer(modules=[Router(routes, default_route="query")], device="cpu")
    features = [model.preprocess(TEXTS, task=task) for task in routes]
    for feature, task in zip(features, routes, strict=True):
        feature["task"] = task
    for embeddings, task in zip(embed(model, features), routes, strict=True):
        expected = model(model.preprocess(TEXTS, task=task), task=task)["sentence_embedding"]
        torch.testing.assert_close(embeddings, expected)
