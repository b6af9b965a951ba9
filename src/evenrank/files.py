"""Output is written whole or not at all, and replaces nothing that evenrank did not write."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from evenrank.errors import DISK_FULL, ConfigError, EvenrankError, FileError, errno_in
from evenrank.text import json_bytes

if TYPE_CHECKING:  # a twentieth of a second to import
    from filelock import BaseFileLock

MARKER = ".evenrank"
"""File that marks a folder as written by evenrank: what the folder is, and which files it has."""
_LITTER = (MARKER, ".DS_Store", "Thumbs.db")
_TRIES = 100
"""How often a folder may vanish under the proof that it is writable."""
_PROBE = bytes(4096)


def cache_folder() -> Path:
    """Return the folder for downloads and converted corpora.

    ``EVENRANK_CACHE`` if it is set, else ``evenrank`` in ``XDG_CACHE_HOME`` or ``~/.cache``.
    """
    if given := os.environ.get("EVENRANK_CACHE"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "evenrank"


@contextmanager
def cache_lock(path: Path) -> Iterator[None]:
    """Be the only process that writes a file or folder of the cache; others wait.

    Raises:
        FileError: The cache cannot be written.
    """
    from filelock import FileLock

    lock = FileLock(path.parent / f"{path.name}.lock")
    try:
        require_writable(path.parent, keep=True)
        lock.acquire()
    except (FileError, OSError) as cause:
        error = cause if isinstance(cause, FileError) else FileError.of(cause, path)
        error.remedy = "Free some space there, or set EVENRANK_CACHE to a folder with more of it"
        if "full" not in error.found:
            error.remedy = "Set EVENRANK_CACHE to a folder that can be written"
        raise error from cause
    with _released(lock):
        yield


@contextmanager
def whole_file(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a path to write to. It replaces ``path`` only when the block succeeds.

    Args:
        path: The file to write; missing parent folders are created.
        overwrite: Replace a file that exists.

    Raises:
        ConfigError: ``path`` exists and may not be replaced.
        FileError: The operating system refuses the file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = Path(folder) / "a" / "note.txt"
    ...     with whole_file(target) as part:
    ...         _ = part.write_text("whole")
    ...     target.read_text()
    'whole'
    """
    with _refusals(path):
        refuse_existing_file(path, overwrite=overwrite)
        path = Path(path).resolve()  # a link stays a link
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _temporary(path, path.parent)
        part.touch(exist_ok=False)  # unlike those of tempfile, with the mode of the umask
    try:
        with _filling(part, path):
            yield part
        with _refusals(path):
            with part.open("rb") as written:
                os.fsync(written.fileno())
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | Path, *, marker: str, overwrite: bool = False) -> Iterator[Path]:
    """Yield a folder to fill. It replaces ``path`` only when the block succeeds.

    A folder that is replaced stays until the new one is in its place.

    Args:
        path: The folder to create; missing parent folders are created.
        marker: What the folder is, such as ``"result"``. Only a folder with the same marker, and
            without any file that evenrank did not write, is replaced.
        overwrite: Replace a folder that exists.

    Raises:
        ConfigError: ``path`` exists, is not empty, and may not be replaced.
        FileError: The operating system refuses the folder.
    """
    with _refusals(path):
        refuse_existing(path, overwrite=overwrite, marker=marker)
        path = Path(path).resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _temporary(path, _workplace(path))
        part.mkdir()
    try:
        with _filling(part, path):
            yield part
        with _refusals(path):
            mark_folder(part, marker, _files_in(part))
            _move_into_place(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def mark_folder(folder: Path, marker: str, files: Iterable[str] | None = None) -> None:
    """Mark a folder as one that evenrank wrote and may replace.

    Args:
        folder: A folder that exists.
        marker: What the folder is, such as ``"result"``.
        files: Names of all its files, relative to it: with any other file in it, the folder is not
            replaced. ``None`` for a folder whose files change, such as that of a training run.
    """
    names = None if files is None else sorted(files)
    write_json(folder / MARKER, {"marker": marker, "files": names})


def refuse_existing(path: str | Path, *, overwrite: bool, marker: str) -> None:
    """Refuse an output folder that exists and may not be replaced; see :func:`whole_folder`.

    Raises:
        ConfigError: ``path`` is a file, is not empty, or may not be overwritten.
        FileError: The operating system refuses to show it.
    """
    path = Path(path)
    with _refusals(path):
        if not path.exists():
            return
        if not path.is_dir():
            raise ConfigError(str(path), "a file", "a folder", "Use another name")
        if all(entry.name.startswith(_LITTER) for entry in path.iterdir()):
            return
    ours = "a folder that evenrank wrote"
    written, files = _read_marker(path)
    if written is None:
        raise ConfigError(str(path), "a folder of something else", ours, "Use another name")
    if written != marker:
        raise ConfigError(str(path), f"a folder for a {written}", f"a {marker}", "Use another name")
    if foreign := sorted(set(_files_in(path)) - files) if files is not None else ():
        place, remedy = str(path / foreign[0]), "Move the file, or use another name"
        raise ConfigError(place, "a file of something else", f"only files of the {marker}", remedy)
    if not overwrite:
        remedy = "Use --overwrite or another name"
        raise ConfigError(str(path), f"an earlier {marker}", "a new or empty folder", remedy)


def refuse_existing_file(path: str | Path, *, overwrite: bool) -> None:
    """Refuse an output file that exists and may not be replaced.

    Raises:
        ConfigError: ``path`` is not a regular file, or may not be overwritten.
    """
    path = Path(path)
    with _refusals(path):
        if not path.exists():
            return
        if not path.is_file():
            what = "a folder" if path.is_dir() else "a device"
            raise ConfigError(str(path), what, "a file to write", "Use another name")
    if not overwrite:
        remedy = "Use --overwrite or another name"
        raise ConfigError(str(path), "a file that exists", "a new file", remedy)


def refuse_overlap(output: str | Path, *inputs: str | Path) -> None:
    """Refuse an output that is an input, is inside of one, or contains one.

    Links, ``..``, and file systems that ignore case are seen through. Inputs that do not exist,
    such as the names of models on the Hugging Face Hub, are ignored.

    Raises:
        ConfigError: Writing ``output`` would change an input.
    """
    for given in inputs:
        with _refusals(given):
            if not given or not os.path.exists(given):  # noqa: PTH110 - "" is not "."
                continue
            target, source = Path(output).resolve(), Path(given).resolve()
            if _is_one_of(source, [target, *target.parents]):
                how = "the input itself" if _is_one_of(source, [target]) else "inside of an input"
            elif target.exists() and _is_one_of(target, source.parents):
                how = "a folder that contains an input"
            else:
                continue
        expected = f"a place that does not overlap {given}"
        raise ConfigError(f"output {output}", how, expected, "Write to another folder")


def require_writable(folder: str | Path, *, keep: bool = False) -> None:
    """Prove that files can be written to a folder, or that it can be created.

    Some bytes are really written, and removed with all folders that had to be created for them.

    Args:
        folder: The folder.
        keep: Leave it there: for a folder that several processes are about to fill.

    Raises:
        FileError: The operating system refuses; the error says why and what to do.
    """
    folder = Path(folder).absolute()
    with _refusals(folder):
        for _ in range(_TRIES):
            with suppress(FileNotFoundError, FileExistsError):  # another process removed it again
                return _write_and_remove(folder, keep)
        _write_and_remove(folder, keep)


def _write_and_remove(folder: Path, keep: bool) -> None:
    with ExitStack() as created:
        _create(folder, created, keep=keep)
        created.callback(_remove, probe := _temporary(folder, folder))
        try:
            with probe.open("xb") as file:
                file.write(_PROBE)
                os.fsync(file.fileno())
        except OSError as error:
            error.filename = str(folder)  # not the probe, whose name says nothing to users
            raise


def _create(folder: Path, created: ExitStack, *, keep: bool = False) -> None:
    """Create a folder with its parents; those that stay empty are removed after the block."""
    for path in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        path.mkdir(parents=True, exist_ok=True)
        if not keep:
            created.callback(_remove, path)


def _remove(path: Path) -> None:
    with suppress(OSError):  # another process has written to the folder by now
        path.rmdir() if path.is_dir() else path.unlink()


@contextmanager
def lock_folder(path: str | Path, timeout: float = 0.2) -> Iterator[None]:
    """Be the only run that writes to an output folder; the lock ends with the process.

    Raises:
        ConfigError: Another run writes to it, still after ``timeout`` seconds (-1: wait).
        FileError: The operating system refuses the lock.
    """
    from filelock import FileLock, Timeout

    path = Path(path).resolve()
    with ExitStack() as created:
        with _refusals(path):
            _create(path.parent, created)
            lock = FileLock(_workplace(path) / f"{MARKER}-{fingerprint_of(path.name)}.lock")
            try:
                lock.acquire(timeout=timeout)
            except Timeout:
                remedy = "Wait for its end, or use another name"
                found, expected = "another run that writes to it", "one run at a time"
                raise ConfigError(str(path), found, expected, remedy) from None
        with _released(lock):
            yield


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write ``value`` as indented JSON with sorted keys, whole or not at all."""
    with whole_file(path, overwrite=True) as part:
        part.write_bytes(json_bytes(value, sort=True))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint_of(*parts: str | bytes) -> str:
    """Return a short SHA-256 (16 hexadecimal digits) of some parts and of where each ends.

    >>> fingerprint_of("ab", "c") == fingerprint_of("a", "bc")
    False
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:16]


