"""The processes that ``torchrun`` started together: who is who, and what they do as one.

An error in one of them ends all, with one message: the process that fails says so in the store
that all share and leaves the process group, which ends the waiting of the others. Those raise the
same error, marked as told ``elsewhere``. PyTorch is imported only where there are several.
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

_PATIENCE = timedelta(days=7)
"""How long a process waits for the others: one of them may encode or score for hours. A process
that died is noticed at once all the same, since its connections close."""
_STARTED = itertools.count()


@dataclass(frozen=True)
class Team:
    """Processes that work on one thing together; every one of them makes the same calls.

    Attributes:
        index: Number of this process.
        count: How many there are.
        group: Their process group for arrays in memory; ``None`` is the default group.
    """

    index: int = 0
    count: int = 1
    group: ProcessGroup | None = None

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.index == 0

    def share(self, work: Sequence[T]) -> Sequence[T]:
        """Return this process's part of some work: every ``count``-th piece of it.

        >>> Team(1, 3).share("abcdefg")
        'be'
        """
        return work[self.index :: self.count]

    def stretch(self, work: Sequence[T]) -> Sequence[T]:
        """Return this process's part of some work: one stretch of it, to be read in order.

        >>> Team(1, 3).stretch("abcdefg")
        'cd'
        """
        bounds = [len(work) * number // self.count for number in (self.index, self.index + 1)]
        return work[slice(*bounds)]

    def spread(self, values: NDArray[Any], source: int) -> None:
        """Give every process the array of process ``source``, in the place of its own."""
        if self.count > 1:
            import torch
            import torch.distributed as dist

            dist.broadcast(torch.from_numpy(values), source, group=self.group)

    def add_up(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the sums over all processes of an array that each has."""
        if self.count == 1:
            return values
        import torch
        import torch.distributed as dist

        sums = torch.tensor(values)
        dist.all_reduce(sums, group=self.group)
        added: NDArray[Any] = sums.numpy()
        return added

    def gather(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the arrays of all processes, which have the same shape."""
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
        """Return in every process what the first one makes, once it is made."""
        if self.count == 1:
            return make()
        import torch
        import torch.distributed as dist

        made: list[Any] = [make() if self.first else None]
        dist.broadcast_object_list(made, 0, group=self.group, device=torch.device("cpu"))
        value: T = made[0]
        return value

    def first_then_others(self, make: Callable[[], T]) -> T:
        """Return what this process makes, after the first one has: it fills caches for all."""
        if self.first:
            made = make()
            self.wait()
            return made
        self.wait()
        return make()


ALONE = Team()


def processes() -> int:
    """Return how many processes the launcher started; 1 without a launcher."""
    return _numbers()[1]


def is_first_process() -> bool:
    """Tell whether this process is the one that writes and prints."""
    return _numbers()[0] == 0


def neighbours() -> int:
    """Return how many processes share this machine, this one included."""
    return max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def own_device() -> str | None:
    """Return the GPU that the launcher means for this process, ``None`` for the default."""
    import torch

    number = os.environ.get("LOCAL_RANK", "")
    return f"cuda:{number}" if number.isdecimal() and torch.cuda.is_available() else None


@contextmanager
def joined() -> Iterator[Team]:
    """Yield the processes of this run, after starting their process group where there is none.

    A group that was started here is ended here. In a group that is there already, every process
    has to come here; how an error in one of them reaches the others is that group's own affair.

    Raises:
        ConfigError: The launcher's variables make no sense, or do not say where to meet.
        EvenrankError: The block failed in another process; ``elsewhere`` is then true.

    >>> with joined() as team:
    ...     team.from_first(lambda: team.count)
    1
    """
    dist = sys.modules.get("torch.distributed")  # who has a group has imported it
    if dist is not None and dist.is_available() and dist.is_initialized():
        with _group_for_memory() as group:
            yield Team(dist.get_rank(), dist.get_world_size(), group)
    elif processes() == 1:
        yield ALONE
    else:
        with _started() as store, _one_message(store):
            yield Team(*_numbers())


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
    """Yield a group that moves arrays in memory, ``None`` where the default group does."""
    import torch.distributed as dist

    if "cpu:" in dist.get_backend_config():
        yield None
        return
    group = dist.new_group(backend="gloo", timeout=_PATIENCE)
    try:
        yield group
    finally:
        dist.destroy_process_group(group)


@contextmanager
def _started() -> Iterator[Store]:
    """Start the default process group and yield its store; end the group with the block."""
    import torch
    import torch.distributed as dist
    from torch.distributed.distributed_c10d import PrefixStore

    # The store outlives the group: a second group would meet the addresses of the first.
    store = PrefixStore(f"evenrank/{next(_STARTED)}", _meeting_place())
    number, count = _numbers()
    if device := own_device():
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if device else "gloo"
    dist.init_process_group(backend, store=store, rank=number, world_size=count, timeout=_PATIENCE)
    try:
        yield store
    finally:
        dist.destroy_process_group()


@cache
def _meeting_place() -> Store:
    """Return the store in which the processes find each other; it stays for later groups."""
    from torch.distributed.rendezvous import rendezvous

    try:
        store, _, _ = next(rendezvous("env://"))
    except ValueError as cause:
        words = str(cause).partition("rendezvous: ")[2] or str(cause)
        raise ConfigError(
            f"one of {processes()} processes", words, "the place where they meet", "Use torchrun"
        ) from cause
    return cast("Store", store)


@contextmanager
def _one_message(store: Store) -> Iterator[None]:
    """Let the error that comes first be that of all processes, and one process's to print."""
    try:
        yield
    except Exception as error:
        told = _told(store, error)
        if told is None:
            raise
        raise told from error


def _told(store: Store, error: Exception) -> EvenrankError | None:
    """Return the error that this process raises in place of its own; ``None`` for its own."""
    place = "process {} of {}".format(*_numbers())
    ended = ProcessError(
        place, "the end of another", "all to go on", "What it printed or its exit status says why"
    )
    lost = _is_lost_connection(error)
    try:
        if store.add("errors", 1) == 1:
            own = ended if lost else error
            if not isinstance(own, EvenrankError):
                found = f"{type(error).__name__}: {error}"
                own = ProcessError(place, found, "no error", "What it printed says more")
            store.set("error", pickle.dumps(own).hex())
            return ended if lost else None
        store.wait(["error"], timedelta(seconds=10))
        told: EvenrankError = pickle.loads(bytes.fromhex(store.get("error").decode()))
    except RuntimeError:  # the process that kept the store is gone, after its message
        told = ended
    told.elsewhere = True
    return told


def _is_lost_connection(error: Exception) -> bool:
    """Tell whether another process's end is what failed; gloo has no type of its own for it."""
    import torch.distributed as dist

    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and "gloo" in str(error)
    )
