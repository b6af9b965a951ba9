"""The embedding store: each text is encoded once by each encoder, and reused by every benchmark.

A store is a folder. Below it, ``<encoder fingerprint>/<kind>-<dtype>`` holds the embeddings of one
encoder with one prompt at one precision: ``store.json`` says which, ``chunks`` has the rows (see
``chunks``). A row is found by the hash of its text and by nothing else, so a store cannot be
confused with another collection's: a text that it does not have is encoded, whatever the benchmark.

Work goes by pieces of up to ``CHUNK`` texts in the order of the collection. The texts of a piece
that are missing are encoded in the order of their lengths and written as one chunk, in the order of
the collection. Whatever stops the work loses the piece in hand and nothing else. Processes share it
by locking the piece that they work on; the lock of one that died is free again.

Shapes: ``N`` texts, ``H`` width of the embeddings.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

import numpy as np
import orjson
import pyarrow as pa
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from evenrank.encoding.chunks import Chunk, Keys, keys_of, read_chunk, write_chunk
from evenrank.encoding.encode import PIECE, Kind, as_list
from evenrank.encoding.fingerprint import model_fingerprint
from evenrank.encoding.key_index import KeyIndex
from evenrank.encoding.prompts import prompts_of
from evenrank.encoding.stored_rows import ChunkRows, StoredRows
from evenrank.errors import ConfigError, DataError
from evenrank.files import write_json
from evenrank.progress import bar

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Precision = Literal["float32", "float16"]
Texts: TypeAlias = Sequence[str] | pa.ChunkedArray
Encode = Callable[[list[str], list[int]], NDArray[np.float32]]
"""From texts and their places in the piece to ``(N, H)`` unit vectors."""

CHUNK = PIECE
"""Texts in a piece of a large collection: a whole number of the ranking's blocks."""


