"""Passages that do not fit into memory: JSON lines become one memory-mapped Arrow file."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from evenrank.benchmarks.benchmark import Digests, digest_of
from evenrank.errors import DataError
from evenrank.files import cache_folder, cache_lock, fingerprint_of, whole_file, write_json
from evenrank.progress import bar

SCHEMA = pa.schema([("id", pa.large_string()), ("text", pa.large_string())])
BATCH_ROWS = 16_384
_FORMAT = "2"

Row = tuple[str, str]


@dataclass(frozen=True, eq=False)
class PassageTable:
    """Ids and texts of passages on disk, and their digests."""

    ids: pa.ChunkedArray
    texts: pa.ChunkedArray
    digests: Digests

    def __len__(self) -> int:
        return len(self.ids)


def open_passages(name: str, files: list[Path], row: Callable[[Any], Row]) -> PassageTable:
    """Open passages; their files are converted once into the cache.

    A file that has changed is converted again. One of several processes converts, the others wait.
    Only one batch of rows is in memory.

    Args:
        name: Folder of the converted file, below ``benchmarks`` in the cache: ``miracl/sw``.
        files: JSON lines, also compressed by gzip.
        row: Returns id and text of a line's object; a ``KeyError`` or ``TypeError`` means that a
            field is missing or is not a text.

    Raises:
        DataError: A line is not JSON or misses a field, or a file is damaged.
    """
    stats = [(str(path.resolve()), path.stat()) for path in files]
    versions = (f"{path} {stat.st_size} {stat.st_mtime_ns}" for path, stat in stats)
    target = cache_folder() / "benchmarks" / name / f"{fingerprint_of(_FORMAT, *versions)}.arrow"
    record = target.with_suffix(".json")
    if not record.exists():
        with cache_lock(target.parent / "convert"):
            if not record.exists():  # another process may have converted meanwhile
                _convert(_rows(files, row), target, name)
                table = _open(target)
                digests = Digests(digest_of(table["id"]), digest_of(table["text"]))
                write_json(record, digests._asdict())
    table = _open(target)
    return PassageTable(table["id"], table["text"], Digests(**orjson.loads(record.read_bytes())))


def _open(path: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _convert(rows: Iterator[Row], target: Path, name: str) -> None:
    """Write rows batch by batch."""
    with (
        whole_file(target) as part,
        pa.ipc.new_file(str(part), SCHEMA) as writer,
        bar(f"Converting {name}", unit="passages") as progress,
    ):
        while batch := list(islice(rows, BATCH_ROWS)):
            columns = zip(*batch, strict=True)
            arrays = [pa.array(column, pa.large_string()) for column in columns]
            writer.write_batch(pa.record_batch(arrays, schema=SCHEMA))
            progress.advance(len(batch))


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of each line that is not empty, unpacking ``.gz``.

    Raises:
        DataError: The file is cut short or damaged.
    """
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if stripped := line.rstrip(b"\r\n"):
                    yield number, stripped
    except (EOFError, gzip.BadGzipFile, zlib.error) as cause:
        raise DataError(
            f"{path}, after line {number}",
            f"a damaged file ({cause})",
            "a whole .gz file",
            "Delete it and get it again",
        ) from cause


def _rows(files: list[Path], row: Callable[[Any], Row]) -> Iterator[Row]:
    for path in files:
        for number, line in lines_of(path):
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
