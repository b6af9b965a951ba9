"""Several processes that rank one collection together, each its share of the passages.

Counts of passages above are sums over passages, so shares add up; the kept passages of all shares
are merged. Every process ends with the whole ranking, bit for bit that of one process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray


@dataclass(frozen=True)
class Shards:
    """Which of how many processes this is.

    Attributes:
        index: Number of this process.
        count: Number of processes.
    """

    index: int = 0
    count: int = 1

    def share(self, work: Sequence[int]) -> Sequence[int]:
        """Return this process's part of some work: one run of it, so that it is read in order."""
        bounds = [len(work) * number // self.count for number in (self.index, self.index + 1)]
        return work[slice(*bounds)]

    def add_up(self, values: NDArray[Any]) -> None:
        """Add the arrays of all processes into each of them."""
        if self.count > 1:
            dist.all_reduce(torch.from_numpy(values))

    def merge_top(self, keys_QK: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the best of the kept passages of all processes, as keys (``counting``).

        Keys are sorted, best first, as those given are.
        """
        if self.count == 1:
            return keys_QK
        every = np.concatenate(self._gather(keys_QK), axis=1)
        return np.sort(every, axis=1)[:, ::-1][:, : keys_QK.shape[1]]

    def _gather(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        parts = [torch.empty_like(torch.from_numpy(values)) for _ in range(self.count)]
        dist.all_gather(parts, torch.from_numpy(values))
        return [part.numpy() for part in parts]


ALONE = Shards()


def joined_shards() -> Shards:
    """Return the shards of ``torch.distributed`` where it is initialised, else one process.

    >>> joined_shards()
    Shards(index=0, count=1)
    """
    if dist.is_available() and dist.is_initialized():
        return Shards(dist.get_rank(), dist.get_world_size())
    return ALONE
