"""The processes that ``torchrun`` started together, and the work that they share.

An error in one process ends all of them, with one message. The process that fails first writes its
error into the store that all share, and leaves the process group, which ends the waiting of the
others. They raise the same error, marked as told ``elsewhere``. PyTorch is imported only if there
are several processes.
"""

from __future__ import annotations

import itertools
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from evenrank.errors import ConfigError, EvenrankError, ProcessError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch.distributed import ProcessGroup
    from torch.distributed.distributed_c10d import Store

T = TypeVar("T")

_MEETING = timedelta(minutes=30)
"""How long a process waits until all have started: imports from a shared disk take their time."""
_CONNECTING = timedelta(minutes=2)
"""How long processes that have all started take at most to connect to each other."""
_PATIENCE = timedelta(days=7)
"""How long a connected process waits for the others: one of them may encode or score for hours. It
notices at once when another one dies, since that closes its connections."""
_LOOK = "What it printed, or its exit status, says why"
_STARTED = itertools.count()


@dataclass(frozen=True)
class Team:
    """Processes that share some work. Each of them makes the same calls.

    Attributes:
        index: Number of this process.
        count: How many there are.
        group: Their process group for arrays in memory. ``None`` is the default group.
    """

    index: int = 0
    count: int = 1
    group: ProcessGroup | None = None

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.index == 0

    def share(self, work: Sequence[T]) -> Sequence[T]:
        """Return this process's part of some work: every ``count``-th piece.

        >>> Team(1, 3).share("abcdefg")
        'be'
        """
        return work[self.index :: self.count]

    def stretch(self, work: Sequence[T]) -> Sequence[T]:
        """Return this process's part of some work: pieces that follow each other.

        >>> Team(1, 3).stretch("abcdefg")
        'cd'
        """
        bounds = [len(work) * number // self.count for number in (self.index, self.index + 1)]
        return work[slice(*bounds)]

    def spread(self, values: NDArray[Any], source: int) -> None:
        """Overwrite the array of every process with that of process ``source``."""
        if self.count > 1:
            import torch
            import torch.distributed as dist

            dist.broadcast(torch.from_numpy(values), source, group=self.group)

    def add_up(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the sum of the arrays of all processes."""
        if self.count == 1:
            return values
        import torch
        import torch.distributed as dist

        sums = torch.tensor(values)
        dist.all_reduce(sums, group=self.group)
        added: NDArray[Any] = sums.numpy()
        return added

    def gather(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the arrays of all processes, which must have the same shape."""
        if self.count == 1:
            return [values]
        import torch
        import torch.distributed as dist

        own = torch.from_numpy(values)
        parts = [torch.empty_like(own) for _ in range(self.count)]
        dist.all_gather(parts, own, group=self.group)
        return [part.numpy() for part in parts]

    def wait(self) -> None:
        """Wait until every process is here."""
        self.from_first(bool)

    def from_first(self, make: Callable[[], T]) -> T:
        """Return the result of the first process in all processes."""
        if self.count == 1:
            return make()
        import torch
        import torch.distributed as dist

        made: list[Any] = [make() if self.first else None]
        dist.broadcast_object_list(made, 0, group=self.group, device=torch.device("cpu"))
        value: T = made[0]
        return value

    def first_then_others(self, make: Callable[[], T]) -> T:
        """Return this process's own result, after the first process has filled the caches."""
        if self.first:
            made = make()
            self.wait()
            return made
        self.wait()
        return make()


ALONE = Team()


def processes() -> int:
    """Return the number of processes that the launcher started; 1 without a launcher."""
    return _numbers()[1]


def is_first_process() -> bool:
    """Return whether this process is the one that writes and prints."""
    return _numbers()[0] == 0


def neighbours() -> int:
    """Return the number of processes on this machine, with this one."""
    return max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def own_device() -> str | None:
    """Return this process's GPU, such as ``"cuda:1"``; ``None`` for the default device."""
    import torch

    number = os.environ.get("LOCAL_RANK", "")
    return f"cuda:{number}" if number.isdecimal() and torch.cuda.is_available() else None


@contextmanager
def joined() -> Iterator[Team]:
    """Yield the processes of this run. Starts their process group if there is none, and ends it.

    If a group exists, every process of it has to call this function. How an error in one of them
    reaches the others is then the responsibility of the code that started the group.

    Raises:
        ConfigError: The launcher's variables are wrong.
        ProcessError: Another process did not start, or died.
        EvenrankError: The block failed in another process; ``elsewhere`` is then true.

    >>> with joined() as team:
    ...     team.from_first(lambda: team.count)
    1
    """
    dist = sys.modules.get("torch.distributed")  # imported by the code that started a group
    if dist is not None and dist.is_available() and dist.is_initialized():
        with _group_for_memory() as group:
            yield Team(dist.get_rank(), dist.get_world_size(), group)
    elif processes() == 1:
        yield ALONE
    else:
        from torch.distributed.distributed_c10d import PrefixStore, destroy_process_group

        # The store outlives the group: a second group must not find the addresses of the first.
        store = PrefixStore(f"evenrank/{next(_STARTED)}", _meeting_place())
        with _one_message(store):
            _connect(store)
        try:
            with _one_message(store):
                yield Team(*_numbers())
        finally:
            destroy_process_group()


def _numbers() -> tuple[int, int]:
    """Return the number of this process and how many there are."""
    given = [os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")]
    if not all(text.isdecimal() for text in given) or int(given[0]) >= int(given[1]):
        raise ConfigError(
            "RANK and WORLD_SIZE",
            " of ".join(given),
            "the number of this process and how many there are",
            "Start the processes with torchrun, or unset both variables",
        )
    return int(given[0]), int(given[1])


@contextmanager
def _group_for_memory() -> Iterator[ProcessGroup | None]:
    """Yield a group that moves arrays in memory; ``None`` if the default group does."""
    import torch.distributed as dist

    if "cpu:" in dist.get_backend_config():
        yield None
        return
    group = dist.new_group(backend="gloo", timeout=_PATIENCE)
    try:
        yield group
    finally:
        dist.destroy_process_group(group)


def _connect(store: Store) -> None:
    """Start the default process group, once all processes have started."""
    import torch
    import torch.distributed as dist

    number, count = _numbers()
    store.set(f"started/{number}", "")
    try:
        store.wait([f"started/{other}" for other in range(count)], _MEETING)
    except dist.DistStoreError as cause:
        found = f"a process that did not start within {_MEETING.seconds // 60} minutes"
        remedy = "What it printed says why"
        raise ProcessError(f"process {number} of {count}", found, "", remedy) from cause
    if device := own_device():
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if device else "gloo"
    dist.init_process_group(
        backend, store=store, rank=number, world_size=count, timeout=_CONNECTING
    )
    cast("ProcessGroup", dist.group.WORLD).set_timeout(_PATIENCE)


@cache
def _meeting_place() -> Store:
    """Return the store in which the processes find each other. It stays for later groups."""
    from torch.distributed.rendezvous import rendezvous

    try:
        store, _, _ = next(rendezvous("env://"))
    except ValueError as cause:
        words = str(cause).partition("rendezvous: ")[2] or str(cause)
        raise ConfigError(
            f"one of {processes()} processes", words, "the place where they meet", "Use torchrun"
        ) from cause
    except RuntimeError as cause:
        place = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        raise ProcessError(place, "the first process cannot be reached", "", _LOOK) from cause
    return cast("Store", store)


@contextmanager
def _one_message(store: Store) -> Iterator[None]:
    """Raise the first error of any process in all of them."""
    try:
        yield
    except Exception as error:
        told = _told(store, error)
        if told is None:
            raise
        raise told from error


def _told(store: Store, error: Exception) -> EvenrankError | None:
    """Return the error that this process raises instead of its own; ``None`` to keep its own."""
    place = "process {} of {}".format(*_numbers())
    ended = ProcessError(place, "another process has ended", "", _LOOK)
    lost = _is_lost_connection(error)
    try:
        if store.add("errors", 1) == 1:
            own = ended if lost else error
            if not isinstance(own, EvenrankError):
                found = f"{type(error).__name__}: {error}"
                own = ProcessError(place, found, "", "What it printed says more")
            store.set("error", pickle.dumps(own).hex())
            return ended if lost else None
        store.wait(["error"], timedelta(seconds=10))
        told: EvenrankError = pickle.loads(bytes.fromhex(store.get("error").decode()))
    except RuntimeError:  # the process with the store has ended, after its message
        told = ended
    told.elsewhere = True
    return told


def _is_lost_connection(error: Exception) -> bool:
    """Return whether the end of another process is the cause. gloo has no exception of its own."""
    import torch.distributed as dist

    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and "gloo" in str(error).lower()
    )
