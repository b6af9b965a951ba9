"""Settings of the search server."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field

from evenrank.errors import ConfigError

KEY = "EVENRANK_SERVE_KEY"
"""Environment variable with the key that requests must have; without it, no key is needed."""
_SHORTEST_KEY = 8


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """How the server listens and what it accepts.

    Attributes:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        key: Requests need it as a bearer token, or as the password of a browser; empty: none.
        hosts: Further names by which requests may address a server on a loopback address.
        origins: Web origins whose pages may read the answers (CORS).
        title: Title of the page.
        max_body: Bytes of a request.
        max_text: Characters of a query, a text or a document.
        max_texts: Queries, texts or documents of a request.
        max_k: Results of a query, the skipped ones included.
        batch: Texts encoded at once.
        wait: Seconds that a query waits for others to be encoded with it.
        queue: Texts that may wait; more are refused.
        timeout: Seconds until a request is given up.

    Raises:
        ConfigError: A value is not usable.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    key: str = field(default="", repr=False)
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    title: str = ""
    max_body: int = 1 << 20
    max_text: int = 10_000
    max_texts: int = 256
    max_k: int = 200
    batch: int = 64
    wait: float = 0.002
    queue: int = 1024
    timeout: float = 30.0

    def __post_init__(self) -> None:
        for name in ("max_body", "max_text", "max_texts", "max_k", "batch", "queue", "timeout"):
            if not getattr(self, name) > 0:
                raise ConfigError(name, repr(getattr(self, name)), "more than 0", "Correct it")
        if not 0 <= self.wait <= 1:
            raise ConfigError("wait", f"{self.wait:g} s", "0 to 1 s", "Correct it")
        if self.key and (
            len(self.key) < _SHORTEST_KEY
            or not (self.key.isascii() and self.key.isprintable() and " " not in self.key)
        ):
            expected = f"{_SHORTEST_KEY} or more ASCII characters without blanks"
            raise ConfigError(KEY, "an unusable key", expected, "Set another one")

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def key_of_environment() -> str:
    """Return the key in the environment; empty if there is none.

    Raises:
        ConfigError: The variable is set and has no key.
    """
    if (key := os.environ.get(KEY)) is None:
        return ""
    if not key.strip():
        raise ConfigError(KEY, "an empty variable", "a key", "Set the key, or unset the variable")
    return key.strip()
