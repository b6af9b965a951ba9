"""Every error a user can meet.

    EvenrankError
    ├── ConfigError         a setting, flag or configuration file
    │   └── UnknownNameError    a name that no registry or schema knows
    ├── DataError           a corpus, a benchmark's files, embeddings, a result folder
    │   └── ChecksumError       a file that is not the one its publisher named
    ├── EndpointError       a server of embeddings that refuses, fails or answers otherwise
    ├── EngineError         a search server that cannot be reached, refuses or fails
    ├── FileError           a file or folder that the operating system refuses
    ├── MissingExtraError   an optional package that is not installed
    └── ProcessError        another process of the same run that failed or ended

The command line shows one of these as a single line and exits with 2. Anything else is a bug.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
from collections.abc import Iterable

from evenrank.text import printable


class EvenrankError(Exception):
    """An error that says where, what was found, what was expected, and what to do.

    Args:
        place: File and line, setting, or object that is at fault.
        found: What was found there.
        expected: What should have been there; empty where ``found`` says it all.
        remedy: What the user can do, as a sentence without its full stop.

    Attributes:
        elsewhere: Another process of the same run has this error too, and shows it.

    >>> print(DataError("de.jsonl:7", "no field 'query'", "a string", "Add it or use --skip-bad"))
    de.jsonl:7: found no field 'query', expected a string. Add it or use --skip-bad.
    """

    elsewhere: bool = False

    def __init__(self, place: str, found: str, expected: str, remedy: str) -> None:
        super().__init__(place, found, expected, remedy)
        self.place = place
        self.found = found
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        expected = f", expected {self.expected}" if self.expected else ""
        found = f"found {self.found}" if self.expected else self.found
        return printable(" ".join(f"{self.place}: {found}{expected}. {self.remedy}.".split()))


class ConfigError(EvenrankError):
    """A setting is wrong, alone or together with another."""


class UnknownNameError(ConfigError):
    """A name is not one of those that exist; the nearest one is offered.

    Args:
        kind: What the name names, for example ``"benchmark"``.
        name: The name given.
        known: All names that exist.
        place: Where the name was given; the kind where that says enough.
    """

    def __init__(
        self, kind: str, name: str, known: Iterable[str], place: str | None = None
    ) -> None:
        names = sorted(known)
        by_lower = {known_name.lower(): known_name for known_name in names}
        near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
        remedy = f"The nearest is {by_lower[near[0]]!r}" if near else "'evenrank list' shows them"
        super().__init__(
            place or kind,
            f"unknown {kind} {name!r}",
            f"one of {', '.join(names) or 'none: nothing is registered'}",
            remedy,
        )
        self.args = (kind, name, tuple(names), place)  # what pickling calls the class with


class DataError(EvenrankError):
    """Input data breaks its contract."""


class ChecksumError(DataError):
    """A file's bytes are not those its publisher's checksum names."""


class EndpointError(EvenrankError):
    """A server of embeddings refuses, fails, or answers with something else."""


class EngineError(EvenrankError):
    """A search server cannot be reached, refuses a request, or fails."""


class FileError(EvenrankError):
    """The operating system refuses a file, a folder or memory."""

    @classmethod
    def of(cls, error: BaseException, place: str | os.PathLike[str]) -> FileError:
        """Return the error for what the operating system said.

        Args:
            error: The exception of Python or of a library.
            place: The file or folder, used where the exception does not name one.

        >>> print(FileError.of(OSError(errno.ENOSPC, "No space left on device"), "run/model"))
        run/model: disk full. Free some space and run the same command again.
        """
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        found, remedy = _REFUSALS.get(errno_in(error) or 0, (said, _AGAIN))
        return cls(os.fsdecode(getattr(error, "filename", None) or place), found, "", remedy)


def errno_in(error: BaseException | None) -> int | None:
    """Return the number of the operating system's error that an exception comes from.

    Libraries in other languages put it into their texts. ``None`` where there is no such number.

    >>> errno_in(RuntimeError("I/O error: No space left on device (os error 28)"))
    28
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        if found := re.search(r"(?:os error |\[Errno )(\d+)", str(error)):
            return int(found[1])
        if re.search(r"PytorchStreamWriter|inline_container|requested and \d+ written", str(error)):
            return errno.ENOSPC  # PyTorch and NumPy do not say why a file takes no more
        error = error.__cause__
    return None


DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of the errors that say that a disk, a quota or a limit takes no more."""
_AGAIN = "Correct this and run the same command again"
_ELSEWHERE = "Use another place"
_FULL = ("disk full", "Free some space and run the same command again")
_REFUSALS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: ("disk quota used up", _FULL[1]),
    errno.EFBIG: ("file too large for this disk or user", _FULL[1]),
    errno.EROFS: ("read-only file system", _ELSEWHERE),
    errno.EACCES: ("permission denied", "Change its permissions, or use another place"),
    errno.EPERM: ("operation not permitted", "Change its permissions, or use another place"),
    errno.ENOENT: ("no such file or folder", "Check the name"),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "Check the name"),
    errno.EEXIST: ("a file is in the way", "Remove it, or use another name"),
    errno.EISDIR: ("a folder where a file is needed", "Check the name"),
    errno.ENAMETOOLONG: ("name too long", "Use a shorter name"),
    errno.EMFILE: ("too many open files", "Raise the limit, such as with ulimit -n 4096"),
    errno.EIO: ("the disk cannot be read or written", "Check the disk, or use another place"),
    errno.ENOMEM: ("out of memory", "Free some memory and run the same command again"),
}
"""What the operating system said, and what to do, by its number."""


class MissingExtraError(EvenrankError):
    """An optional package is needed and not installed."""


class ProcessError(EvenrankError):
    """Another process of the same run failed with an error of its own, or just ended."""
