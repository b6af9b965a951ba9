"""Any engine behind an address: the address decides which.

    qdrant+http://HOST:6333/COLLECTION      Qdrant; qdrant+https:// with encryption
    postgresql://USER@HOST/DATABASE?table=TABLE     PostgreSQL with pgvector

Settings may be part of an address, such as ``?language_field=metadata.lang``; an object is written
as JSON. So every command that takes an address takes them too.

A key of Qdrant comes from ``QDRANT_API_KEY``; a password of PostgreSQL from ``PGPASSWORD``, a
password file or the address. No message and no name contains one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel

from evenrank.encoding.base import checked_settings
from evenrank.errors import ConfigError, UnknownNameError
from evenrank.search.base import Engine, Passage
from evenrank.search.engines.pgvector import PgvectorEngine, PgvectorSettings
from evenrank.search.engines.pgvector_writing import PgvectorStorage, PgvectorWriter
from evenrank.search.engines.postgres import POSTGRES, parse_postgres
from evenrank.search.engines.qdrant import QdrantEngine, QdrantSettings
from evenrank.search.engines.qdrant_server import KEY, connect
from evenrank.search.engines.qdrant_writing import QdrantStorage, QdrantWriter
from evenrank.search.engines.writing import About, Writer, Written, write

S = TypeVar("S", bound=BaseModel)

QDRANT = ("qdrant+http", "qdrant+https")
_FORMS = "qdrant+http://HOST:6333/COLLECTION or postgresql://USER@HOST/DATABASE?table=TABLE"


def is_engine(source: str) -> bool:
    """Tell whether a text is the address of an engine.

    >>> is_engine("qdrant+http://localhost:6333/news"), is_engine("indexes/news")
    (True, False)
    """
    scheme, mark, _ = source.partition("://")
    return bool(mark) and scheme in (*QDRANT, *POSTGRES)


def open_engine(url: str, **settings: Any) -> Engine:  # noqa: ANN401 - each engine checks its own
    """Open a collection or table for search. Nothing is ever written.

    Args:
        url: Its address.
        settings: Names of the fields of what evenrank did not write
            (:class:`~evenrank.search.engines.fields.Fields`), and how to search
            (:class:`~evenrank.search.engines.qdrant.QdrantSettings`,
            :class:`~evenrank.search.engines.pgvector.PgvectorSettings`).

    Raises:
        ConfigError: The address or a setting is wrong.
        DataError: There is no such collection or table, or it has no such field.
        EngineError: The server cannot be reached or refuses.
        MissingExtraError: An optional package is not installed.
    """
    parts = _split(url)
    if parts.scheme in POSTGRES:
        parts, chosen = _with_settings(parts, PgvectorSettings, settings)
        return PgvectorEngine(parse_postgres(parts), chosen)
    parts, checked = _with_settings(parts, QdrantSettings, settings)
    address, collection, name = _qdrant_parts(parts)
    client = connect(address, checked.timeout, checked.grpc_port)
    return QdrantEngine(client, collection, checked, name)


def write_engine(
    url: str,
    passages: Iterable[Passage],
    vectors: NDArray[np.floating],
    *,
    about: About | None = None,
    **storage: Any,  # noqa: ANN401 - each engine checks its own
) -> Written:
    """Bring a collection or table, which is created if it does not exist, to these passages.

    A run that was interrupted goes on where it was: what is there already is not sent again.

    Args:
        url: Its address.
        passages: ``N`` passages, read once.
        vectors: ``(N, H)`` vectors in the same order; a memory map is read in batches.
        about: What is noted with it, such as the model and its prompts.
        storage: How it is stored (:class:`~evenrank.search.engines.qdrant_writing.QdrantStorage`,
            :class:`~evenrank.search.engines.pgvector_writing.PgvectorStorage`).

    Returns:
        How many passages were sent, unchanged and removed.

    Raises:
        ConfigError: The address or a setting is wrong, or somebody else wrote what is there.
        DataError: A passage or vector cannot be stored; the width differs from what is there.
        EngineError: The server cannot be reached or refuses.
        MissingExtraError: An optional package is not installed.
    """
    writer = _writer(url, storage)
    try:
        return write(writer, passages, vectors, about)
    finally:
        writer.close()


def _writer(url: str, storage: dict[str, Any]) -> Writer:
    parts = _split(url)
    if parts.scheme in POSTGRES:
        parts, chosen = _with_settings(parts, PgvectorStorage, storage)
        return PgvectorWriter(parse_postgres(parts), chosen)
    parts, checked = _with_settings(parts, QdrantStorage, storage)
    address, collection, name = _qdrant_parts(parts)
    client = connect(address, checked.timeout, checked.grpc_port)
    return QdrantWriter(client, collection, checked, name)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if is_engine(url) and (parts.port is None or parts.port > 0):  # reading it may raise
            return parts
    except ValueError:
        pass
    raise ConfigError("engine", "an address of no known form", _FORMS, "Correct it")


def _with_settings(
    parts: SplitResult, form: type[S], given: dict[str, Any]
) -> tuple[SplitResult, S]:
    """Return the address without the settings that are in it, and all settings."""
    own: dict[str, Any] = {}
    rest = []
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name in form.model_fields:
            try:
                own[name] = orjson.loads(value) if value.startswith("{") else value
            except ValueError:
                expected = "an object in JSON"
                raise ConfigError(f"address, {name}", "no JSON", expected, "Correct it") from None
        elif parts.scheme in POSTGRES:
            rest.append((name, value))  # for the driver
        else:
            raise UnknownNameError("setting", name, form.model_fields, "address")
    place = parts.scheme.partition("+")[0]
    return parts._replace(query=urlencode(rest)), checked_settings(form, own | given, place)


def _qdrant_parts(parts: SplitResult) -> tuple[str, str, str]:
    """Return the URL of the server, the collection, and a name without secrets."""
    host = parts.hostname or ""
    place = f"qdrant at {host}" if host else "qdrant"
    if parts.username or parts.password or parts.fragment:
        found = "a user, password or fragment in the address"
        remedy = f"Put the key into the environment variable {KEY}"
        raise ConfigError(place, found, "host, port and collection", remedy)
    prefix, _, collection = parts.path.rstrip("/").rpartition("/")
    if not host or not collection:
        raise ConfigError(place, "no host or collection", _FORMS.partition(" or ")[0], "Add it")
    shown = f"[{host}]" if ":" in host else host
    server = f"{parts.scheme.removeprefix('qdrant+')}://{shown}:{parts.port or 6333}{prefix}"
    return server, unquote(collection), f"qdrant+{server}/{collection}"
