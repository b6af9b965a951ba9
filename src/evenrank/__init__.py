"""Retrievers that rank the same answer equally well in any of their languages.

The names in ``__all__`` are the public interface. Each is imported when it is first used, so that
importing the package costs nothing. ``__init__.pyi`` lists them, once for all.

>>> import evenrank
>>> corpus = evenrank.open_corpus("world-facts:train")
>>> corpus.languages[:3]
('ar', 'de', 'el')
"""

import re
from importlib import import_module
from pathlib import Path

_STUB = Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")
_HOME = {name: home for home, name in re.findall(r"^from (\S+) import (\w+) as", _STUB, re.M)}

__all__ = list(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    """Import a public name."""
    if name == "__version__":
        from importlib.metadata import version

        return version("evenrank")
    if name not in _HOME:
        raise AttributeError(f"module 'evenrank' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value  # found at once the next time
    return value


def __dir__() -> list[str]:
    """Return the public names, which notebooks complete."""
    return [*__all__, "__version__"]
