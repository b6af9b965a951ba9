"""Requests to Qdrant, and what it says about a collection; each refusal becomes one clear line."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evenrank.errors import ConfigError, DataError, EngineError, EvenrankError, MissingExtraError
from evenrank.search.engines.writing import MARK

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

KEY = "QDRANT_API_KEY"
_NAMESPACE = uuid.UUID("6f1c3a52-5d0b-5c0e-9c55-5b6c1f0f7a11")
"""Of the ids of our points, which Qdrant wants as UUIDs; any constant will do."""
_SHOWN = 200
"""Characters of a server's message."""


def connect(url: str, timeout: int, grpc_port: int | None = None) -> QdrantClient:
    """Return a client; the key comes from the environment variable ``QDRANT_API_KEY``.

    No request is sent.

    Raises:
        MissingExtraError: The client is not installed.
        ConfigError: The key has characters that a key cannot have.
    """
    try:
        from qdrant_client import QdrantClient
    except ImportError:
        raise MissingExtraError(
            "qdrant",
            "the package qdrant-client is not installed",
            "",
            "pip install 'evenrank[qdrant]'",
        ) from None
    key = os.environ.get(KEY, "").strip()
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ConfigError(KEY, "white space or letters beyond ASCII", "a key", "Copy the key again")
    return QdrantClient(
        url=url,
        port=None,
        timeout=timeout,
        headers={"api-key": key} if key else None,
        prefer_grpc=grpc_port is not None,
        grpc_port=grpc_port or 6334,
        check_compatibility=False,  # it asks in a thread of its own, and warns there
    )


class Server:
    """One collection of a server, and how to ask for it.

    Args:
        client: The official client.
        collection: Name of the collection.
        name: What messages call it.
    """

    def __init__(self, client: QdrantClient, collection: str, name: str) -> None:
        self.client, self.collection, self.name = client, collection, name

    def ask(self, method: str, **arguments: Any) -> Any:  # noqa: ANN401 - models of Qdrant
        """Call a method of the client for this collection.

        Raises:
            DataError: There is no such collection.
            EngineError: The server cannot be reached, refuses, or fails.
        """
        try:
            return getattr(self.client, method)(self.collection, **arguments)
        except Exception as cause:  # of the client, its two transports, and its local mode
            raise self._refusal(cause) from None

    def _refusal(self, cause: Exception) -> EvenrankError:
        status, words = _said(cause)
        if key := os.environ.get(KEY, "").strip():
            words = words.replace(key, "***")
        if status == 404 or (status is None and re.search(r"Collection .* not found", words)):
            return DataError(self.name, "no such collection", "", "Check the name and the server")
        if status in (401, 403):
            found, remedy = f"the key of {KEY} refused ({status})", "Check the key and its rights"
            if not key:
                found, remedy = f"no key ({status})", f"Set the environment variable {KEY}"
        elif status == 408:
            found, remedy = "no answer in time", "Try again, or set timeout higher"
        elif status == 503:
            found, remedy = "no connection, or one that breaks", "Check the address and the server"
        elif re.search(r"index required|appropriate index", words, re.IGNORECASE):
            found, remedy = words[:_SHOWN], "Create a keyword index on the field of the language"
        else:
            said = f"status {status} ({words[:_SHOWN]})" if status else words[:_SHOWN]
            found, remedy = said, "Check the address, the collection and the server's log"
        return EngineError(self.name, found, "", remedy)


def _said(cause: Exception) -> tuple[int | None, str]:
    """Return what a client's exception says, as a status of HTTP and words."""
    import grpc  # type: ignore[import-untyped]
    import httpx
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    source = cause.source if isinstance(cause, ResponseHandlingException) else cause
    if isinstance(source, UnexpectedResponse):
        try:
            words = str(source.structured()["status"]["error"])
        except (ValueError, KeyError, TypeError):
            words = source.content.decode("utf-8", "replace")
        return source.status_code, words
    if isinstance(source, httpx.TimeoutException):
        return 408, ""
    if isinstance(source, httpx.TransportError):
        return 503, ""
    if isinstance(source, grpc.RpcError) and isinstance(source, grpc.Call):
        statuses = {
            grpc.StatusCode.UNAUTHENTICATED: 401,
            grpc.StatusCode.PERMISSION_DENIED: 403,
            grpc.StatusCode.NOT_FOUND: 404,
            grpc.StatusCode.DEADLINE_EXCEEDED: 408,
            grpc.StatusCode.UNAVAILABLE: 503,
        }
        return statuses.get(source.code()), str(source.details())
    return None, f"{type(source).__name__}: {source}" if not str(source) else str(source)


def mark_of(info: Any) -> dict[str, Any] | None:  # noqa: ANN401 - a model of Qdrant
    """Return what evenrank noted when it wrote a collection; nothing for one of somebody else."""
    mark = (getattr(info.config, "metadata", None) or {}).get(MARK)
    if not isinstance(mark, Mapping) or not isinstance(mark.get("about"), Mapping):
        return None
    return {"complete": bool(mark.get("complete")), "about": dict(mark["about"])}


def point_of(id: str, *, owned: bool) -> str | int | None:
    """Return the id of the point of a passage; none if no point can have this id.

    >>> point_of("17", owned=False), point_of("seventeen", owned=False)
    (17, None)
    """
    if owned:
        return str(uuid.uuid5(_NAMESPACE, id))
    if id.isascii() and id.isdigit():
        return int(id) if int(id) < 1 << 64 else None
    try:
        return str(uuid.UUID(id))
    except ValueError:
        return None


_PATH = re.compile(r'(?:[\w-]+|"[^"]+")(?:\[\d*\])*(?:\.(?:[\w-]+|"[^"]+")(?:\[\d*\])*)*')


def json_path(name: str, *, owned: bool) -> str | None:
    """Return the path of a field as Qdrant writes it; nothing if no field can have this name.

    A name of one of our fields is one name; that of somebody else may be a path.

    >>> json_path("a.b", owned=True), json_path("a.b", owned=False), json_path('a"b', owned=True)
    ('"a.b"', 'a.b', None)
    """
    path = name if not owned or re.fullmatch(r"[\w-]+", name) else f'"{name}"'
    return path if _PATH.fullmatch(path) else None


def value_at(payload: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    """Return the value at a path of names with dots between them; nothing if there is none.

    >>> value_at({"metadata": {"lang": "de"}}, "metadata.lang")
    'de'
    """
    for name in re.findall(r'"[^"]*"|[^.]+', path):
        if not isinstance(payload, Mapping):
            return None
        payload = payload.get(name.strip('"'))
    return payload
