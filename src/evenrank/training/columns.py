"""Embeddings of the columns of a batch, with little padding.

A column has the tokens of one text of each pair: its query, its passage, a hard negative. A batch
pads the texts of a column to the longest of them. Encoded in parts of texts of similar length, they
are padded to the longest of their part: the same embeddings from fewer tokens. Embeddings come back
in the order of the batch, so losses, labels and other processes do not see the order of encoding.

Parts have an equal number of texts, and not of tokens: processes that train together have to call
the model equally often.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from sentence_transformers.base.losses.merged_forward import embed_columns
from sentence_transformers.sentence_transformer.modules import Router
from torch import Tensor

Features = dict[str, Any]
"""The tokens of a column, and other values that the model reads."""

TEXTS_AT_ONCE = 16
"""Texts of a part on a CPU. A GPU gets all at once: small parts leave it idle."""


def order_of(features: Features) -> Tensor | None:
    """Return the texts of a column by their lengths, the longest first.

    Returns:
        ``(texts,)`` positions; ``None`` if the column has no padding, or values that are not one
        per text.
    """
    mask = features.get("attention_mask")
    if not isinstance(mask, Tensor) or mask.ndim != 2:
        return None
    for key, value in features.items():
        per_text = not isinstance(value, Tensor) or value.shape[:1] == mask.shape[:1]
        if not per_text and key != "prompt_length":
            return None
    return mask.sum(dim=1).argsort(descending=True, stable=True)


def in_order(features: Features, order: Tensor | None) -> Features:
    """Return a column with its texts in an order; unchanged if the order is ``None``."""
    if order is None:
        return features
    texts = len(features["attention_mask"])
    return {
        key: value[order] if isinstance(value, Tensor) and value.shape[:1] == (texts,) else value
        for key, value in features.items()
    }


def undo(embeddings: Tensor, order: Tensor | None) -> Tensor:
    """Return embeddings of texts in an order, ``(texts, width)``, in the order of the batch."""
    return embeddings if order is None else embeddings[order.argsort()]


def embed(model: torch.nn.Module, columns: Sequence[Features]) -> list[Tensor]:
    """Return the embeddings of each column, ``(texts, width)``, all with gradient."""
    if _are_bags(model, columns):
        return _embed_bags(model, columns)
    if columns[0]["input_ids"].device.type == "cpu":
        return [embed_column(model, column, TEXTS_AT_ONCE) for column in columns]
    return cast("list[Tensor]", embed_columns(model, columns))


def embed_column(model: torch.nn.Module, features: Features, size: int | None) -> Tensor:
    """Return the embeddings of a column, ``(texts, width)``.

    Args:
        model: The model.
        features: The column.
        size: Texts of a part; ``None``: all at once.
    """
    order = None if size is None else order_of(features)
    if size is None or order is None:
        return cast("Tensor", model(features)["sentence_embedding"])
    parts = [
        model(_part(features, rows))["sentence_embedding"] for rows in torch.split(order, size)
    ]
    return undo(torch.cat(parts), order)


def _part(features: Features, texts: Tensor) -> Features:
    """Return some texts of a column, without the padding after the longest of them."""
    part, width = in_order(features, texts), features["attention_mask"].shape[1]
    used = part["attention_mask"].any(dim=0).nonzero()
    end = int(used.max()) + 1 if len(used) else width
    return {
        key: value[:, :end] if isinstance(value, Tensor) and value.shape[1:2] == (width,) else value
        for key, value in part.items()
    }


def _are_bags(model: torch.nn.Module, columns: Sequence[Features]) -> bool:
    """Return whether columns are those of a static encoder: bags of tokens without padding."""
    return all(
        set(column) - {"task"} == {"input_ids", "offsets"} for column in columns
    ) and not any(isinstance(module, Router) for module in model.modules())


def _embed_bags(model: torch.nn.Module, columns: Sequence[Features]) -> list[Tensor]:
    """Return the embeddings of all columns from one call.

    The gradient of a table of vectors is as large as the table. So it is computed once, and not for
    each column.
    """
    tokens = [column["input_ids"] for column in columns]
    starts = torch.tensor([0, *(len(own) for own in tokens[:-1])]).cumsum(0).tolist()
    offsets = [column["offsets"] + start for column, start in zip(columns, starts, strict=True)]
    bags = {"input_ids": torch.cat(tokens), "offsets": torch.cat(offsets)}
    embeddings: Tensor = model(bags)["sentence_embedding"]
    return list(torch.split(embeddings, [len(own) for own in offsets]))
