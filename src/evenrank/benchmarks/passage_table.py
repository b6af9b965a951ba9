"""Collections too large for memory: JSON lines become one Arrow file, which is memory-mapped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from evenrank.errors import DataError
from evenrank.files import cache_folder, cache_lock, fingerprint_of, whole_file, write_json
from evenrank.progress import bar

SCHEMA = pa.schema([("id", pa.large_string()), ("text", pa.large_string())])
BATCH_ROWS = 16_384

Row = tuple[str, str]
Lines = Callable[[Path], Iterable[tuple[int, bytes]]]
"""Number and content of each line of a file."""


@dataclass(frozen=True, eq=False)
class PassageTable:
    """Ids and texts of a collection's passages, on the disk.

    Attributes:
        ids: Their ids.
        texts: Their texts.
        fingerprint: A short SHA-256 of both, in their order.
    """

    ids: pa.ChunkedArray
    texts: pa.ChunkedArray
    fingerprint: str

    def __len__(self) -> int:
        return len(self.ids)


def open_passages(
    name: str, files: list[Path], lines: Lines, row: Callable[[Any], Row]
) -> PassageTable:
    """Open a collection, converting its files once into the cache.

    A file that has changed since is converted again. One of several processes converts, the others
    wait. Memory holds one batch of rows.

    Args:
        name: Where the converted file goes, below ``benchmarks`` in the cache: ``miracl/sw``.
        files: JSON lines.
        lines: Reads a file.
        row: Makes id and text of a line's object; a ``KeyError`` or ``TypeError`` means that a
            field is missing or no text.

    Raises:
        DataError: A line is not JSON or lacks a field, or a file is damaged.
    """
    stats = [(str(path.resolve()), path.stat()) for path in files]
    key = fingerprint_of(*(f"{path} {stat.st_size} {stat.st_mtime_ns}" for path, stat in stats))
    target = cache_folder() / "benchmarks" / name / f"{key}.arrow"
    record = target.with_suffix(".json")
    if not record.exists():
        with cache_lock(target.parent / "convert"):
            if not record.exists():  # not even now
                rows = _rows(files, lines, row)
                write_json(record, {"fingerprint": _convert(rows, target, name)})
    table = pa.ipc.open_file(pa.memory_map(str(target))).read_all()
    fingerprint = orjson.loads(record.read_bytes())["fingerprint"]
    return PassageTable(table["id"], table["text"], fingerprint)


def _convert(rows: Iterator[Row], target: Path, name: str) -> str:
    """Write rows batch by batch and return their fingerprint."""
    digest = hashlib.sha256()
    with (
        whole_file(target, overwrite=True) as part,
        pa.ipc.new_file(str(part), SCHEMA) as writer,
        bar(f"Converting {name}", unit="passages") as progress,
    ):
        for batch in _batches(rows):
            columns = [list(column) for column in zip(*batch, strict=True)]
            digest.update(orjson.dumps(columns))
            arrays = [pa.array(column, pa.large_string()) for column in columns]
            writer.write_batch(pa.record_batch(arrays, schema=SCHEMA))
            progress.advance(len(batch))
    return digest.hexdigest()[:16]


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _rows(files: list[Path], lines: Lines, row: Callable[[Any], Row]) -> Iterator[Row]:
    for path in files:
        for number, line in lines(path):
            try:
                id_, text = row(orjson.loads(line))
            except orjson.JSONDecodeError as cause:
                raise _bad(path, number, f"a line that is not JSON ({cause})") from cause
            except KeyError as cause:
                raise _bad(path, number, f"no field {cause}") from cause
            except (TypeError, AttributeError) as cause:
                raise _bad(path, number, "a field that is not a text") from cause
            if id_.split() != [id_]:
                raise _bad(path, number, f"the id {id_!r}")
            yield id_, text


def _bad(path: Path, number: int, found: str) -> DataError:
    expected = "one JSON object with an id without white space and texts"
    return DataError(f"{path}:{number}", found, expected, "Get the file again")
