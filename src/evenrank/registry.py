"""One small registry, from which every kind of extension is found by name.

A room that can be extended (benchmarks, measures, batch strategies, ...) holds one ``Registry``.
Every module of the room's package is imported at the first look-up, so a new file there is enough
to add an extension. Other distributions register through the entry-point group
``evenrank.extensions``: each entry point names a module, whose import registers what it adds.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from evenrank.errors import ConfigError, UnknownNameError

ENTRY_POINT_GROUP = "evenrank.extensions"


T = TypeVar("T")


class Registry(Generic[T]):
    """Names and what they stand for, for one kind of extension.

    Args:
        kind: What the names name, for messages: ``"benchmark"``.
        package: The package whose modules register themselves when imported.

    >>> shapes = Registry[int]("shape", "evenrank.errors")
    >>> _ = shapes.register("square", 4)
    >>> shapes.get("square")
    4
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._entries: dict[str, T] = {}
        self._loaded = False

    def register(self, name: str, value: T) -> T:
        """Add ``value`` under ``name`` and return it.

        Raises:
            ConfigError: The name is taken by something else.
        """
        if self._entries.get(name, value) is not value:
            raise ConfigError(
                f"{self.kind} {name!r}", "a second registration", "a new name", "Rename one of them"
            )
        self._entries[name] = value
        return value

    def decorator(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers what it decorates under ``name``."""
        return lambda value: self.register(name, value)

    def get(self, name: str) -> T:
        """Return what ``name`` stands for.

        Raises:
            UnknownNameError: Nothing has that name; the nearest name is offered.
        """
        self._load()
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries)
        return self._entries[name]

    def __contains__(self, name: str) -> bool:
        self._load()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._entries))

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True  # first, so that a look-up during the imports does not start over
        try:
            package = importlib.import_module(self._package)
            for module in pkgutil.iter_modules(getattr(package, "__path__", [])):
                importlib.import_module(f"{self._package}.{module.name}")
            for entry_point in entry_points(group=ENTRY_POINT_GROUP):
                entry_point.load()
        except BaseException:
            self._loaded = False  # half a registry is none
            raise
