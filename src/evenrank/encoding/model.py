"""What every source of embeddings offers to the rest of evenrank.

Shapes: ``N`` texts, ``H`` width of the embeddings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

Kind = Literal["query", "passage"]


class EmbeddingModel(ABC):
    """Queries and passages to vectors of any length, with a name and a fingerprint.

    Attributes:
        name: Folder, id or address; empty for an object that was only ever in memory.
        label: Its name in tables.
        prompts: Prefixes of queries and passages, which :meth:`encode` puts before each text.
        by_id: :meth:`encode` takes the ids of texts in place of the texts.
        batches_at_once: How many batches :meth:`encode` is given at once.
        settings: The settings that it was opened with, by name.
        tokens: Tokens that a server has counted so far; ``None`` where nobody counts them.
    """

    name: str = ""
    label: str = "model"
    prompts: tuple[str, str] = ("", "")
    by_id: bool = False
    batches_at_once: int = 16
    settings: Mapping[str, Any] = MappingProxyType({})
    tokens: int | None = None

    @property
    @abstractmethod
    def width(self) -> int:
        """``H``."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A short hash of what the vectors depend on; it names them in an embedding store."""

    @property
    def counted_tokens(self) -> int | None:
        """Tokens of all texts encoded so far; ``None`` where nobody counts them."""
        return self.tokens

    @abstractmethod
    def encode(self, texts: Sequence[str], kind: Kind, batch_size: int = 64) -> NDArray[np.float32]:
        """Return ``(N, H)`` vectors of texts, in their order.

        Args:
            texts: The texts, without prompts.
            kind: What the texts are.
            batch_size: Texts encoded at once; a source may make batches of as many tokens instead.

        Raises:
            EvenrankError: The source fails, or its answer is not ``N`` vectors of width ``H``.
        """

    @abstractmethod
    def describe(self) -> dict[str, JsonValue]:
        """Return what the model is, in words and numbers, for results."""
