"""Batches of texts with about as many tokens each, for transformers.

A transformer computes a batch at the length of its longest text, so every other text is padded. The
number of characters says little about the number of tokens: 100 characters are 20 tokens of
English and 60 of Chinese. Here all texts of a call are tokenised once, put in the order of their
tokens, and cut into batches that each have as many tokens as ``batch_size`` texts of mean length.

Shapes: ``N`` texts, ``T`` tokens, ``H`` width of the embeddings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

_IDS, _MASK = "input_ids", "attention_mask"
_PER_TOKEN = {_IDS, _MASK, "token_type_ids"}


def batches_by_tokens(tokens_N: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """Return the positions of the texts of each batch, those with the most tokens first.

    A batch, with its padding, has at most as many tokens as ``batch_size`` texts of mean length. So
    it needs less memory than ``batch_size`` of the longest texts. A longer text is a batch alone.

    Args:
        tokens_N: Number of tokens of each text.
        batch_size: Texts of mean length in a batch.

    >>> [batch.tolist() for batch in batches_by_tokens(np.array([2, 9, 2, 2, 5]), 2)]
    [[1], [4], [0, 2, 3]]
    """
    order = np.argsort(-tokens_N, kind="stable")
    budget = batch_size * int(tokens_N.sum()) // max(len(tokens_N), 1)
    batches, start = [], 0
    while start < len(order):
        stop = start + max(1, budget // max(1, int(tokens_N[order[start]])))
        batches.append(order[start:stop])
        start = stop
    return batches


def has_token_batches(model: SentenceTransformer) -> bool:
    """Return whether a model computes tokens of padded texts, which may be regrouped.

    Static encoders, routers, models of images and transformers that compute without padding do not.
    """
    from sentence_transformers.base.modules import Transformer

    if type(model).__name__ != "SentenceTransformer" or not isinstance(model[0], Transformer):
        return False
    features = model.preprocess(["a"])
    tensors = {name: value for name, value in features.items() if hasattr(value, "shape")}
    return (
        {_IDS, _MASK} <= tensors.keys() <= _PER_TOKEN
        and {value.shape for value in tensors.values()} == {features[_IDS].shape}
        and len(features[_IDS]) == 1
        and bool(features[_MASK].all())  # one text alone is not padded
    )


def encode_by_tokens(
    model: SentenceTransformer, texts: list[str], batch_size: int, *, prompt: str | None, task: str
) -> tuple[Tensor, int]:
    """Encode texts, and count their tokens.

    This is ``SentenceTransformer.encode`` with other batches: the same vectors up to rounding.

    Args:
        model: A model that :func:`has_token_batches`.
        texts: ``N`` texts, at least one; all of their tokens are in memory at once.
        batch_size: Texts of mean length in a batch.
        prompt: What is put before each text.
        task: ``query`` or ``document``.

    Returns:
        ``(N, H)`` vectors on the device of the model, which may not have computed them yet, and
        the number of tokens, without padding.
    """
    import torch
    from sentence_transformers.util import batch_to_device, truncate_embeddings

    model.eval()
    features = model.preprocess(texts, prompt=prompt, task=task)
    tokens_N = features[_MASK].sum(dim=1).numpy()
    batches = batches_by_tokens(tokens_N, batch_size)
    vectors = []
    with torch.inference_mode():
        for batch in batches:
            part = batch_to_device(_rows(features, batch), model.device)
            vectors.append(model(part, task=task)["sentence_embedding"])
        places = np.argsort(np.concatenate(batches))
        vectors_NH = torch.cat(vectors)[torch.from_numpy(places).to(model.device)]
        if model.truncate_dim is not None:
            vectors_NH = truncate_embeddings(vectors_NH, model.truncate_dim)
    return vectors_NH, int(tokens_N.sum())


def _rows(features: dict[str, Any], batch: NDArray[np.int64]) -> dict[str, Any]:
    """Return the features of some texts, without the columns in which all of them are padded."""
    import torch

    rows = torch.from_numpy(batch)
    used = features[_MASK][rows].any(dim=0).nonzero().flatten()
    columns = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 1)
    return {
        name: value[rows][:, columns] if name in _PER_TOKEN else value
        for name, value in features.items()
    }
