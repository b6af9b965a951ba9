"""What every request passes first: host, key, size of the body; and what every answer gets.

A plain ASGI middleware, since it has to see requests before anything else reads them.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import logging
import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evenrank.serving.metrics import Metrics
from evenrank.serving.problems import RefusedError, bug, problem
from evenrank.serving.settings import ServeSettings
from evenrank.text import printable

_LOG = logging.getLogger(__name__)
_OPEN = ("/health",)
"""Addresses that need no key."""
_GONE = 499
"""Status in metrics of requests whose client had gone before the end of its body."""
_DRAINED = 8
"""How many times the limit of a body is read and thrown away, so that a client sees the answer."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Headers of every answer that does not have them."""


class Gate:
    """The middleware.

    Args:
        app: The application behind it.
        settings: Limits, key and names.
        metrics: Where requests are counted.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._names = {"localhost", "127.0.0.1", "[::1]", settings.host, *settings.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500
        begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                given = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.lower().encode(), value.encode())
                        for name, value in HEADERS.items()
                        if name.lower().encode() not in given
                    ),
                ]
            await send(message)

        try:
            headers = {name.decode("latin-1"): value for name, value in scope["headers"]}
            self._check_host(headers)
            self._check_key(scope["path"], headers)
            body = await self._body(headers, receive)
            await self._app(scope, _replayed(body, receive), send_with_headers)
        except ClientDisconnect:
            status = _GONE
        except RefusedError as error:
            await problem(error)(scope, receive, send_with_headers)
        except Exception as error:
            if begun:
                raise
            await problem(bug(error))(scope, receive, send_with_headers)
        finally:
            self._count(scope, status, time.perf_counter() - start)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        self._metrics.count("evenrank_requests_total", route=route, status=str(status))
        self._metrics.observe("evenrank_request_seconds", seconds, route=route)
        # the path without its query string, which has the text of a search
        path = printable(scope["path"])[:200]
        _LOG.info("%s %s %s %.1f ms", scope["method"], path, status, seconds * 1000)

    def _check_host(self, headers: Mapping[str, bytes]) -> None:
        """Refuse names that a local server does not have.

        Otherwise a web page could let a name of its own lead to this machine, and read answers.
        """
        if not self._settings.is_local:
            return
        given = headers.get("host", b"").decode("latin-1")
        name = given if given.endswith("]") else given.rpartition(":")[0] or given
        if given and name.lower() not in self._names:
            found, expected = repr(given[:80]), ", ".join(sorted(self._names))
            raise RefusedError(421, "header Host", found, expected, "Start it with --allow-host")

    def _check_key(self, path: str, headers: Mapping[str, bytes]) -> None:
        key = self._settings.key
        if not key or path in _OPEN:
            return
        scheme, _, rest = headers.get("authorization", b"").partition(b" ")
        given = rest.strip()
        if scheme.lower() == b"basic":  # a browser asks for a name and a password
            try:
                given = base64.b64decode(given, validate=True).partition(b":")[2]
            except binascii.Error:
                given = b""
        elif scheme.lower() != b"bearer":
            given = b""
        if not hmac.compare_digest(given, key.encode()):
            found = "another key" if given else "no key"
            remedy = "Send the header Authorization: Bearer KEY"
            challenge = {"WWW-Authenticate": 'Basic realm="evenrank", charset="UTF-8"'}
            raise RefusedError(
                401, "header Authorization", found, "the key of the server", remedy, challenge
            )

    async def _body(self, headers: Mapping[str, bytes], receive: Receive) -> bytes:
        """Read the whole body, which is small or refused, within the time of a request.

        Raises:
            RefusedError: It is too large, or too slow.
            ClientDisconnect: The client has gone.
        """
        most = self._settings.max_body
        length = headers.get("content-length", b"0")
        declared = int(length) if length.isdigit() else 0
        if "content-length" not in headers and "transfer-encoding" not in headers:
            return b""
        if declared > most and "expect" in headers:  # the client waits for our word
            raise self._too_large(declared)
        body, size = bytearray(), 0
        try:
            async with asyncio.timeout(self._settings.timeout):
                while size <= _DRAINED * most:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnect
                    size += len(message.get("body", b""))
                    if size <= most:
                        body += message.get("body", b"")
                    if not message.get("more_body"):
                        break
        except TimeoutError:
            found, expected = (
                "a body that is too slow",
                f"all of it in {self._settings.timeout:g} s",
            )
            raise RefusedError(408, "body", found, expected, "Send it again") from None
        if size > most:
            raise self._too_large(max(size, declared))
        return bytes(body)

    def _too_large(self, size: int) -> RefusedError:
        found, expected = f"{size:,} bytes", f"at most {self._settings.max_body:,}"
        return RefusedError(413, "body", found, expected, "Send less at once")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the body at once, and then what the server says."""
    given = False

    async def replay() -> dict[str, Any]:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        return dict(await receive())

    return replay
