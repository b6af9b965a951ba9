"""The process of the server: its socket, its signals, its end."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from evenrank.errors import ConfigError, EvenrankError, FileError, MissingExtraError
from evenrank.serving.settings import ServeSettings

if TYPE_CHECKING:
    import uvicorn

    from evenrank.search.searcher import Searcher
    from evenrank.serving.service import Service

_GRACE = 30
"""Seconds that running requests have after the signal to stop."""
_IDLE = 15
"""Seconds that a connection may be open without a request."""
_CONNECTIONS = 900
"""Connections at once; further ones are answered 503. Many systems allow 1,024 open files."""


def serve(
    open_index: Callable[[], Searcher],
    settings: ServeSettings | None = None,
    *,
    ready: Callable[[str], None] = lambda address: None,
    log_level: str = "warning",
) -> None:
    """Serve an index until a signal ends it.

    SIGTERM and Ctrl-C stop it: running requests are finished. SIGHUP opens a newer index.

    Args:
        open_index: Opens the index; called again to open a newer one.
        settings: Where to listen, limits, key.
        ready: Called with the address once the server listens.
        log_level: ``warning``; ``info`` has a line for each request; ``debug`` may quote queries.

    Raises:
        MissingExtraError: FastAPI or uvicorn are not installed.
        ConfigError: The port is in use, or the address is not one of this machine.
        EvenrankError: The index cannot be opened.
    """
    _require_packages()
    from evenrank.serving.service import Service

    settings = settings or ServeSettings()
    with listen(settings.host, settings.port) as listening, _log(log_level):
        service = Service(open_index, settings)
        server = make_server(service, log_level)
        asyncio.run(_run(server, service.reload, listening, lambda: ready(url_of(listening))))


def make_server(service: Service, log_level: str = "warning") -> uvicorn.Server:
    """Return the server of an open index."""
    import uvicorn

    from evenrank.serving.application import build_application
    from evenrank.serving.connections import Connection, Server

    config = uvicorn.Config(
        build_application(service),
        log_level="error" if log_level == "warning" else log_level,  # a line for each bad request
        access_log=False,  # it would log the text of queries
        server_header=False,
        proxy_headers=False,
        http=Connection,
        ws="none",
        timeout_keep_alive=min(_IDLE, service.settings.timeout),  # type: ignore[arg-type]
        timeout_graceful_shutdown=_GRACE,
        limit_concurrency=_CONNECTIONS,
        h11_max_incomplete_event_size=32 << 10,
    )
    return Server(config)


async def _run(
    server: uvicorn.Server,
    reload: Callable[[], Awaitable[None]],
    listening: socket.socket,
    ready: Callable[[], None],
) -> None:
    loop = asyncio.get_running_loop()
    tasks = set()

    def reopen() -> None:
        async def quietly() -> None:
            with suppress(EvenrankError):  # logged, and the running index stays
                await reload()

        tasks.add(task := loop.create_task(quietly()))
        task.add_done_callback(tasks.discard)

    loop.add_signal_handler(signal.SIGHUP, reopen)
    ready()
    await server.serve(sockets=[listening])


@contextmanager
def _log(level: str) -> Iterator[None]:
    """Write the log of the server to the standard error stream; other packages' logs stay out."""
    log = logging.getLogger("evenrank.serving")
    before = log.level, log.propagate
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.setLevel(level.upper())
    log.propagate = False
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        ConfigError: The port is in use or not allowed, or the address is not one of this machine.
    """
    place = f"{host}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError, OverflowError):
        raise ConfigError(
            place, "no address of a machine", "such as 127.0.0.1", "Correct --host"
        ) from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(1024)
    except (OSError, OverflowError) as cause:
        listening.close()
        code = getattr(cause, "errno", None)
        if code == errno.EADDRINUSE:
            raise ConfigError(
                place, "a port in use", "a free one", "Stop the other program, or use --port"
            ) from None
        if code == errno.EADDRNOTAVAIL:
            expected = "an address of this machine"
            raise ConfigError(place, "another address", expected, "Correct --host") from None
        raise FileError.of(cause, place) from None
    return listening


def url_of(listening: socket.socket) -> str:
    """Return the address to open in a browser."""
    host, port = listening.getsockname()[:2]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}"


def _require_packages() -> None:
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as cause:
        found = f"the package {cause.name} is not installed"
        raise MissingExtraError("serve", found, "", "pip install 'evenrank[serve]'") from None
