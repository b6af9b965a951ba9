"""A registry: from the names of one kind of extension to what they are names of.

A package that can be extended (benchmarks, measures, batch strategies, ...) has one ``Registry``.
Its modules are imported at the first look-up, so a new file in it is enough to add an extension.
Other distributions register through the entry-point group ``evenrank.extensions``: each entry
point names a module, whose import registers what it adds. A plug-in that cannot be imported, or
that wants a name that exists, is skipped with a warning.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from evenrank.errors import ConfigError, UnknownNameError
from evenrank.text import printable

ENTRY_POINT_GROUP = "evenrank.extensions"

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_LOCK = threading.RLock()
"""One for all registries, since a plug-in may add to several. Re-entrant, since a module may look
names up while it is imported."""
_PLUG_IN: ContextVar[str | None] = ContextVar("plug-in", default=None)
"""The plug-in that is being imported."""
_plugged: set[str] = set()
_loading: list[object] = []


class Registry(Generic[T]):
    """The names of one kind of extension. Threads may share it.

    Args:
        kind: What the names are names of, for messages: ``"benchmark"``.
        package: The package whose modules register themselves when they are imported.
        modules: Names of further modules that do, in packages above this one.

    >>> shapes = Registry[int]("shape", "evenrank.errors")
    >>> _ = shapes.register("square", 4)
    >>> shapes.get("square")
    4
    """

    def __init__(self, kind: str, package: str, *modules: str) -> None:
        self.kind = kind
        self._package = package
        self._modules = modules
        self._entries: dict[str, T] = {}
        self._importing = False
        self._imported = False
        self._complete = False

    def register(self, name: str, value: T) -> T:
        """Add ``value`` under ``name`` and return it.

        Raises:
            ConfigError: The name exists, and this is not the import of a plug-in.
        """
        if plug_in := _PLUG_IN.get():
            self._import_own_modules()  # so that it cannot take one of our names
        if self._entries.get(name, value) is not value:
            if plug_in:
                _skip(plug_in, f"its {self.kind} {name!r} has a name that exists")
                return value
            raise ConfigError(
                f"{self.kind} {name!r}", "a second registration", "a new name", "Rename one of them"
            )
        self._entries[name] = value
        return value

    def decorator(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers what it decorates under ``name``."""
        return lambda value: self.register(name, value)

    def get(self, name: str) -> T:
        """Return what has the name.

        Raises:
            UnknownNameError: Nothing has that name; the error offers the nearest one.
        """
        if name not in self:
            raise UnknownNameError(self.kind, name, self._entries)
        return self._entries[name]

    def __contains__(self, name: str) -> bool:
        self._load()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._entries))

    def _load(self) -> None:
        """Import what registers itself. Another thread waits until all of it is there."""
        if self._complete:
            return
        with _LOCK:
            nested = bool(_loading)  # a look-up during the imports of another
            _loading.append(self)
            try:
                self._import_own_modules()
                _import_plug_ins()
                self._complete = not nested
            finally:
                _loading.remove(self)

    def _import_own_modules(self) -> None:
        if self._imported or self._importing:  # the second: a look-up during the imports
            return
        self._importing = True
        token = _PLUG_IN.set(None)
        try:
            package = importlib.import_module(self._package)
            for module in pkgutil.iter_modules(getattr(package, "__path__", [])):
                importlib.import_module(f"{self._package}.{module.name}")
            for name in self._modules:
                importlib.import_module(name)
            self._imported = True  # after an error, the next look-up tries again
        finally:
            self._importing = False
            _PLUG_IN.reset(token)


def _import_plug_ins() -> None:
    """Import each plug-in once in a process."""
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        name = f"{entry_point.name} = {entry_point.value}"
        if name in _plugged:
            continue
        _plugged.add(name)
        token = _PLUG_IN.set(name)
        try:
            entry_point.load()
        except (Exception, SystemExit) as error:
            _skip(name, f"{type(error).__name__}: {error}")
        finally:
            _PLUG_IN.reset(token)


def _skip(plug_in: str, reason: str) -> None:
    _LOG.warning("%s", printable(f"plug-in '{plug_in}' is skipped: {reason}"))
