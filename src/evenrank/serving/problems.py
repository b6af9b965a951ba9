"""Errors as answers: ``application/problem+json`` (RFC 9457) with the four parts of our errors."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from evenrank.errors import ConfigError, DataError, EndpointError, EngineError, EvenrankError
from evenrank.text import json_bytes, printable

_LOG = logging.getLogger(__name__)
_SHOWN = 80
"""Characters of a value that a message repeats."""


class RefusedError(EvenrankError):
    """A request that the server does not accept, or not now.

    Attributes:
        status: HTTP status.
        headers: Headers of the answer.
    """

    def __init__(
        self,
        status: int,
        place: str,
        found: str,
        expected: str,
        remedy: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(place, found, expected, remedy)
        self.status = status
        self.headers = dict(headers or {})


def status_of(error: EvenrankError) -> int:
    """Return the HTTP status of an error: 400 if the request caused it.

    >>> status_of(ConfigError("k", "0", "1 or more", "Correct it"))
    400
    """
    if isinstance(error, RefusedError):
        return error.status
    if isinstance(error, EndpointError | EngineError):
        return 502
    return 400 if isinstance(error, ConfigError | DataError) else 500


def problem(error: EvenrankError) -> Response:
    """Return an error as an answer."""
    status = status_of(error)
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": str(error),
        "place": printable(error.place),
        "found": printable(error.found),
        "expected": printable(error.expected),
        "remedy": printable(error.remedy),
    }
    headers = error.headers if isinstance(error, RefusedError) else {}
    body = json_bytes(content, indent=False)
    return Response(body, status, headers, media_type="application/problem+json")


def bug(error: Exception) -> EvenrankError:
    """Log an error that nobody expected, and return what a client may know of it.

    The log names the exception and its place. The message of the exception may quote a query, so
    it is logged at the level ``debug`` only.
    """
    where = traceback.extract_tb(error.__traceback__)[-1]
    _LOG.error("bug: %s in %s:%s", type(error).__name__, where.filename, where.lineno)
    _LOG.debug("%s", printable("".join(traceback.format_exception(error))))
    remedy = "Please report it; the log of the server says where it happened"
    return RefusedError(500, "server", "a bug", "", remedy)


def validation_error(error: RequestValidationError) -> EvenrankError:
    """Return the first fault of a request as one of our errors."""
    first = error.errors()[0]
    parts = [str(part) for part in first["loc"] if part != "body" and not isinstance(part, int)]
    numbers = [f"[{part}]" for part in first["loc"] if isinstance(part, int)]
    place = ".".join(parts) + "".join(numbers) if parts else "body"
    if first["type"] == "json_invalid":
        place, found, expected = "body", "no valid JSON", "a JSON object"
    elif first["type"] == "missing":
        found, expected = "nothing", "a value"
    elif first["type"] == "extra_forbidden":
        found, expected = "an unknown field", "only fields that /docs lists"
    else:
        found = _short(first.get("input"))
        expected = str(first["msg"]).removeprefix("Value error, ")
        expected = expected[:1].lower() + expected[1:]
    return RefusedError(400, place, found, expected, "Correct the request")


def add_problems(app: FastAPI) -> None:
    """Let an application answer all errors as problems."""

    async def known(_: Request, error: Exception) -> Response:
        assert isinstance(error, EvenrankError)
        return problem(error)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return problem(validation_error(error))

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem(_of_http(request, error))

    app.add_exception_handler(EvenrankError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, refused)


def _of_http(request: Request, error: HTTPException) -> RefusedError:
    place = f"{request.method} {request.url.path}"[:_SHOWN]
    found, remedy = str(error.detail), "See /docs"
    expected = ""
    if error.status_code == 404:
        found, expected = "no such address", "one that /docs lists"
    elif error.status_code == 405:
        found, expected = "another method", (error.headers or {}).get("Allow", "")
    elif error.status_code == 400:  # FastAPI could not read the body at all
        place, found, expected = "body", "nothing that can be read", "a JSON object in UTF-8"
    return RefusedError(error.status_code, place, found, expected, remedy, error.headers)


def _short(value: Any) -> str:  # noqa: ANN401 - any JSON value
    shown = ascii(value) if isinstance(value, bytes) else repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
