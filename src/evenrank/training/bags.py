"""Tokens of texts for a static encoder, which come again in many batches."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers.sentence_transformer.modules import StaticEmbedding

_CHARACTERS = 32_000_000
"""Text to remember, with about 100 MB of memory for it and its tokens."""


class RememberedBags:
    """The module's ``preprocess``, which remembers the tokens of the latest texts.

    A static encoder needs as much time for tokens as for vectors, and a passage comes again with
    each of its queries and in each pass over the corpus.

    Args:
        module: The first module of the encoder, whose tokenizer does not change from now on.
        characters: Length of the texts to remember, all together.
    """

    def __init__(self, module: StaticEmbedding, characters: int = _CHARACTERS) -> None:
        self._tokenizer = module.tokenizer
        self._known: dict[str, NDArray[np.int32]] = {}
        self._characters, self._limit = 0, characters

    def __call__(
        self, inputs: Sequence[str], prompt: str | None = None, **_: object
    ) -> dict[str, torch.Tensor]:
        """Return ``input_ids`` of all texts in a row, and the ``offsets`` of each text."""
        texts = [(prompt or "") + text for text in inputs]
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        for text, bag in zip(
            new, self._tokenizer.encode_batch(new, add_special_tokens=False), strict=True
        ):
            self._known[text] = np.array(bag.ids, dtype=np.int32)
            self._characters += len(text)
        bags = [self._known[text] for text in texts]
        self._forget()
        lengths = np.array([0, *map(len, bags[:-1])])
        return {
            "input_ids": torch.from_numpy(np.concatenate(bags).astype(np.int64)),
            "offsets": torch.from_numpy(np.cumsum(lengths)),
        }

    def _forget(self) -> None:
        """Forget the oldest texts if there are too many."""
        while self._characters > self._limit:
            for text in list(islice(self._known, 1_000)):
                self._characters -= len(text)
                del self._known[text]
