"""Files are written whole or not at all, and read with a checksum where one is known."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from evenrank.errors import ConfigError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of the errors that say that a disk, a quota or a limit takes no more."""


def cache_folder() -> Path:
    """Return the folder for downloads and converted corpora.

    ``EVENRANK_CACHE`` where it is set, else ``evenrank`` in ``XDG_CACHE_HOME`` or ``~/.cache``.
    """
    if given := os.environ.get("EVENRANK_CACHE"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "evenrank"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to; it takes the place of ``path`` only when the block succeeds.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = Path(folder) / "a" / "note.txt"
    ...     with whole_file(target) as part:
    ...         _ = part.write_text("whole")
    ...     target.read_text()
    'whole'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.chmod(0o644)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def whole_folder(
    path: Path, *, overwrite: bool = False, marker: str | None = None
) -> Iterator[Path]:
    """Yield a folder to fill; it takes the place of ``path`` only when the block succeeds.

    Args:
        path: The folder to make.
        overwrite: Replace a folder that exists.
        marker: A file that shows that the folder is one of ours; without it nothing is replaced.

    Raises:
        ConfigError: ``path`` exists, is not empty, and may not be replaced.
    """
    refuse_existing(path, overwrite=overwrite, marker=marker)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    try:
        yield part
        part.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        part.replace(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def refuse_existing(path: Path, *, overwrite: bool, marker: str | None = None) -> None:
    """Raise ``ConfigError`` if ``path`` holds something and may not be overwritten.

    With ``marker``, only a folder that holds this file may be: a mistyped path loses nothing.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if overwrite and marker and not (path / marker).exists():
        raise ConfigError(
            str(path), f"no {marker} in it", "a folder that evenrank wrote", "Use a new name"
        )
    if overwrite:
        return
    raise ConfigError(
        str(path), "something that exists", "a new or empty folder", "Use --overwrite or a new name"
    )


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write ``value`` as indented JSON with sorted keys, whole or not at all."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY
    with whole_file(path) as part:
        part.write_bytes(orjson.dumps(value, option=options) + b"\n")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint_of(*parts: str | bytes) -> str:
    """Return a short SHA-256 (16 hexadecimal digits) over parts whose borders count.

    >>> fingerprint_of("ab", "c") == fingerprint_of("a", "bc")
    False
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:16]
