"""Pooling, prompts and maximum length of known checkpoints: the table ``presets.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal


@dataclass(frozen=True)
class Preset:
    """What is set on an encoder when it is loaded.

    Attributes:
        query_prompt: Prefix of queries; ``None`` keeps the encoder's own.
        passage_prompt: Prefix of passages; ``None`` keeps the encoder's own.
        pooling: Pooling of a checkpoint that has none of its own; ``None`` leaves the choice to
            Sentence Transformers: mean, and the last token for decoders.
        max_length: Maximum number of tokens; ``None`` keeps the encoder's own.
        source: Where these choices come from.
    """

    query_prompt: str | None = None
    passage_prompt: str | None = None
    pooling: Literal["mean", "cls"] | None = None
    max_length: int | None = None
    source: str = ""


FINISHED = Preset(source="The model's own settings.")
"""For Sentence Transformers models without a preset: nothing is changed."""
PLAIN = Preset("Query: ", "Passage: ", source="Prompts: arXiv 2408.10536. Pooling: ours.")
"""For transformers checkpoints without a preset, which are there to be trained."""


@cache
def presets() -> dict[str, Preset]:
    """Return the presets by Hugging Face id.

    >>> presets()["intfloat/multilingual-e5-base"].query_prompt
    'query: '
    """
    text = files("evenrank.encoding").joinpath("presets.toml").read_text(encoding="utf-8")
    return {
        id_: Preset(**{key: value for key, value in entry.items() if key != "ids"})
        for entry in tomllib.loads(text)["preset"]
        for id_ in entry["ids"]
    }
