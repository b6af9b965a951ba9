"""Progress of long work, on the standard error stream.

A terminal shows a bar with the time that is left. Anything else, such as a log file, gets a line
at the start, a line a minute, and a line at the end. ``EVENRANK_LOG_SECONDS`` sets another time
between two lines. Nothing is written where ``EVENRANK_QUIET`` is set, or inside of :func:`quiet`,
which commands use for ``--json``.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from evenrank.text import printable

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
    """The running work: counts what is done.

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
        """Show a short text next to the bar, such as the latest loss."""
        self._note = printable(text)
        self._show(self.done, self._note)


@contextmanager
def bar(description: str, total: float | None = None, unit: str = "") -> Iterator[Bar]:
    """Show progress while the block runs. A bar inside of another is below it until it is done.

    Args:
        description: What the work is: ``"Encoding passages"``.
        total: How much there is to do; ``None`` if that is not known.
        unit: What is counted: ``"rows"``; ``"bytes"`` are shown as kB, MB, ...

    Yields:
        The bar, whose ``advance`` counts work as done.

    >>> with quiet(), bar("Reading", total=3, unit="rows") as progress:
    ...     progress.advance(2)
    ...     progress.note("loss 0.5")
    >>> progress.done
    2.0
    """
    description = printable(description)
    if _quiet.get() or os.environ.get("EVENRANK_QUIET") or sys.stderr is None:
        yield Bar(lambda done, note: None)
    elif not sys.stderr.isatty():
        lines = _Lines(description, total, unit)
        yield Bar(lines.show)
        lines.end()
    else:
        inner = _shown.get() is not None
        with _live() as progress:
            task = progress.add_task(description, total=total, unit=unit, note="")
            live = Bar(lambda done, note: progress.update(task, completed=done, note=note))
            yield live
            if inner:
                progress.remove_task(task)
            elif total is None:
                progress.update(task, total=live.done)


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


class _Lines:
    """Progress as lines of a log."""

    def __init__(self, description: str, total: float | None, unit: str) -> None:
        self._description, self._total, self._unit = description, total, unit
        self._pause = float(os.environ.get("EVENRANK_LOG_SECONDS") or 60)
        self._start = self._latest = time.monotonic()
        self._done, self._note = 0.0, ""
        sys.stderr.write(f"{description} ...\n")

    def show(self, done: float, note: str) -> None:
        """Write a line if the latest one is a minute old."""
        self._done, self._note = done, note
        now = time.monotonic()
        if now - self._latest < self._pause:
            return
        self._latest = now
        unit, total = self._unit, self._total
        rate = done / (now - self._start)
        facts = [_amount(done, unit)]
        if total:
            facts = [f"{_amount(done, unit if unit == 'bytes' else '')} of {_amount(total, unit)}"]
        if done:
            facts.append(f"{_amount(rate, unit, digits=0 if rate >= 10 else 2)}/s")
        if done and total and total > done:
            facts.append(f"{_duration((total - done) / rate)} left")
        sys.stderr.write(f"{self._description}: {', '.join(filter(None, [*facts, note]))}\n")
        sys.stderr.flush()

    def end(self) -> None:
        """Write how much was done in which time, and the last note."""
        amount = f"{_amount(self._done, self._unit)} in " if self._done else ""
        note = f", {self._note}" if self._note else ""
        seconds = _duration(time.monotonic() - self._start)
        sys.stderr.write(f"{self._description}: {amount}{seconds}{note}\n")


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

    class Description(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(task.description)  # not as markup

    with Progress(
        Description(),
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


def _amount(value: float, unit: str, digits: int = 0) -> str:
    """Return an amount of work as text: ``1,200 rows``, ``3.4 MB``."""
    if unit == "bytes":
        from rich.filesize import decimal

        return decimal(int(value))
    return f"{value:,.{digits}f} {unit}".rstrip()


def _duration(seconds: float) -> str:
    """Return a time as text: ``4.2 s``, ``12 min``, ``3 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
