"""Sentence Transformers models as a source of embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from evenrank.encoding.fingerprint import model_fingerprint
from evenrank.encoding.model import EmbeddingModel, Kind
from evenrank.encoding.prompts import prompts_of
from evenrank.encoding.sanity import behaviour_of, describe_encoder
from evenrank.encoding.token_batches import encode_by_tokens, has_token_batches
from evenrank.files import fingerprint_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_TASKS: dict[Kind, str] = {"query": "query", "passage": "document"}
_PROMPT_NAMES: dict[Kind, tuple[str, ...]] = {
    "query": ("query",),
    "passage": ("document", "passage", "corpus"),
}


class SentenceTransformerModel(EmbeddingModel):
    """A loaded Sentence Transformers model, on any of its backends.

    Args:
        model: The model; what changes in it later, such as weights and prompts, counts.
        name: Its folder or id.
        label: Its name in tables.
    """

    def __init__(self, model: SentenceTransformer, name: str = "", label: str = "model") -> None:
        self._model, self.name, self.label = model, name, label
        self.prompts = prompts_of(model)
        self._tokens = 0

    @property
    def width(self) -> int:
        """``H``."""
        return cast(int, self._model.get_embedding_dimension())

    @property
    def fingerprint(self) -> str:
        """Hash of weights, modules, tokenizer, prompts and maximum length.

        ONNX and OpenVINO keep their weights to themselves: there, vectors of a few texts count.
        """
        own = model_fingerprint(self._model)
        backend = self._backend
        return own if backend == "torch" else fingerprint_of(own, backend, *behaviour_of(self))

    @property
    def counted_tokens(self) -> int | None:
        """Tokens of all texts encoded so far, with prompts; ``None`` for a static encoder."""
        return self._tokens if self._has_token_batches else None

    def encode(self, texts: Sequence[str], kind: Kind, batch_size: int = 64) -> NDArray[np.float32]:
        """Return ``(N, H)`` vectors; see :class:`EmbeddingModel`."""
        model = self._model
        if texts and self._has_token_batches:
            vectors, tokens = encode_by_tokens(
                model, list(texts), batch_size, prompt=self._prompt(kind), task=_TASKS[kind]
            )
            self._tokens += tokens
        else:
            encode = model.encode_query if kind == "query" else model.encode_document
            vectors = encode(
                list(texts), batch_size=batch_size, show_progress_bar=False, convert_to_tensor=True
            )
        return cast(NDArray[np.float32], vectors.float().cpu().numpy())

    def describe(self) -> dict[str, JsonValue]:
        """Return :func:`~evenrank.encoding.sanity.describe_encoder`, and the backend."""
        return {**describe_encoder(self._model), "backend": self._backend}

    @property
    def _backend(self) -> str:
        return str(getattr(self._model, "backend", "torch"))

    @cached_property
    def _has_token_batches(self) -> bool:
        return has_token_batches(self._model)

    def _prompt(self, kind: Kind) -> str | None:
        """Return the prompt that ``encode_query`` or ``encode_document`` takes."""
        prompts = self._model.prompts
        names = (name for name in _PROMPT_NAMES[kind] if name in prompts)
        name = next(names, self._model.default_prompt_name)
        return None if name is None else prompts.get(name)
