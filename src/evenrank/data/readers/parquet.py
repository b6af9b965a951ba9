"""One Parquet file with a ``lang`` column."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from evenrank.data.readers.base import READERS, Chunk, Part, Reader, Source, stamp_of_files
from evenrank.data.readers.columns import check_columns, chunks_of
from evenrank.errors import DataError

_BATCH_ROWS = 4096


def _recognises(source: str) -> bool:
    return source.endswith(".parquet") and Path(source).is_file()


def _open(source: str) -> Source:
    path = Path(source)
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
    except pa.ArrowInvalid as cause:
        raise _damaged(path, cause) from cause
    check_columns(schema, source)
    part = Part(
        source, path.stat().st_size, partial(_read, path), None, tuple(schema.names), counts="row"
    )
    return Source(path.stem, str(path.resolve()), stamp_of_files(path), (part,))


def _read(path: Path, columns: frozenset[str]) -> Iterator[Chunk]:
    with pq.ParquetFile(path) as file:
        wanted = [name for name in file.schema_arrow.names if name in columns]
        size_of_row = path.stat().st_size / max(1, file.metadata.num_rows)
        try:
            batches = file.iter_batches(_BATCH_ROWS, columns=wanted)
            yield from chunks_of(batches, str(path), size_of_row)
        except (pa.ArrowInvalid, OSError) as cause:
            raise _damaged(path, cause) from cause


def _damaged(path: Path, cause: Exception) -> DataError:
    return DataError(
        str(path), f"damage ({cause})", "a whole Parquet file", "Copy or download the file again"
    )


READERS.register("parquet", Reader("a .parquet file with a lang column", _recognises, _open))
