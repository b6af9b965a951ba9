"""The exact engine: one pass over the vectors gives the best passages of every language.

Threads take stretches of one language each. For a few queries a compiled loop reads the passages
once; for many, a stretch is multiplied in the panels of ``ranking``, and the same compiled loops
keep the best. The scores of what is kept are computed once more, in float64 and row by row, so that
a score does not depend on the number of threads, or on the queries that were searched together.

Shapes: ``Q`` queries, ``D`` passages, ``H`` width, ``L`` languages, ``K`` kept, ``B`` queries of a
block, ``C`` candidates.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import pairwise
from threading import Barrier
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evenrank.errors import DataError, UnknownNameError
from evenrank.ranking.counting import NO_KEY, close_top, decode_keys, keep_top
from evenrank.ranking.few import FEW, as_rows, scan_few, score_pairs
from evenrank.search.base import Engine, Filters, Hits, Passage
from evenrank.search.index.passages import PassageTable

if TYPE_CHECKING:  # takes seconds to import
    import torch

STRETCH = 1 << 16
"""Passages that a thread takes at once, at most."""
TILE = 2048
"""Passages that are collected together where a filter chooses them."""
BLOCK = 256
"""Queries that are searched together; more are searched in several passes."""
_SPARE = 64
"""Candidates in addition to twice the kept passages."""
_LANES = 8
"""Queries are padded to a multiple of this: a product of one row is slow."""


class _Stretch(NamedTuple):
    """Consecutive passages of one language: positions, or indices of chosen positions."""

    language: int
    start: int
    stop: int
    chosen: NDArray[np.int64] | None


class ExactEngine(Engine):
    """Search by comparison with every vector.

    Attributes:
        vectors: ``(D, H)`` unit vectors in the order of the index.
        passages: The passages.

    Args:
        vectors_DH: Unit vectors in the order of the index, float32 or float16; a memory map stays
            on the disk.
        passages: The passages.
        threads: Number of threads; the number of CPUs if ``None``.

    Raises:
        DataError: Vectors and passages do not match.
    """

    exact = True

    def __init__(
        self, vectors_DH: NDArray[Any], passages: PassageTable, *, threads: int | None = None
    ) -> None:
        if vectors_DH.ndim != 2 or len(vectors_DH) != len(passages):
            found, expected = f"vectors {vectors_DH.shape}", f"{len(passages):,} rows"
            raise DataError(passages.name, found, expected, "Build the index again")
        self.name, self.passages = passages.name, passages
        self.vectors = np.asarray(vectors_DH)
        self._threads = threads or os.cpu_count() or 1
        self._latest: tuple[object, NDArray[np.int64]] | None = None

    @property
    def width(self) -> int:
        """``H``."""
        return int(self.vectors.shape[1])

    @property
    def counts(self) -> Mapping[str, int]:
        """Passages of each language."""
        return self.passages.counts

    def search(
        self,
        vectors: NDArray[np.float32],
        languages: Sequence[str],
        k: int,
        filters: Filters | None = None,
    ) -> list[dict[str, Hits]]:
        """Return the best ``k`` passages of each language for each query; see :class:`Engine`."""
        numbers = self._numbers(languages)
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        if vectors.ndim != 3 or vectors.shape[1] not in (1, len(numbers)):
            expected = f"(queries, 1 or {len(numbers)}, {self.width})"
            raise DataError("queries", f"vectors {vectors.shape}", expected, "Correct them")
        if vectors.shape[2] != self.width:
            wrong, expected = f"width {vectors.shape[2]}", f"width {self.width} of {self.name}"
            raise DataError("queries", wrong, expected, "Use the encoder of the index")
        if not np.isfinite(vectors).all():
            raise DataError("queries", "NaN or infinity", "finite numbers", "Check the encoder")
        chosen = self._chosen(filters) if filters else None
        found: list[dict[str, Hits]] = []
        for first in range(0, len(vectors), BLOCK):
            found += self._search(vectors[first : first + BLOCK], numbers, k, chosen)
        return found

    def fetch(self, ids: Iterable[str]) -> list[Passage]:
        """Return passages by id."""
        return self.passages.fetch(ids)

    def scores(self, vector_H: NDArray[np.float32], ids: Sequence[str]) -> NDArray[np.float32]:
        """Return the score of each id for one vector."""
        positions = self.passages.positions(ids)[None]
        scores_QK = self._exact_scores(vector_H[None], positions)
        return np.asarray(scores_QK[0])

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages of the passages, sorted."""
        return self.passages.languages

    def blocks(self) -> Iterator[tuple[str, slice]]:
        """Yield stretches of positions in one language each, which fit into memory."""
        for lang, (begin, end) in zip(
            self.languages, pairwise(self.passages.offsets.tolist()), strict=True
        ):
            for start in range(begin, end, STRETCH):
                yield lang, slice(start, min(start + STRETCH, end))

    def close(self) -> None:
        """End the threads."""
        for name in ("_pool", "_panel_pool"):
            if pool := self.__dict__.pop(name, None):
                pool.shutdown(cancel_futures=True)

    def _numbers(self, languages: Sequence[str]) -> list[int]:
        known = {lang: number for number, lang in enumerate(self.passages.languages)}
        for lang in languages:
            if lang not in known:
                raise UnknownNameError("language", lang, known, self.name)
        return [known[lang] for lang in languages]

    def _chosen(self, filters: Filters) -> NDArray[np.int64]:
        """Return the positions that match; those of the latest filters are kept."""
        key = sorted((name, repr(wanted)) for name, wanted in filters.items())
        latest = self._latest
        if latest is None or latest[0] != key:
            mask = self.passages.selected(filters)
            self._latest = latest = key, np.flatnonzero(mask).astype(np.int64)
        return latest[1]

    def _search(
        self,
        vectors: NDArray[np.float32],
        numbers: Sequence[int],
        k: int,
        chosen: NDArray[np.int64] | None,
    ) -> list[dict[str, Hits]]:
        """Search the languages of ``numbers`` for at most :data:`BLOCK` queries."""
        stretches = self._stretches(numbers, chosen)
        many = len(vectors) > FEW
        work = self._scan_panels if many else self._scan_rows
        pool = self._panel_pool if many else self._pool
        columns = dict(zip(numbers, range(len(numbers)), strict=True))

        def scan(stretch: _Stretch) -> NDArray[np.int64]:
            column = 0 if vectors.shape[1] == 1 else columns[stretch.language]
            return work(np.ascontiguousarray(vectors[:, column]), stretch, k)

        keys = list(pool.map(scan, stretches))
        found: list[dict[str, Hits]] = [{} for _ in vectors]
        for number, column in columns.items():
            own = [
                _in_whole(part, one)
                for part, one in zip(keys, stretches, strict=True)
                if one.language == number
            ]
            positions_QK = _best(own, k) if own else np.empty((len(vectors), 0), dtype=np.int64)
            query = vectors[:, 0 if vectors.shape[1] == 1 else column]
            self._add_hits(found, self.passages.languages[number], positions_QK, query)
        return found

    def _stretches(
        self, numbers: Sequence[int], chosen: NDArray[np.int64] | None
    ) -> list[_Stretch]:
        offsets = self.passages.offsets
        bounds = offsets if chosen is None else np.searchsorted(chosen, offsets)
        most = min(STRETCH, max(TILE, -(-int(bounds[-1]) // (4 * self._threads))))
        found = []
        for number in dict.fromkeys(numbers):
            begin, end = int(bounds[number]), int(bounds[number + 1])
            for start in range(begin, end, most):
                found.append(_Stretch(number, start, min(start + most, end), chosen))
        return found

    def _rows(self, stretch: _Stretch, start: int, stop: int) -> NDArray[Any]:
        """Return some passages of a stretch as they are stored."""
        if stretch.chosen is None:
            return self.vectors[start:stop]
        return self.vectors[stretch.chosen[start:stop]]

    def _scan_rows(
        self, queries_BH: NDArray[np.float32], stretch: _Stretch, k: int
    ) -> NDArray[np.int64]:
        """Return ``(B, K)`` keys of the best passages of a stretch, for a few queries."""
        state = _candidates(len(queries_BH), min(k, stretch.stop - stretch.start))
        step = TILE if stretch.chosen is not None else STRETCH
        for start in range(stretch.start, stretch.stop, step):
            rows = self._rows(stretch, start, min(start + step, stretch.stop))
            scan_few(as_rows(rows), queries_BH, start, *state)
        return _closed(*state)

    def _scan_panels(
        self, queries_BH: NDArray[np.float32], stretch: _Stretch, k: int
    ) -> NDArray[np.int64]:
        """Return ``(B, K)`` keys of the best passages of a stretch, for many queries."""
        import torch

        from evenrank.ranking.cpu import PANEL, PANELS

        count = len(queries_BH)
        padded = torch.zeros((-(-count // _LANES) * _LANES, self.width))
        padded[:count] = torch.from_numpy(queries_BH)
        state = _candidates(count, min(k, stretch.stop - stretch.start))
        width = min(PANEL, -(-(stretch.stop - stretch.start) // _LANES) * _LANES)
        buffer = torch.empty((PANELS * width, self.width))
        scores = torch.empty((PANELS, len(padded), width))
        for start in range(stretch.start, stretch.stop, PANELS * width):
            rows = self._rows(stretch, start, min(start + PANELS * width, stretch.stop))
            panels = _panels(rows, width, buffer)
            for panel, scores_BT in zip(panels, scores, strict=False):
                torch.mm(padded, panel.T, out=scores_BT)
            keep_top(scores[: len(panels)].numpy(), start, len(rows), *state)
        return _closed(*state)

    def _add_hits(
        self,
        found: list[dict[str, Hits]],
        language: str,
        positions_QK: NDArray[np.int64],
        queries_QH: NDArray[np.float32],
    ) -> None:
        """Add the hits of one language to the lists of each query."""
        scores_QK = self._exact_scores(queries_QH, positions_QK)
        order = np.lexsort((positions_QK, -scores_QK), axis=1)
        positions_QK = np.take_along_axis(positions_QK, order, axis=1)
        scores_QK = np.take_along_axis(scores_QK, order, axis=1)
        ids, kept = self.passages.ids(positions_QK.ravel()), positions_QK.shape[1]
        for number, (lists, scores_K) in enumerate(zip(found, scores_QK, strict=True)):
            lists[language] = Hits(tuple(ids[number * kept : (number + 1) * kept]), scores_K)

    def _exact_scores(
        self, queries_QH: NDArray[np.float32], positions_QK: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return ``(Q, K)`` scores, each from one row and one query alone."""
        scores_QK = np.empty(positions_QK.shape, dtype=np.float32)
        queries_QH = np.ascontiguousarray(queries_QH)
        score_pairs(as_rows(self.vectors), positions_QK, queries_QH, scores_QK)
        return scores_QK

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, "search")

    @cached_property
    def _panel_pool(self) -> ThreadPoolExecutor:
        """Threads whose products run on one thread each; those of other threads do not change."""
        import torch

        before, ready = torch.get_num_threads(), Barrier(self._threads + 1)

        def begin() -> None:
            torch.set_num_threads(1)
            ready.wait()

        pool = ThreadPoolExecutor(self._threads, "search-panels")
        for _ in range(self._threads):
            pool.submit(begin)
        ready.wait()  # until then each of them holds one thread
        torch.set_num_threads(before)
        return pool


def _panels(rows: NDArray[Any], width: int, buffer: torch.Tensor) -> torch.Tensor:
    """Return consecutive passages as float32 panels, the last padded with zeros; copied if needed.

    Unlike ``rank``, this does not look for numbers that are not finite: an index has none.
    """
    import torch

    tile = torch.from_numpy(rows if rows.flags.writeable else rows.copy())
    if tile.dtype != torch.float32 or len(tile) % width:
        whole = buffer[: -(-len(tile) // width) * width]
        whole[: len(tile)] = tile
        whole[len(tile) :] = 0
        tile = whole
    return tile.view(-1, width, tile.shape[1])


_State = tuple[int, NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


def _candidates(queries: int, kept: int) -> _State:
    """Return space for the candidates of some queries: arguments of the compiled loops."""
    keys = np.full((queries, 2 * kept + _SPARE), NO_KEY, dtype=np.int64)
    floors = np.full(queries, -np.inf, dtype=np.float32)
    return kept, keys, np.zeros(queries, dtype=np.int64), floors


def _closed(
    kept: int,
    keys: NDArray[np.int64],
    fills: NDArray[np.int64],
    _: NDArray[np.float32],
) -> NDArray[np.int64]:
    close_top(kept, keys, fills)
    return keys[:, :kept]


def _in_whole(keys_BK: NDArray[np.int64], stretch: _Stretch) -> NDArray[np.int64]:
    """Return keys whose positions are those of the index."""
    if stretch.chosen is None:
        return keys_BK
    _, places = decode_keys(keys_BK)
    # the lower 32 bits are a position counted from above
    return keys_BK + places - stretch.chosen[places]


def _best(parts: Sequence[NDArray[np.int64]], k: int) -> NDArray[np.int64]:
    """Return the ``(B, K)`` positions of the best of all keys; all queries have as many."""
    keys = np.sort(np.concatenate(parts, axis=1), axis=1)[:, ::-1][:, :k]
    return decode_keys(keys)[1]