class EmbeddingStore:
    """The embeddings of one encoder with one prompt at one precision.

    Args:
        folder: Its folder; made if it is not there.
        facts: What it holds; a store that holds something else is refused.
        width: ``H``.
        dtype: Precision of the rows on the disk.
        verify: Compare the checksum of a chunk's rows before they are first used. Sizes, headers
            and the checksums of keys are compared always.

    Raises:
        DataError: A file of the store is missing, cut short or changed, or its folder cannot be
            used.
    """

    def __init__(
        self, folder: Path, facts: dict[str, str], width: int, dtype: Precision, *, verify: bool
    ) -> None:
        self.folder, self.width, self.dtype = folder, width, dtype
        self._verify = verify
        self._chunks: list[Chunk] = []
        self._names: set[str] = set()
        self._index = KeyIndex()
        self._rows = 0
        with _disk_in_one_line(folder):
            _check_facts(
                folder / "store.json", {**facts, "width": width, "dtype": dtype, "format": 1}
            )
            for name in ("chunks", "locks"):
                (folder / name).mkdir(exist_ok=True)
            self.refresh()

    def __len__(self) -> int:
        """Return the number of rows on the disk."""
        return self._rows

    def refresh(self) -> None:
        """Take in the chunks that other processes have finished."""
        for record in sorted((self.folder / "chunks").glob("*.json")):
            if record.stem not in self._names and not record.name.startswith("."):
                self._take(*read_chunk(record, self.width, self.dtype))

    def missing(self, keys: Keys, own: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Return the positions of keys that the store lacks, each key once; only its ``own``."""
        lacking = np.flatnonzero((self._index.find(keys) < 0) & (True if own is None else own))
        _, first = np.unique(keys[lacking], axis=0, return_index=True)
        return lacking[np.sort(first)]

    def add(
        self,
        texts: list[str],
        encode: Encode,
        *,
        own: NDArray[np.bool_] | None = None,
        wait: bool,
    ) -> int | None:
        """Encode those of some texts that the store lacks, as one durable chunk.

        Args:
            texts: A piece of a collection.
            encode: The encoder.
            own: Which of them belong to this piece; the others are left to another one.
            wait: Wait for another process that works on the same piece.

        Returns:
            How many were encoded; ``None`` if another process is at it.

        Raises:
            DataError: The disk is full, or cannot be written.
        """
        keys = keys_of(texts)
        if not len(self.missing(keys, own)):
            return 0
        lock = FileLock(self.folder / "locks" / f"{int(keys[0, 0]) % 256:02x}.lock")
        try:
            with _disk_in_one_line(self.folder):
                lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            return None
        try:
            self.refresh()
            missing = self.missing(keys, own)
            if len(missing):
                places = missing.tolist()
                rows = encode([texts[at] for at in places], places).astype(self.dtype)
                with _disk_in_one_line(self.folder):
                    chunk = write_chunk(self.folder / "chunks", keys[missing], rows)
                self._take(chunk, keys[missing])
            return len(missing)
        finally:
            lock.release()

    def read(self, texts: Texts, description: str = "Finding embeddings") -> StoredRows:
        """Return the embeddings of texts, all of which the store has, in their order.

        Raises:
            DataError: A text is not in the store.
        """
        source = ChunkRows(self._chunks, self.width, self.dtype, verify=self._verify)
        starts, rows = [], []
        with bar(description, total=len(texts), unit="texts") as progress:
            for start in range(0, len(texts), CHUNK):
                piece = as_list(texts[start : start + CHUNK])
                found = self._index.find(keys_of(piece))
                if (found < 0).any():
                    raise _absent(self.folder, piece[int(np.argmin(found))])
                chunk = source.chunk_of(found)
                new = (np.diff(found, prepend=-2) != 1) | (np.diff(chunk, prepend=-1) != 0)
                starts.append(np.flatnonzero(new) + start)
                rows.append(found[new])
                progress.advance(len(piece))
        return StoredRows(source, np.concatenate(starts), np.concatenate(rows), len(texts))

    def _take(self, chunk: Chunk, keys: Keys) -> None:
        self._index.add(keys, self._rows)
        self._chunks.append(chunk)
        self._names.add(chunk.name)
        self._rows += chunk.rows


def open_store(
    folder: Path,
    model: SentenceTransformer,
    kind: Kind,
    *,
    dtype: Precision = "float32",
    verify: bool = True,
) -> EmbeddingStore:
    """Open the part of a store that belongs to an encoder and a kind of text; make it if new.

    Args:
        folder: The store, which may hold many encoders.
        model: The encoder; its fingerprint covers weights, prompts and longest text.
        kind: Queries or passages, which have a prompt each.
        dtype: ``float16`` halves the disk space and changes scores by up to about 0.0005.
        verify: Compare the checksum of a chunk's rows before they are first used.

    Raises:
        ConfigError: There is no such precision.
        DataError: A file of the store is damaged.
    """
    if dtype not in get_args(Precision):
        raise ConfigError("store precision", repr(dtype), "float32 or float16", "Correct it")
    name = model_fingerprint(model)
    prompt = prompts_of(model)[0 if kind == "query" else 1]
    width = cast(int, model.get_embedding_dimension())
    facts = {"encoder": name, "kind": kind, "prompt": prompt}
    return EmbeddingStore(folder / name / f"{kind}-{dtype}", facts, width, dtype, verify=verify)


def _check_facts(path: Path, facts: dict[str, str | int]) -> None:
    """Write what a store holds where it is new, else compare it."""
    with FileLock(_made(path.parent) / "store.lock"):
        if not path.exists():
            write_json(path, facts)
    try:
        found = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError:
        found = "no readable JSON"
    if found != facts:
        remedy = f"Use another store, or delete {path.parent} to encode its texts again"
        raise DataError(str(path), str(found), str(facts), remedy)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _absent(folder: Path, text: str) -> DataError:
    return DataError(
        str(folder), f"no embedding of {text[:60]!r}", "each text encoded", "Encode the texts first"
    )


@contextmanager
def _disk_in_one_line(folder: Path) -> Iterator[None]:
    try:
        yield
    except Timeout:  # an OSError too, which says that another process has the lock
        raise
    except OSError as cause:
        full = cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        found = "no room for another chunk" if full else "nothing that can be used as a folder"
        room = "Make room and start again: what is finished is kept"
        raise DataError(
            str(folder),
            f"{found} ({cause.strerror})",
            "room for the embeddings" if full else "a folder to read and write",
            room if full else "Name another folder, or mend its permissions",
        ) from cause
