"""What surrounds every command: its output streams, its errors, its exit code."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from evenrank.errors import EvenrankError, FileError, errno_in
from evenrank.files import cache_folder
from evenrank.text import printable

_MOMENT = 5.0
"""Seconds for another process to print the message; torchrun ends all once one of them ends."""


def run(command: Callable[[], object]) -> int:
    """Run a command and return its exit code.

    - What a person or a machine can cause (``EvenrankError``, a full disk, too little memory) is
      one line on the standard error stream, and 2.
    - Anything else is a bug: one line that says where its traceback was saved, and 1.
    - Ctrl-C is 130.

    If the reader of the output has ended (``| head``), the rest is dropped and the command goes on,
    with the same results and exit code. With the environment variable
    ``EVENRANK_DEBUG`` the traceback of any error is printed.
    """
    _use_utf8()
    output = _open_streams()
    code = 0
    try:
        command()
    except SystemExit as stop:  # typer ends like this, with or without an error
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:
        code = 130
    except Exception as error:
        code = _explain(error)
    if sys.stdout is not None:
        sys.stdout.flush()
    if output is not None and output.failure is not None:
        code = _explain(FileError.of(output.failure, "standard output"))
    return code


def _use_utf8() -> None:
    """Start again in Python's UTF-8 mode if the locale can only decode ASCII.

    File names with other letters would otherwise fail in most libraries. Python itself does so in
    the C locale, unless an option forbids it.
    """
    if sys.getfilesystemencoding().lower() in ("ascii", "us-ascii") and len(sys.orig_argv) > 1:
        arguments = [sys.executable, "-X", "utf8", *sys.orig_argv[1:]]
        os.execv(sys.executable, arguments)


class _Output(io.FileIO):
    """The standard output stream, which fails at the end of the work and not in its middle.

    Attributes:
        failure: Why something could not be written; a reader that has gone is not a failure.
    """

    failure: OSError | None = None

    def write(self, data: object) -> int:
        """Write some bytes, or drop them."""
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            if not isinstance(error, BrokenPipeError) and self.failure is None:
                self.failure = error
            return memoryview(data).nbytes  # type: ignore[arg-type]


def _open_streams() -> _Output | None:
    """Open output streams that do not fail if a character, a reader or a file is missing.

    Returns:
        The file behind the standard output stream; ``None`` if a caller has replaced it.
    """
    opened = None
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:  # closed by our parent process; the next file must not get its number
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
        elif stream is not getattr(sys, f"__{name}__"):
            continue
        else:
            stream.flush()
        encoding = getattr(stream, "encoding", None) or "utf-8"
        file = _Output(number, "w", closefd=False)
        text = io.TextIOWrapper(
            io.BufferedWriter(file),
            encoding,
            "backslashreplace",
            line_buffering=number == 2 or file.isatty(),
        )
        setattr(sys, name, text)
        opened = file if number == 1 else opened
    return opened


def _explain(error: Exception) -> int:
    """Print an error in one line and return the exit code."""
    if os.environ.get("EVENRANK_DEBUG"):
        traceback.print_exception(error)
    known = _known(error)
    if known is None:
        _complain(_reported(error))
        return 1
    if known.elsewhere:
        time.sleep(_MOMENT)
    else:
        _complain(str(known))
    return 2


def _known(error: Exception) -> EvenrankError | None:
    """Return an error that a person or a machine can cause; ``None`` for a bug."""
    if isinstance(error, EvenrankError):
        return error
    command = " ".join(["evenrank", *sys.argv[1:2]])
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        remedy = "Free some memory, or use smaller settings, such as --batch-size"
        return FileError(
            command, f"out of memory ({error})" if str(error) else "out of memory", "", remedy
        )
    if isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:
        name = printable(error.object[:200])
        return FileError(command, f"a name that is not UTF-8: {name}", "", "Rename it")
    if isinstance(error, OSError) or errno_in(error) is not None:
        return FileError.of(error, command)
    return None


def _reported(error: Exception) -> str:
    """Save the traceback of a bug and return the line that says where."""
    what = "".join(traceback.format_exception_only(error)).strip()
    details = "".join(traceback.format_exception(error))
    name = f"error-{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    for folder in (cache_folder() / "errors", Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(details, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        where = f"The traceback is in {folder / name}"
        break
    else:
        where = f"The traceback could not be saved: {details}"
    return (
        f"this is a bug in evenrank: {what}. {where}. Please report it, with the output of "
        "'evenrank doctor'."
    )


def _complain(message: str) -> None:
    """Print an error in one line, without control characters or markup."""
    from rich.console import Console
    from rich.text import Text

    line = Text.assemble(("error:", "red"), f" {printable(message)}")
    Console(stderr=True, highlight=False).print(line, soft_wrap=True)
