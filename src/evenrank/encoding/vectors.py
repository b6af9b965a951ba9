"""Ready vectors as a source of embeddings: files of vectors that are matched by id.

A folder has ``queries`` and ``passages``, each as

``queries.parquet``
    Columns ``id`` and ``vector``, a list of numbers.
``queries.npy`` and ``queries.txt``
    A matrix with a row for each text, and the ids in the same order, one in each line.

Numbers are float32, float64, float16 or int8. The ids are those of the benchmark, which
``evenrank data export`` writes; ids that a benchmark does not have are ignored.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, JsonValue

from evenrank.encoding.model import EmbeddingModel, Kind
from evenrank.errors import DataError
from evenrank.files import fingerprint_of

_STEM: dict[Kind, str] = {"query": "queries", "passage": "passages"}
_TYPES = ("float32", "float16", "float64", "int8")


class VectorSettings(BaseModel):
    """Settings of ready vectors.

    Attributes:
        encoder: Name of the model that they come from. Folders with one name belong together: a
            correction that is fitted on one can be used on the other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    encoder: str | None = None


class Vectors(EmbeddingModel):
    """The vectors of a folder.

    Args:
        folder: The folder.
        settings: Its settings.

    Raises:
        DataError: A file is missing or damaged, an id comes twice, or vectors differ in width.
    """

    by_id = True

    def __init__(self, folder: Path, settings: VectorSettings) -> None:
        self.name, self.label = f"vectors:{folder}", folder.resolve().name
        self._settings = settings
        self._sides = {kind: _read(folder, _STEM[kind]) for kind in _STEM}
        one, other = self._sides.values()
        if one.rows.shape[1] != other.rows.shape[1]:
            raise DataError(
                str(other.path),
                f"vectors of width {other.rows.shape[1]}",
                f"width {one.rows.shape[1]}, as in {one.path.name}",
                "Write both with one model",
            )

    @property
    def width(self) -> int:
        """``H``."""
        return int(self._sides["query"].rows.shape[1])

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the files, or of the name of the model that they come from."""
        if self._settings.encoder is not None:
            return fingerprint_of("vectors of", self._settings.encoder, str(self.width))
        return fingerprint_of("vectors", *(_digest(side) for side in self._sides.values()))

    def encode(self, texts: Sequence[str], kind: Kind, batch_size: int = 64) -> NDArray[np.float32]:
        """Return the vectors of ids.

        Raises:
            DataError: An id has no vector, or a vector has NaN or infinite values.
        """
        side = self._sides[kind]
        places = [side.places.get(id_, -1) for id_ in texts]
        missing = [id_ for id_, place in zip(texts, places, strict=True) if place < 0]
        if missing:
            more = f" and {len(missing) - 1:,} others" if len(missing) > 1 else ""
            raise DataError(
                str(side.path),
                f"no vector of {kind} {missing[0]!r}{more}",
                f"a vector for every {kind} id of the benchmark",
                "Add the vectors; 'evenrank data export' writes the ids",
            )
        rows_NH = np.asarray(side.rows[places], dtype=np.float32)
        wrong = np.flatnonzero(~np.isfinite(rows_NH).all(axis=1))
        if len(wrong):
            raise DataError(
                str(side.path),
                f"a vector of {kind} {texts[wrong[0]]!r} with NaN or infinite values",
                "finite numbers",
                "Compute it again",
            )
        return rows_NH

    def describe(self) -> dict[str, JsonValue]:
        """Return the name of the model that the vectors come from, and their type."""
        dtype = str(self._sides["passage"].rows.dtype)
        return {"architecture": "vectors", "encoder": self._settings.encoder, "dtype": dtype}


class _Side:
    """The vectors of queries or of passages."""

    def __init__(self, path: Path, ids: list[str], rows: NDArray[Any]) -> None:
        self.path, self.ids, self.rows = path, ids, rows
        self.places = {id_: row for row, id_ in enumerate(ids)}
        if len(self.places) < len(ids):
            twice = Counter(ids).most_common(1)[0][0]
            raise DataError(str(path), f"id {twice!r} twice", "unique ids", "Remove one of them")
        if not rows.size:
            raise DataError(str(path), "no vectors", "at least one", "Write it again")


def _read(folder: Path, stem: str) -> _Side:
    parquet, matrix = folder / f"{stem}.parquet", folder / f"{stem}.npy"
    found = [path for path in (parquet, matrix) if path.is_file()]
    if len(found) != 1:
        raise DataError(
            str(folder / stem),
            f"both {parquet.name} and {matrix.name}" if found else "no vectors",
            f"{parquet.name}, or {matrix.name} with {stem}.txt",
            "Remove one of them" if found else "Name the folder that contains them",
        )
    return _read_parquet(parquet) if found == [parquet] else _read_matrix(matrix)


def _read_parquet(path: Path) -> _Side:
    try:
        table = pq.read_table(path, columns=["id", "vector"])
        ids = table.column("id").cast(pa.string())
        vectors = table.column("vector").combine_chunks()
        if isinstance(vectors, pa.ChunkedArray):  # of a table without rows
            vectors = pa.concat_arrays(vectors.chunks)
    except (pa.ArrowException, KeyError, OSError) as cause:
        raise _damaged(path, cause, "a Parquet file with the columns id and vector") from None
    if ids.null_count or vectors.null_count:
        raise DataError(str(path), "a row without id or vector", "both in every row", "Add it")
    is_list = pa.types.is_list(vectors.type) or pa.types.is_large_list(vectors.type)
    if not (is_list or pa.types.is_fixed_size_list(vectors.type)):
        raise _wrong_type(path, str(vectors.type))
    numbers = vectors.flatten()
    dtype = _TYPE_OF.get(str(numbers.type))
    if dtype is None or numbers.null_count:
        raise _wrong_type(path, f"{numbers.type} with nulls" if dtype else str(numbers.type))
    widths = np.asarray(vectors.value_lengths()) if is_list else np.array([vectors.type.list_size])
    if len(widths) and (odd := np.flatnonzero(widths != widths[0])).size:
        raise DataError(
            str(path),
            f"a vector of width {widths[odd[0]]} for id {ids[odd[0]].as_py()!r}",
            f"width {widths[0]}, as the first one",
            "Write vectors of one model",
        )
    width = int(widths[0]) if len(widths) else 0
    return _Side(path, ids.to_pylist(), numbers.to_numpy().reshape(len(ids), width))


def _read_matrix(path: Path) -> _Side:
    names = path.with_suffix(".txt")
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as cause:
        raise _damaged(path, cause, "a matrix that numpy.save wrote") from None
    if not (isinstance(rows, np.ndarray) and rows.ndim == 2 and str(rows.dtype) in _TYPES):
        found = f"{rows.dtype} of shape {rows.shape}" if isinstance(rows, np.ndarray) else "no"
        raise _wrong_type(path, found)
    try:
        ids = names.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as cause:
        raise _damaged(names, cause, f"the ids of {path.name}, one in each line") from None
    if len(ids) != len(rows):
        raise DataError(
            str(names),
            f"{len(ids):,} ids",
            f"{len(rows):,}, as many as {path.name} has rows",
            "Write one id for each row",
        )
    return _Side(path, [id_.removesuffix("\r") for id_ in ids], rows)


_TYPE_OF = {"float": "float32", "halffloat": "float16", "double": "float64", "int8": "int8"}
"""Names of Arrow and of NumPy."""


def _digest(side: _Side) -> str:
    digest = hashlib.sha256("\n".join(side.ids).encode())
    digest.update(f"{side.rows.dtype} {side.rows.shape}".encode())
    for start in range(0, len(side.rows), 16_384):
        digest.update(np.ascontiguousarray(side.rows[start : start + 16_384]).data)
    return digest.hexdigest()


def _wrong_type(path: Path, found: str) -> DataError:
    expected = f"vectors of {', '.join(_TYPES)}"
    return DataError(str(path), found, expected, "Write the vectors as such numbers")


def _damaged(path: Path, cause: BaseException, expected: str) -> DataError:
    words = " ".join(str(cause).split())[:200]
    return DataError(str(path), f"no readable file ({words})", expected, "Write it again")
