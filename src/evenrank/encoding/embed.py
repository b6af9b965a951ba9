"""Texts to unit vectors by way of a store: what it lacks is encoded, by all processes together.

Shapes: ``N`` texts, ``H`` width of the embeddings.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from evenrank.encoding.chunks import Rows, keys_of
from evenrank.encoding.encode import (
    BATCHES_AT_ONCE,
    Kind,
    as_list,
    longest_first,
    unit_vectors,
)
from evenrank.encoding.store import CHUNK, EmbeddingStore, Precision, Texts, open_store
from evenrank.processes import ALONE, Team
from evenrank.progress import Bar, bar

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

IN_MEMORY = 1 << 30
"""Up to so many bytes, embeddings are handed out as an array in memory."""
PIECES = 16
"""A small collection is taken in about so many, for processes to share and kills to spare."""
SMALLEST_PIECE = 1_024
"""But none is smaller: sorting by length saves no padding among few texts."""


def embed_texts(
    folder: Path,
    model: SentenceTransformer,
    texts: Texts,
    *,
    kind: Kind,
    dtype: Precision = "float32",
    batch_size: int = 64,
    verify: bool = True,
    team: Team = ALONE,
    description: str,
) -> Rows:
    """Return the unit vectors of texts from a store, encoding only those that it lacks.

    Several processes may do this at once with the same texts, as a team or without knowing of one
    another: each encodes a part, and each gets all embeddings.

    Args:
        folder: The store.
        model: The encoder, with its prompts.
        texts: ``N`` texts; a memory-mapped column stays on disk.
        kind: Which of the two prompts is put before each.
        dtype: Precision on the disk.
        batch_size: Texts encoded at once.
        verify: Compare checksums before rows are first used.
        team: Processes that share the work.
        description: What the progress bar says: ``"Encoding passages"``.

    Returns:
        ``(N, H)`` in the order of the texts. Up to 1 GiB a float32 array; more stays on the disk
        as :class:`~evenrank.encoding.stored_rows.StoredRows`, which reads like an array by slices
        and row numbers.

    Raises:
        DataError: A text has an embedding without a direction, a file of the store is damaged, or
            the disk is full.
    """
    store = open_store(folder, model, kind, dtype=dtype, verify=verify)
    if not len(texts):
        return np.empty((0, store.width), dtype=np.float32)
    fill_store(
        store, model, texts, kind=kind, batch_size=batch_size, team=team, description=description
    )
    rows = store.read(texts)
    if len(texts) * store.width * 4 <= IN_MEMORY:
        return np.asarray(rows[:], dtype=np.float32)
    if team.count > 1:
        rows.verify(team)
    return cast(Rows, rows)  # it offers what ranking asks of an array


def fill_store(
    store: EmbeddingStore,
    model: SentenceTransformer,
    texts: Texts,
    *,
    kind: Kind,
    batch_size: int = 64,
    team: Team = ALONE,
    description: str,
) -> int:
    """Encode the texts that a store lacks, and return how many this process encoded.

    A process begins with its own share, goes on with what the others have not begun, and waits for
    what they have in hand: when it returns, the store has every text, also where another process
    died.

    Args:
        store: The part of a store that belongs to the encoder and the kind of text.
        model: The encoder, with its prompts.
        texts: The texts.
        kind: Which of the two prompts is put before each.
        batch_size: Texts encoded at once.
        team: Processes that share the work.
        description: What the progress bar says.

    Raises:
        DataError: As for :func:`embed_texts`.
    """
    encoded, size = 0, _piece_size(len(texts))
    first = _first_of_each(texts) if team.count > 1 else None
    with bar(description, total=len(texts), unit="texts") as progress:

        def add(start: int, *, wait: bool) -> bool:
            nonlocal encoded
            piece = as_list(texts[start : start + size])

            def encode(some: list[str], places: list[int]) -> NDArray[np.float32]:
                where = [start + place for place in places]
                return _encode(model, some, kind, batch_size, where, len(texts), pace)

            own = first[start : start + size] if first is not None else None
            count = store.add(piece, encode, own=own, wait=wait)
            if count is None:
                return False
            encoded += count
            progress.advance(len(piece) - count)
            return True

        pace = _Pace(progress)
        turns = _turns(range(0, len(texts), size), team)
        busy = [start for start in turns if not add(start, wait=False)]
        for start in busy:
            add(start, wait=True)
    return encoded


class _Pace:
    """Counts encoded texts on a bar, with texts per second spent on encoding beside it."""

    def __init__(self, progress: Bar) -> None:
        self._progress = progress
        self._texts, self._seconds = 0, 0.0

    def count(self, texts: int, seconds: float) -> None:
        self._texts += texts
        self._seconds += seconds
        self._progress.advance(texts)
        self._progress.note(f"{self._texts / self._seconds:,.0f} texts/s")


def _encode(
    model: SentenceTransformer,
    texts: list[str],
    kind: Kind,
    batch_size: int,
    places: list[int],
    total: int,
    pace: _Pace,
) -> NDArray[np.float32]:
    """Encode the texts of a piece."""
    vectors_NH = np.empty((len(texts), model.get_embedding_dimension()), dtype=np.float32)
    for some in longest_first(texts, batch_size * BATCHES_AT_ONCE):
        start = time.perf_counter()
        vectors_NH[some] = unit_vectors(
            model,
            [texts[at] for at in some.tolist()],
            kind=kind,
            batch_size=batch_size,
            places=[places[at] for at in some.tolist()],
            total=total,
        )
        pace.count(len(some), time.perf_counter() - start)
    return vectors_NH


def _piece_size(total: int) -> int:
    """Return how many texts make a piece; it depends on nothing that may change between runs."""
    return min(CHUNK, max(SMALLEST_PIECE, -(-total // PIECES)))


def _first_of_each(texts: Texts) -> NDArray[np.bool_]:
    """Tell which texts are no repetition of an earlier one.

    One process works from front to end, so a repeated text is encoded with its first piece. Several
    take pieces in another order, and the batch that a text is encoded in may move its last bit.
    """
    starts = range(0, len(texts), CHUNK)
    keys = np.concatenate([keys_of(as_list(texts[at : at + CHUNK])) for at in starts])
    order = np.lexsort((keys[:, 1], keys[:, 0]))  # stable: the first of equal ones stays first
    keys = keys[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    first = np.zeros(len(order), dtype=bool)
    first[order[new]] = True
    return first


def _turns(starts: range, team: Team) -> list[int]:
    """Return where pieces start: the process's own share, then the others' from the far end."""
    own = team.share(starts)
    return [*own, *sorted(set(starts) - set(own), reverse=True)]
