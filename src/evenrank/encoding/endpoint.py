"""A server with OpenAI's interface for embeddings as a source of embeddings.

``openai:MODEL`` is OpenAI itself, ``openai:MODEL@URL`` any other server, and a URL alone is a
server of one model. The key comes from the environment variable ``OPENAI_API_KEY`` and goes to the
server only: no result, log or message contains it.
"""

from __future__ import annotations

import os
import re
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from evenrank.encoding.model import EmbeddingModel, Kind
from evenrank.encoding.presets import FINISHED, presets
from evenrank.errors import ConfigError, EndpointError, MissingExtraError
from evenrank.files import fingerprint_of

if TYPE_CHECKING:
    from openai import OpenAI

T = TypeVar("T")

KEY = "OPENAI_API_KEY"
OFFICIAL = "https://api.openai.com/v1"
_MAXIMUM_TEXTS = 2048
"""In one request, as OpenAI allows."""
_SHOWN = 200
"""Characters of a server's message."""


class EndpointSettings(BaseModel):
    """Settings of an endpoint.

    Attributes:
        query_prompt: Prefix of queries; by default that of the model's preset, if it has one.
        passage_prompt: Prefix of passages, likewise.
        dimensions: Width to ask for, of models that can shorten their vectors.
        concurrency: Requests at the same time.
        retries: How often a request is sent again after 408, 409, 429, 5xx, no answer in time, or
            a broken connection; with growing pauses of 0.5 to 8 s, or those that the server wants.
        timeout: Seconds until a request counts as not answered.
        version: Part of the fingerprint: change it when the server has another model of one name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    query_prompt: str | None = None
    passage_prompt: str | None = None
    dimensions: int | None = Field(default=None, ge=1)
    concurrency: int = Field(default=4, ge=1, le=256)
    retries: int = Field(default=8, ge=0, le=100)
    timeout: float = Field(default=60, gt=0)
    version: str = ""


def is_address(source: str) -> bool:
    """Tell whether a model's name is that of an endpoint.

    >>> is_address("openai:text-embedding-3-small"), is_address("org/model")
    (True, False)
    """
    return source.startswith(("openai:", "http://", "https://"))


class Endpoint(EmbeddingModel):
    """A model behind an address.

    Args:
        address: ``openai:MODEL``, ``openai:MODEL@URL`` or a URL.
        settings: How to ask.

    Raises:
        ConfigError: The address is not one, or there is no usable key for OpenAI.
        EndpointError: The server of a URL alone has no model or several.
        MissingExtraError: The client is not installed.
    """

    def __init__(self, address: str, settings: EndpointSettings) -> None:
        model, self._url = parse_address(address)
        self._settings = settings
        self._client = _client(self._url, settings)
        weakref.finalize(self, self._client.close)
        self._model = model or self._only_model()
        self.name = f"openai:{self._model}@{self._url}"
        self.label = self._model.rpartition("/")[2]
        self.batches_at_once = max(8, 4 * settings.concurrency)
        self._lock = threading.Lock()
        preset = presets().get(self._model, FINISHED)
        own = (settings.query_prompt, settings.passage_prompt)
        query, passage = (
            given if given is not None else known or ""
            for given, known in zip(own, (preset.query_prompt, preset.passage_prompt), strict=True)
        )
        self.prompts = (query, passage)

    @cached_property
    def width(self) -> int:
        """``H``, which a first request finds out."""
        return int(self._vectors(["width"]).shape[1])

    @property
    def fingerprint(self) -> str:
        """Hash of address, model, width, prompts and version: nobody sees the weights."""
        facts = (self._url, self._model, str(self.width), *self.prompts, self._settings.version)
        return fingerprint_of("endpoint", *facts)

    def encode(self, texts: Sequence[str], kind: Kind, batch_size: int = 64) -> NDArray[np.float32]:
        """Return ``(N, H)`` vectors, by several requests at the same time.

        Raises:
            EndpointError: The server refuses, fails for too long, or answers with anything other
                than one finite vector of this width for each text.
        """
        prompt = self.prompts[0 if kind == "query" else 1]
        full = [prompt + text for text in texts]
        size = min(batch_size, _MAXIMUM_TEXTS)
        batches = [full[at : at + size] for at in range(0, len(full), size)]
        rows_NH = np.empty((len(texts), self.width), dtype=np.float32)
        pool = ThreadPoolExecutor(self._settings.concurrency)
        try:
            for number, rows in enumerate(pool.map(self._checked, batches)):
                rows_NH[number * size : number * size + len(rows)] = rows
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        return rows_NH

    def describe(self) -> dict[str, JsonValue]:
        """Return the address and the model."""
        return {"architecture": "endpoint", "url": self._url, "model": self._model}

    def _checked(self, texts: list[str]) -> NDArray[np.float32]:
        rows = self._vectors(texts)
        if rows.shape[1] != self.width:
            raise self._wrong(f"vectors of width {rows.shape[1]}", f"width {self.width}, as before")
        return rows

    def _vectors(self, texts: list[str]) -> NDArray[np.float32]:
        asked: dict[str, Any] = {"model": self._model, "encoding_format": "float"}
        if self._settings.dimensions is not None:
            asked["dimensions"] = self._settings.dimensions
        answer = self._ask(lambda: self._client.embeddings.create(input=texts, **asked))
        rows = self._ordered(answer, len(texts))
        used = getattr(getattr(answer, "usage", None), "prompt_tokens", None)
        if isinstance(used, int):
            with self._lock:
                self.tokens = (self.tokens or 0) + used
        return rows

    def _ordered(self, answer: object, count: int) -> NDArray[np.float32]:
        """Return the vectors of an answer in the order of the texts."""
        data = getattr(answer, "data", None)
        if not isinstance(data, list):
            raise self._wrong("something else, such as a web page", "embeddings as JSON")
        if len(data) != count:
            raise self._wrong(f"{len(data):,} vectors for {count:,} texts", "one for each text")
        places = [getattr(one, "index", None) for one in data]
        if {*places} != {*range(count)}:
            raise self._wrong("vectors without the numbers of their texts", "each index once")
        try:
            by_place = dict(zip(places, (one.embedding for one in data), strict=True))
            rows = np.array([by_place[place] for place in range(count)], dtype=np.float32)
        except (AttributeError, TypeError, ValueError):
            rows = np.empty(0, dtype=np.float32)
        if rows.ndim != 2 or not rows.shape[1]:
            raise self._wrong("vectors of several widths, or no numbers", "numbers of one width")
        if not np.isfinite(rows).all():
            raise self._wrong("a vector with NaN or infinite values", "finite numbers")
        return rows

    def _only_model(self) -> str:
        listed = self._ask(lambda: [one.id for one in self._client.models.list()])
        if len(listed) == 1:
            return str(listed[0])
        raise EndpointError(
            self._url,
            f"{len(listed)} models: {', '.join(map(str, listed[:10]))}",
            "the name of one",
            f"Write openai:MODEL@{self._url}",
        )

    def _ask(self, request: Callable[[], T]) -> T:
        """Send a request; whatever becomes of it, the message is one line without the key."""
        try:
            return request()
        except Exception as cause:  # of the client, of its transport, and of what it parses
            self._refused(cause)

    def _refused(self, cause: Exception) -> NoReturn:
        from openai import APIConnectionError, APITimeoutError

        status = getattr(cause, "status_code", None)
        words = " ".join(str(cause).split())[:_SHOWN]
        if key := _key():
            words = words.replace(key, "***")
        if status in (401, 403):  # such messages quote the key
            found, remedy = f"the key of {KEY} refused ({status})", "Check the key and its rights"
            if not key:
                found, remedy = f"no key ({status})", f"Set the environment variable {KEY}"
        elif isinstance(cause, APITimeoutError):
            found = f"no answer in {self._settings.timeout:g} s"
            remedy = "Try again later, or set timeout higher or --batch-size lower"
        elif isinstance(cause, APIConnectionError):
            found, remedy = "no connection, or one that breaks", "Check the address and the server"
        elif status == 429 or (status or 0) >= 500:
            found = f"status {status} also after {self._settings.retries} retries"
            remedy = "Try again later, or set concurrency lower; a store keeps what is encoded"
        elif status is not None:
            found, remedy = f"status {status} ({words})", "Check the model, the address, the texts"
        else:
            raise self._wrong(f"no readable answer ({type(cause).__name__})", "JSON") from None
        raise EndpointError(self._url, found, "", remedy) from None

    def _wrong(self, found: str, expected: str) -> EndpointError:
        remedy = "Check that the address ends before /embeddings and is that of this model"
        return EndpointError(self._url, found, expected, remedy)


def parse_address(address: str) -> tuple[str, str]:
    """Return the model, empty if it is not named, and the URL of an address.

    Raises:
        ConfigError: It is not an address, or its URL has more parts than it needs.

    >>> parse_address("openai:BAAI/bge-m3@http://localhost:8080/v1")
    ('BAAI/bge-m3', 'http://localhost:8080/v1')
    """
    url, model = address, ""
    if address.startswith("openai:"):
        found = re.fullmatch(r"openai:(.*?)(?:@(https?://.*))?", address, re.DOTALL)
        model, url = (found[1].strip(), found[2] or "") if found else ("", "")
        url = url or os.environ.get("OPENAI_BASE_URL") or OFFICIAL
        if not model:
            raise ConfigError("model address", "no model", "openai:MODEL@URL", "Name the model")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or parts.scheme not in ("http", "https"):
        raise ConfigError(
            "model address", "no usable URL", "such as http://localhost:8080/v1", "Correct it"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            f"model address at {host}",
            "a user, password, query or fragment in the URL",
            "scheme, host, port and path only",
            f"Put the key into the environment variable {KEY}",
        )
    name = f"[{host}]" if ":" in host else host
    return model, f"{parts.scheme}://{name}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def _key() -> str:
    return os.environ.get(KEY, "").strip()


def _client(url: str, settings: EndpointSettings) -> OpenAI:
    try:
        from openai import OpenAI
    except ImportError:
        raise MissingExtraError(
            "endpoint", "the package openai is not installed", "", "pip install 'evenrank[openai]'"
        ) from None
    key = _key()
    if not key and url == OFFICIAL:
        raise ConfigError(
            "endpoint", f"no environment variable {KEY}", "the key of OpenAI", "Set it"
        )
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ConfigError(KEY, "white space or letters beyond ASCII", "a key", "Copy the key again")
    return OpenAI(
        base_url=url,
        api_key=key or "none",  # the client wants one; a server without keys ignores it
        max_retries=settings.retries,
        timeout=settings.timeout,
    )
