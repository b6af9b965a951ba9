"""Progress of long work, on the standard error stream.

A terminal shows a bar with the time that is left. Anything else, such as a log file, gets one line
when the work starts and one when it ends. Nothing at all is written where the environment variable
``EVENRANK_QUIET`` is set, or inside of :func:`quiet`, which commands use for ``--json``.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:  # rich takes a tenth of a second to import
    from rich.progress import Progress

T = TypeVar("T")

_quiet: ContextVar[bool] = ContextVar("quiet", default=False)
_shown: ContextVar[Progress | None] = ContextVar("shown", default=None)


@contextmanager
def quiet(on: bool = True) -> Iterator[None]:
    """Write no progress inside of the block, if ``on``.

    >>> with quiet():
    ...     total = sum(track([1, 2, 3], "Adding"))
    >>> total
    6
    """
    token = _quiet.set(on or _quiet.get())
    try:
        yield
    finally:
        _quiet.reset(token)


class Bar:
    """The work in hand: tells how much is done.

    Attributes:
        done: How much is done so far, in the unit of the bar.
    """

    def __init__(self, show: Callable[[float, str], None]) -> None:
        self.done = 0.0
        self._note = ""
        self._show = show

    def advance(self, amount: float = 1) -> None:
        """Count some more work as done."""
        self.done += amount
        self._show(self.done, self._note)

    def note(self, text: str) -> None:
        """Show a short text beside the bar, such as the latest loss."""
        self._note = text
        self._show(self.done, self._note)


@contextmanager
def bar(description: str, total: float | None = None, unit: str = "") -> Iterator[Bar]:
    """Show progress while the block runs. A bar inside of another appears below it until done.

    Args:
        description: What is being done: ``"Encoding passages"``.
        total: How much there is to do; ``None`` if nobody knows.
        unit: What is counted: ``"rows"``; ``"bytes"`` are shown as kB, MB, ...

    Yields:
        The bar, whose ``advance`` counts work as done.

    >>> with quiet(), bar("Reading", total=3, unit="rows") as progress:
    ...     progress.advance(2)
    ...     progress.note("loss 0.5")
    >>> progress.done
    2.0
    """
    if _quiet.get() or os.environ.get("EVENRANK_QUIET"):
        yield Bar(lambda done, note: None)
    elif sys.stderr.isatty():
        inner = _shown.get() is not None
        with _live() as progress:
            task = progress.add_task(description, total=total, unit=unit, note="")
            live = Bar(lambda done, note: progress.update(task, completed=done, note=note))
            yield live
            if inner:
                progress.remove_task(task)
            elif total is None:
                progress.update(task, total=live.done)
    else:
        sys.stderr.write(f"{description} ...\n")
        start = time.monotonic()
        plain = Bar(lambda done, note: None)
        yield plain
        amount = f"{_amount(plain.done, unit)} in " if plain.done else ""
        sys.stderr.write(f"{description}: {amount}{time.monotonic() - start:.1f} s\n")


def track(
    iterable: Iterable[T], description: str, total: float | None = None, unit: str = ""
) -> Iterator[T]:
    """Iterate with a progress bar; the total is the length where the iterable has one."""
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    with bar(description, total, unit) as progress:
        for value in iterable:
            yield value
            progress.advance()


@contextmanager
def _live() -> Iterator[Progress]:
    """Yield the display of this process: the outermost bar starts it, inner bars share it."""
    if (outer := _shown.get()) is not None:
        yield outer
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
    from rich.text import Text

    class Amount(ProgressColumn):
        def render(self, task: Task) -> Text:
            unit, of = task.fields["unit"], ""
            if task.total is not None and task.total != task.completed:
                of = f" of {_amount(task.total, unit)}"
            return Text(f"{_amount(task.completed, unit)}{of}  {task.fields['note']}".rstrip())

    with Progress(
        "{task.description}",
        BarColumn(),
        Amount(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(stderr=True),
    ) as progress:
        token = _shown.set(progress)
        try:
            yield progress
        finally:
            _shown.reset(token)


def _amount(value: float, unit: str) -> str:
    """Print an amount of work: ``1,200 rows``, ``3.4 MB``."""
    if unit == "bytes":
        from rich.filesize import decimal

        return decimal(int(value))
    return f"{value:,.0f} {unit}".rstrip()
