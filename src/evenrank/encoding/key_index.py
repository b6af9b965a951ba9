"""Which row holds the embedding of a text: an index from keys to row numbers."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from evenrank.encoding.chunks import Keys

T = TypeVar("T", np.uint64, np.int64)


class _Level(NamedTuple):
    """Keys in the order of their first half, the second half, and the row of each."""

    first: NDArray[np.uint64]
    second: NDArray[np.uint64]
    rows: NDArray[np.int64]


class KeyIndex:
    """Sorted levels of keys, each at least twice as long as the next.

    Adding ``N`` keys in pieces costs ``N log N`` in all, a look-up one binary search a level.
    Memory is 24 bytes a key, and as much again for a moment when the largest levels are joined.

    >>> index = KeyIndex()
    >>> index.add(np.array([[7, 1], [3, 2]], dtype=np.uint64), 10)
    >>> index.find(np.array([[3, 2], [3, 9], [7, 1]], dtype=np.uint64)).tolist()
    [11, -1, 10]
    """

    def __init__(self) -> None:
        self._levels: list[_Level] = []

    def add(self, keys: Keys, first_row: int) -> None:
        """Add keys whose rows are ``first_row``, ``first_row + 1`` and so on."""
        if not len(keys):
            return
        rows = np.arange(first_row, first_row + len(keys), dtype=np.int64)
        level = _sorted(_Level(keys[:, 0], keys[:, 1], rows))
        while self._levels and len(self._levels[-1].rows) < 2 * len(level.rows):
            level = _joined(self._levels.pop(), level)
        self._levels.append(level)

    def find(self, keys: Keys) -> NDArray[np.int64]:
        """Return the row of each key, -1 where there is none."""
        rows = np.full(len(keys), -1, dtype=np.int64)
        for level in self._levels:
            start = np.searchsorted(level.first, keys[:, 0])
            for step in range(2):  # two texts may share the first half, never mind three
                place = np.minimum(start + step, len(level.rows) - 1)
                same = (level.first[place] == keys[:, 0]) & (level.second[place] == keys[:, 1])
                rows[same] = level.rows[place[same]]
        return rows


def _sorted(level: _Level) -> _Level:
    order = np.argsort(level.first, kind="stable")
    return _Level(level.first[order], level.second[order], level.rows[order])


def _joined(one: _Level, other: _Level) -> _Level:
    """Merge two levels; the other's keys go behind equal ones, and nothing is sorted again."""
    places = np.searchsorted(one.first, other.first, side="right") + np.arange(len(other.first))
    kept = np.ones(len(one.first) + len(other.first), dtype=bool)
    kept[places] = False

    def column(ours: NDArray[T], others: NDArray[T]) -> NDArray[T]:
        merged = np.empty(len(kept), dtype=ours.dtype)
        merged[kept], merged[places] = ours, others
        return merged

    return _Level(
        column(one.first, other.first),
        column(one.second, other.second),
        column(one.rows, other.rows),
    )
