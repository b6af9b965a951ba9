"""Texts to unit vectors, with or without a store.

Shapes: ``N`` texts, ``H`` width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from evenrank.encoding.model import EmbeddingModel, Kind
from evenrank.encoding.opening import as_model
from evenrank.encoding.store import (
    EmbeddingStore,
    Piece,
    Precision,
    Rows,
    StoredRows,
    Texts,
    as_list,
    each,
    open_store,
)
from evenrank.errors import DataError
from evenrank.processes import ALONE, Team
from evenrank.progress import Bar, bar

EmptyTexts = Literal["error", "last"]
"""What becomes of a text without a direction: an error, or a row of zeros, to be ranked last."""
IN_MEMORY = 1 << 30
"""Up to this many bytes, embeddings from a store are returned as an array in memory."""
SORTED_TOGETHER = 16_384
"""Texts without a store that are sorted by length together."""
_ODD_TEXTS = 1_024
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class Work:
    """How texts are encoded.

    Attributes:
        model: A source of embeddings, or an object that :func:`as_model` takes.
        kind: Which of the two prompts is put before each text.
        batch_size: Texts encoded at once; of a transformer, texts of mean length.
        team: Processes that share the work.
        empty_texts: What becomes of a passage that has no direction.
        name_of: From the position of a text to what messages call it.
        description: What the progress bar says: ``"Encoding passages"``.
    """

    model: object
    kind: Kind
    batch_size: int = 64
    team: Team = ALONE
    empty_texts: EmptyTexts = "error"
    name_of: Callable[[int], str] = "text {}".format
    description: str = "Encoding"

    @cached_property
    def source(self) -> EmbeddingModel:
        """The model as a source of embeddings."""
        return as_model(self.model)


def encode_texts(
    work: Work,
    texts: Texts,
    *,
    store: Path | None = None,
    dtype: Precision = "float32",
) -> Rows:
    """Return the unit vectors of texts, in their order.

    Texts are read a few at a time, so that a memory-mapped column stays on the disk. Texts of
    similar length share a batch, which saves padding. Batches are the same however many processes
    share the work. With a store, only the pieces that it misses are encoded; several processes may
    do this at once, as a team or not.

    Args:
        work: The encoder, and how it is used.
        texts: ``N`` texts.
        store: The embedding store.
        dtype: Precision of the embeddings in the store.

    Returns:
        ``(N, H)`` float32, each row of length 1 or, if ``empty_texts`` allows it, of zeros. What is
        in a store and larger than 1 GiB stays on the disk as
        :class:`~evenrank.encoding.store.StoredRows`, which reads like an array.

    Raises:
        DataError: A text has an embedding without a direction, or a file of the store is damaged.
        FileError: The store cannot be written.
    """
    if store is None or not len(texts) or work.source.by_id:  # nothing to spare
        return _encode_in_memory(work, texts)
    opened = open_store(store, work.source, work.kind, dtype=dtype)
    pieces = opened.pieces(texts)
    _fill(opened, work, texts, pieces)
    rows = opened.read(pieces)
    if work.empty_texts == "error" and len(rows.empty):  # stored where they were allowed
        first = int(rows.empty[0])
        raise _without_direction(work, first, as_list(texts[first : first + 1])[0], 0)
    if len(texts) * opened.width * 4 <= IN_MEMORY:
        return np.array(rows[:], dtype=np.float32, copy=True if len(pieces) == 1 else None)
    if work.team.count > 1:
        rows.verify(work.team)
    return cast(Rows, rows)  # it offers what ranking asks of an array


def fill_store(work: Work, texts: Texts, store: Path, *, dtype: Precision = "float32") -> int:
    """Encode the texts that a store misses, and return how many this process encoded.

    A process begins with its own share, continues with what no other process has begun, and waits
    for what others are encoding. When it returns, the store has every text, also where another
    process died.

    Args:
        work: The encoder, and how it is used.
        texts: The texts.
        store: The embedding store.
        dtype: Precision of the embeddings in the store.

    Raises:
        DataError, FileError: As for :func:`encode_texts`.
    """
    opened = open_store(store, work.source, work.kind, dtype=dtype)
    return _fill(opened, work, texts, opened.pieces(texts))


def empty_rows(rows: Rows) -> NDArray[np.int64]:
    """Return the numbers of the rows of zeros: of texts whose embedding has no direction."""
    if isinstance(rows, StoredRows):
        return rows.empty
    return np.flatnonzero(~rows.any(axis=1))


def _encode_in_memory(work: Work, texts: Texts) -> NDArray[np.float32]:
    _try_odd_texts(work, texts)
    width = work.source.width
    vectors_NH = np.empty((len(texts), width), dtype=np.float32)
    with bar(work.description, total=len(texts), unit="texts") as progress:
        for start in range(0, len(texts), SORTED_TOGETHER):
            some = as_list(texts[start : start + SORTED_TOGETHER])
            vectors_NH[start : start + len(some)] = _encode(work, some, start, progress, work.team)
    return vectors_NH


def _fill(store: EmbeddingStore, work: Work, texts: Texts, pieces: Sequence[Piece]) -> int:
    encoded = 0
    with bar(work.description, total=len(texts), unit="texts") as progress:

        def add(piece: Piece, *, wait: bool) -> bool:
            def encode() -> NDArray[np.float32]:
                nonlocal encoded
                some = as_list(texts[piece.start : piece.stop])
                vectors_NH = _encode(work, some, piece.start, progress)
                encoded += len(some)
                return vectors_NH

            return store.add(piece, encode, wait=wait)

        missing = store.missing(pieces)
        if missing:
            _try_odd_texts(work, texts)
        progress.advance(len(texts) - sum(piece.stop - piece.start for piece in missing))
        own = dict.fromkeys(work.team.share(missing))
        others = [piece for piece in reversed(missing) if piece not in own]
        busy = [piece for piece in (*own, *others) if not add(piece, wait=False)]
        for piece in busy:
            add(piece, wait=True)
    return encoded


def _encode(
    work: Work, texts: list[str], start: int, progress: Bar, team: Team = ALONE
) -> NDArray[np.float32]:
    """Return the unit vectors of some texts; equal texts are encoded once and get equal vectors.

    Texts are sorted by bytes, which say more about tokens than characters do: a Chinese character
    has three bytes. The longest texts come first, so that a batch that is too large fails at once,
    not after hours.
    """
    places = {text: start + at for at, text in reversed(list(enumerate(texts)))}
    distinct = list(dict.fromkeys(texts))
    order = np.argsort([-len(text.encode("utf-8", "replace")) for text in distinct], kind="stable")
    size = work.batch_size * work.source.batches_at_once
    parts = [order[at : at + size] for at in range(0, len(order), size)]
    vectors_NH = np.empty((len(distinct), work.source.width), dtype=np.float32)
    for part in team.share(parts):
        vectors_NH[part] = _unit_vectors(work, [distinct[at] for at in part.tolist()], places)
        progress.advance(len(part))
        if work.source.tokens is not None:
            progress.note(f"{work.source.tokens:,} tokens so far")
    for number, part in enumerate(parts if team.count > 1 else []):
        rows_NH = vectors_NH[part]
        team.spread(rows_NH, number % team.count)
        vectors_NH[part] = rows_NH
        progress.advance(len(part) * (number % team.count != team.index))
    progress.advance(len(texts) - len(distinct))
    rows = {text: row for row, text in enumerate(distinct)}
    return vectors_NH[[rows[text] for text in texts]]


def _try_odd_texts(work: Work, texts: Texts) -> None:
    """Encode texts without letter or digit first: an error about them must not come after hours."""
    if work.empty_texts == "error":
        odd = ((at, text) for at, text in enumerate(each(texts)) if not any(map(str.isalnum, text)))
        places: dict[str, int] = {}
        for at, text in islice(odd, _ODD_TEXTS):
            places.setdefault(text, at)
        if places:
            _unit_vectors(work, list(places), places)


def _unit_vectors(work: Work, texts: list[str], places: Mapping[str, int]) -> NDArray[np.float32]:
    """Return the unit vectors of texts, of which ``places`` has the positions for messages.

    Raises:
        DataError: An embedding has no direction: it is NaN, infinite, or of zeros where that is
            not allowed.
    """
    rows_NH = work.source.encode(texts, work.kind, work.batch_size)
    lengths = np.linalg.norm(rows_NH, axis=1)
    allowed = lengths > 0 if work.empty_texts == "error" else lengths >= 0
    for number in np.flatnonzero(~(np.isfinite(lengths) & allowed)).tolist():
        text = texts[number]
        raise _without_direction(work, places[text], text, float(lengths[number]))
    return np.asarray(rows_NH / np.where(lengths > 0, lengths, 1)[:, None])


def _without_direction(work: Work, position: int, text: str, length: float) -> DataError:
    place = f"{work.name_of(position)}, {text[:_SHOWN_CHARACTERS]!r}"
    expected = "an embedding that has a direction"
    if length > 0 or length != length:  # infinite or NaN
        remedy = "Check the model: a learning rate or a precision may have broken it"
        return DataError(place, "an embedding with NaN or infinite values", expected, remedy)
    remedy = "Remove the text, which has no token for this encoder"
    if work.kind == "passage":
        remedy += ", or rank such passages last (--empty-texts last)"
    return DataError(place, "an embedding of zeros", expected, remedy)