@contextmanager
def _refusals(path: str | Path) -> Iterator[None]:
    """Raise what the operating system refuses as ``FileError``."""
    try:
        yield
    except (OSError, ValueError) as cause:  # a name with a zero byte is a ValueError
        raise FileError.of(cause, path) from cause


@contextmanager
def _filling(part: Path, path: Path) -> Iterator[None]:
    """Raise a full disk as an error of ``path``, also if another library wrote to ``part``."""
    try:
        yield
    except EvenrankError as error:
        error.place = error.place.replace(str(part), str(path))
        raise
    except Exception as error:
        if (number := errno_in(error)) in DISK_FULL:
            raise FileError.of(OSError(number, ""), path) from error
        raise


@contextmanager
def _released(lock: BaseFileLock) -> Iterator[None]:
    """Release a lock after the block, and leave no file."""
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)  # first, so that no process locks it again
        lock.release()


def _temporary(path: Path, folder: Path) -> Path:
    """Return a new hidden name in ``folder`` that begins with the name of ``path``."""
    name = os.fsdecode(os.fsencode(path.name)[:100])  # a name of maximum length could not be longer
    return folder / f".{name}.{secrets.token_hex(4)}.part"


def _workplace(path: Path) -> Path:
    """Return where a folder is prepared: next to it, or in it if its parent cannot be changed."""
    inside = path.is_dir() and (path.is_mount() or not os.access(path.parent, os.W_OK))
    return path if inside else path.parent


