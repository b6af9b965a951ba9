"""Write passages and their vectors into an engine, in batches, so that a second run goes on.

Each passage is stored with a digest of its content and vector. A run sends only passages whose
digest differs. So the same code writes, goes on after an interruption, and brings up to date.
"""

from __future__ import annotations

import hashlib
import itertools
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import isfinite

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import JsonValue

from evenrank.errors import DataError
from evenrank.progress import bar
from evenrank.search.base import Passage

MARK = "evenrank"
"""Key of what evenrank notes about a collection or table that it wrote."""
About = Mapping[str, JsonValue]
"""What the writer notes, such as the model and its prompts."""


@dataclass(frozen=True)
class Row:
    """A passage as it is sent."""

    passage: Passage
    vector: NDArray[np.float32]
    digest: str


@dataclass(frozen=True)
class Written:
    """How many passages a run sent, found as they should be, and removed."""

    sent: int
    unchanged: int
    removed: int


class Writer(ABC):
    """One engine's part of the work.

    Attributes:
        name: Name of the engine, without a password.
        batch: Passages of one request.
        workers: Requests at the same time.
    """

    name: str
    batch: int
    workers: int

    @abstractmethod
    def start(self, width: int, about: About) -> None:
        """Create the collection or table, or check that it is ours and of this width."""

    @abstractmethod
    def digests(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the digests of those passages that are there."""

    @abstractmethod
    def put(self, rows: Sequence[Row]) -> None:
        """Add passages, or replace those with the same ids."""

    @abstractmethod
    def count(self) -> int:
        """Return the number of passages."""

    @abstractmethod
    def ids(self) -> Iterator[list[str]]:
        """Return the ids of all passages, in pages."""

    @abstractmethod
    def remove(self, ids: Sequence[str]) -> None:
        """Remove passages."""

    @abstractmethod
    def finish(self, about: About) -> None:
        """Build what makes search fast, and mark the collection or table as complete."""

    def close(self) -> None:  # noqa: B027 - many writers keep nothing open
        """Let go of connections."""


def write(
    writer: Writer,
    passages: Iterable[Passage],
    vectors: NDArray[np.floating],
    about: About | None = None,
) -> Written:
    """Bring an engine to exactly these passages.

    Args:
        writer: What writes.
        passages: ``N`` passages, read once.
        vectors: ``(N, H)`` vectors in the same order, of any length but zero; a memory map is
            read in batches.
        about: What is noted with the passages.

    Raises:
        DataError: Numbers of passages and vectors differ, an id comes twice, a vector has no
            direction, or a text is not one that can be stored.
        EngineError: The engine cannot be reached or refuses.
    """
    total, width = vectors.shape
    about = orjson.loads(orjson.dumps(dict(about or {})))  # as it will be read again
    writer.start(width, about)
    empty = writer.count() == 0
    keys_N = np.empty(total, dtype=np.uint64)
    sent, at = 0, 0
    running: deque[Future[int]] = deque()
    with (
        bar("Writing passages", total, "passages") as progress,
        ThreadPoolExecutor(writer.workers) as pool,
    ):
        try:
            for part in _batches(passages, writer.batch):
                if at + len(part) > total:
                    raise _unequal(writer, f"more than {total}", total)
                ids = [passage.id for passage in part]
                _refuse_twice(writer, len(ids) - len(set(ids)))
                rows = _rows(part, vectors[at : at + len(part)], at)
                keys_N[at : at + len(part)] = _keys(ids)
                at += len(part)
                running.append(pool.submit(_send, writer, rows, empty=empty))
                if len(running) > 2 * writer.workers:  # so that few batches wait in memory
                    sent += running.popleft().result()
                    progress.advance(writer.batch)
            while running:
                sent += running.popleft().result()
                progress.advance(min(writer.batch, total - progress.done))
        finally:
            for future in running:
                future.cancel()
    if at < total:
        raise _unequal(writer, str(at), total)
    removed = _remove_others(writer, keys_N)
    writer.finish(about)
    return Written(sent, total - sent, removed)


def _send(writer: Writer, rows: list[Row], *, empty: bool) -> int:
    """Send the rows that differ; return how many."""
    there = {} if empty else writer.digests([row.passage.id for row in rows])
    new = [row for row in rows if there.get(row.passage.id) != row.digest]
    if new:
        writer.put(new)
    return len(new)


def _remove_others(writer: Writer, keys_N: NDArray[np.uint64]) -> int:
    """Remove what is not among the passages; return how many."""
    kept = np.unique(keys_N)
    _refuse_twice(writer, len(keys_N) - len(kept))
    removed = 0
    if writer.count() > len(kept):
        for page in writer.ids():
            places = np.searchsorted(kept, keys := _keys(page))
            same = kept[np.minimum(places, len(kept) - 1)] == keys if len(kept) else keys != keys
            old = [id for id, known in zip(page, same, strict=True) if not known]
            if old:
                writer.remove(old)
                removed += len(old)
    return removed


def _refuse_twice(writer: Writer, count: int) -> None:
    if count:
        found = f"ids that come twice: {count}"
        raise DataError(writer.name, found, "unique ids", "Rename them")


def _rows(part: Sequence[Passage], vectors: NDArray[np.floating], first: int) -> list[Row]:
    rows_BH = np.asarray(vectors, dtype=np.float32)
    norms = np.linalg.norm(rows_BH, axis=1, keepdims=True)
    if not (np.isfinite(norms) & (norms > 0)).all():
        at = int(np.flatnonzero(~(np.isfinite(norms) & (norms > 0))[:, 0])[0])
        found = f"vector {first + at} without a direction"
        remedy = "Leave this passage out, or check the model"
        raise DataError(f"passage {part[at].id!r}", found, "finite numbers, not all zero", remedy)
    rows_BH = rows_BH / norms
    return [
        Row(passage, row, digest_of(passage, row))
        for passage, row in zip(part, rows_BH, strict=True)
    ]


def digest_of(passage: Passage, vector: NDArray[np.float32]) -> str:
    """Return a digest of a passage's content and vector.

    Raises:
        DataError: A text is not one that UTF-8 can express, or has the character NUL; a number
            has no place in JSON.
    """
    metadata = dict(passage.metadata)
    facts = [passage.language, passage.text, passage.group, metadata]
    try:
        content = orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)
        passage.id.encode()
    except (TypeError, UnicodeEncodeError) as cause:
        raise _not_text(passage, str(cause)) from None
    if not passage.id or "\0" in passage.id or b"\\u0000" in content.replace(b"\\\\", b""):
        raise _not_text(passage, "the character NUL, or an empty id")
    if any(isinstance(value, float) and not isfinite(value) for value in metadata.values()):
        raise _not_text(passage, "NaN or infinity in its metadata")
    return hashlib.blake2b(content + vector.tobytes(), digest_size=16).hexdigest()


def _not_text(passage: Passage, found: str) -> DataError:
    expected = "text in UTF-8 and numbers of 64 bits"
    return DataError(f"passage {passage.id!r}", found, expected, "Correct the passage")


def _keys(ids: Sequence[str]) -> NDArray[np.uint64]:
    """Return a number for each id; two ids of 20 million have the same one once in 100,000 runs."""
    digests = (hashlib.blake2b(id.encode(), digest_size=8).digest() for id in ids)
    return np.frombuffer(b"".join(digests), dtype=np.uint64)


def _batches(passages: Iterable[Passage], size: int) -> Iterator[list[Passage]]:
    iterator = iter(passages)
    while part := list(itertools.islice(iterator, size)):
        yield part


def _unequal(writer: Writer, found: str, total: int) -> DataError:
    return DataError(writer.name, f"{found} passages", f"{total}, one a vector", "Write them again")
