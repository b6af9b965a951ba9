"""Any Python object with ``encode_query`` and ``encode_document`` as a source of embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from evenrank.encoding.model import EmbeddingModel, Kind
from evenrank.encoding.sanity import behaviour_of
from evenrank.errors import ConfigError, DataError
from evenrank.files import fingerprint_of


class PythonObject(EmbeddingModel):
    """An object whose two methods take a list of texts and return their vectors.

    The vectors may be a NumPy array, a tensor of PyTorch on any device, or lists of numbers. An
    attribute ``fingerprint`` (text) identifies the object; without it, the vectors of a few texts
    do.

    Args:
        model: The object.

    Raises:
        ConfigError: It does not have the two methods.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - any object with the two methods
        self._kind = type(model).__name__
        for method in ("encode_query", "encode_document"):
            if not callable(getattr(model, method, None)):
                raise ConfigError(
                    "model",
                    f"{self._kind} without {method}",
                    "a folder, an id, an address, or an object with encode_query and "
                    "encode_document",
                    "Add the method",
                )
        self._model = model
        self.label = self._kind

    @cached_property
    def width(self) -> int:
        """``H``: what the object says, or the width of a first vector."""
        if said := getattr(self._model, "get_embedding_dimension", None):
            return int(said())
        return int(self._rows(["width"], "passage").shape[1])

    @cached_property
    def fingerprint(self) -> str:
        """The object's own fingerprint, or a hash of how it encodes a few texts."""
        own = getattr(self._model, "fingerprint", None)
        facts = [own] if isinstance(own, str) and own else behaviour_of(self)
        return fingerprint_of("python object", self._kind, str(self.width), *facts)

    def encode(self, texts: Sequence[str], kind: Kind, batch_size: int = 64) -> NDArray[np.float32]:
        """Return ``(N, H)`` vectors; see :class:`EmbeddingModel`."""
        rows_NH = np.empty((len(texts), self.width), dtype=np.float32)
        for start in range(0, len(texts), batch_size):
            some = list(texts[start : start + batch_size])
            found = self._rows(some, kind)
            if found.shape != (len(some), self.width):
                raise self._wrong(
                    f"{len(found):,} vectors of width {found.shape[1]} for {len(some):,} texts",
                    f"a vector of width {self.width} for each",
                )
            rows_NH[start : start + len(some)] = found
        return rows_NH

    def describe(self) -> dict[str, JsonValue]:
        """Return the class of the object."""
        return {"architecture": f"{type(self._model).__module__}.{self._kind}"}

    def _rows(self, texts: list[str], kind: Kind) -> NDArray[np.float32]:
        encode = self._model.encode_query if kind == "query" else self._model.encode_document
        found = encode(texts)
        if hasattr(found, "detach"):  # PyTorch; bfloat16 has no counterpart in NumPy
            found = found.detach().float().cpu()
        try:
            rows: NDArray[np.float32] = np.asarray(found, dtype=np.float32)
        except (TypeError, ValueError):
            rows = np.empty(0, dtype=np.float32)
        if rows.ndim != 2:
            raise self._wrong("no matrix of numbers", "a vector for each text")
        return rows

    def _wrong(self, found: str, expected: str) -> DataError:
        remedy = "Return an array of the shape (texts, width)"
        return DataError(f"model {self._kind}", found, expected, remedy)