def _move_into_place(part: Path, path: Path) -> None:
    """Move a finished folder to its place, and remove what was there only after that."""
    old = _temporary(path, part.parent)
    old.mkdir()
    inside = part.parent == path
    before = [entry for entry in path.iterdir() if entry not in (part, old)] if inside else []
    moves = [(entry, path / entry.name) for entry in part.iterdir()] if inside else [(part, path)]
    if not inside and path.exists():
        before = [path]
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in [*((entry, old / entry.name) for entry in before), *moves]:
            source.rename(target)
            done.append((source, target))
    except BaseException:
        for source, target in reversed(done):
            target.rename(source)
        old.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)


def _files_in(folder: Path) -> list[str]:
    """Return the names of all files in a folder, relative to it."""
    return [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if not path.name.startswith(_LITTER) and (path.is_symlink() or not path.is_dir())
    ]


def _read_marker(folder: Path) -> tuple[str | None, set[str] | None]:
    """Return what evenrank wrote into a folder, and its files; ``None`` for an unmarked folder."""
    try:
        marker = orjson.loads((folder / MARKER).read_bytes())
        return str(marker["marker"]), None if marker["files"] is None else set(marker["files"])
    except (OSError, ValueError, TypeError, KeyError):
        return None, None


def _is_one_of(path: Path, others: Iterable[Path]) -> bool:
    return any(other.exists() and path.samefile(other) for other in others)
