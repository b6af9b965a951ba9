"""Files of rows.

JSON lines
    ``.jsonl``: one object on each line, in UTF-8. A single file may also be ``.json``: lines, or a
    list of objects.
CSV
    ``.csv``: a header line, commas, double quotes (RFC 4180). ``.tsv``: a header line and tabs;
    nothing is quoted. Every value is the text that is written; an empty one is a missing value.
Parquet
    ``.parquet``: columns of strings, or of whole numbers for ids.

JSON lines and CSV may be compressed by gzip: ``.jsonl.gz``.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from evenrank.data.layouts.base import layout_of
from evenrank.data.readers.base import (
    READERS,
    Chunk,
    Numbered,
    Part,
    Reader,
    Row,
    Source,
    Unreadable,
    stamp_of_files,
)
from evenrank.data.rows import FIELDS
from evenrank.errors import DataError

_TEXT = (".jsonl", ".csv", ".tsv")
OF_LANGUAGES = (*_TEXT, *(f"{suffix}.gz" for suffix in _TEXT), ".parquet")
SUFFIXES = (*OF_LANGUAGES, ".json")

_BATCH_ROWS = 4096
_BLOCK_ROWS = 1024
_NOT_UTF_8 = re.compile("[\udc80-\udcff]")  # how such bytes are decoded


def _open_file(source: str) -> Source:
    path = Path(source)
    return Source(stem(path), str(path.resolve()), stamp_of_files(path), (part_of(path),))


def stem(path: Path) -> str:
    """Return the name of a folder, or of a file without its suffixes."""
    return path.name if path.is_dir() else path.name.removesuffix(".gz").rpartition(".")[0]


def key_of(path: Path, folder: Path) -> str:
    """Return what a file is called within a folder: ``de/train``."""
    return (path.relative_to(folder).parent / stem(path)).as_posix()


def part_of(path: Path, lang: str | None = None, key: str = "") -> Part:
    """Return the part that a file is.

    Args:
        path: The file.
        lang: The language of all its rows, if it is known.
        key: What it is called within its source; its name without suffix by default.

    Raises:
        DataError: The file is damaged.
    """
    size = path.stat().st_size
    key = key or stem(path)
    if path.suffix == ".parquet":
        columns = _parquet_columns(path)
        return Part(str(path), size, partial(_read_parquet, path), lang, columns, "row", key)
    return Part(str(path), size, partial(_read_text, path), lang, key=key)


def text_rows(path: Path, raw: IO[bytes]) -> Iterator[Numbered]:
    """Yield the rows of a text file, plain or gzip-compressed, and what cannot be read.

    Args:
        path: Its name, which says what is in it.
        raw: The open file.
    """
    return chain.from_iterable(_blocks(path, raw))


def _blocks(path: Path, raw: IO[bytes]) -> Iterator[list[Numbered]]:
    number = 0
    try:
        file: Any = io.BufferedReader(gzip.GzipFile(fileobj=raw)) if path.suffix == ".gz" else raw
        head = file.peek(4)[:4]
        if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or 0 in head:
            remedy = f"Convert the file: iconv -f UTF-16 -t UTF-8 {path.name}"
            yield [(1, Unreadable.at(f"{path}:1", "UTF-16 text", "UTF-8", remedy))]
            return
        for block in (_csv_blocks if _is_table(path) else _json_blocks)(path, file):
            yield block
            number = block[-1][0] if block else number
    except (EOFError, zlib.error, gzip.BadGzipFile) as cause:
        number += 1
        short = isinstance(cause, EOFError)
        found = "the end of a gzip file cut short" if short else str(cause)
        remedy = "Copy the file again, or pass --skip-bad FILE to keep the rows before"
        yield [(number, Unreadable.at(f"{path}:{number}", found, "a complete gzip file", remedy))]


def _read_text(path: Path, columns: frozenset[str]) -> Iterator[Chunk]:
    del columns  # a line is parsed as a whole
    with path.open("rb") as raw:
        position = 0
        for block in _blocks(path, raw):
            yield Chunk(block, raw.tell() - position)
            position = raw.tell()


def _is_table(path: Path) -> bool:
    return path.name.removesuffix(".gz").endswith((".csv", ".tsv"))


def _json_blocks(path: Path, file: IO[bytes]) -> Iterator[list[Numbered]]:
    lines: Iterable[bytes] = file
    if path.suffix == ".json":  # lines, a list of objects, or one object
        text = file.read()
        try:
            value = orjson.loads(text)
            lines = map(orjson.dumps, value) if isinstance(value, list) else [text]
        except orjson.JSONDecodeError:
            lines = io.BytesIO(text)
    first, stopped = 1, None
    while not stopped:
        block: list[bytes] = []
        try:
            block.extend(islice(lines, _BLOCK_ROWS) if isinstance(lines, Iterator) else lines)
        except (EOFError, zlib.error, gzip.BadGzipFile) as cause:
            stopped = cause  # after the lines before
        if first == 1 and block:
            block[0] = block[0].removeprefix(codecs.BOM_UTF8)  # some editors begin a file with one
        if block:
            yield _json_rows(path, block, first)
        elif not stopped:
            return
        first += len(block)
        if not isinstance(lines, Iterator):
            return
    raise stopped


def _json_rows(path: Path, lines: list[bytes], first: int) -> list[Numbered]:
    """Return the rows of some lines; ``first`` is the number of the first of them."""
    try:
        rows = list(map(orjson.loads, lines))
        if set(map(type, rows)) == {dict}:
            return list(enumerate(rows, first))
    except orjson.JSONDecodeError:
        pass
    numbered = ((number, _json_row(path, number, line)) for number, line in enumerate(lines, first))
    return [(number, row) for number, row in numbered if row is not None]


def _json_row(path: Path, number: int, line: bytes) -> Row | Unreadable | None:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as cause:
        return None if line.isspace() else _bad_line(path, number, line, _diagnosis(line, cause))
    if isinstance(row, dict):
        return row
    return _bad_line(path, number, line, f"{type(row).__name__} {_clip(line)}")


def _diagnosis(line: bytes, cause: orjson.JSONDecodeError) -> str:
    try:
        line.decode()
    except UnicodeDecodeError as wrong:
        return f"byte 0x{line[wrong.start]:02x} at position {wrong.start}, which is not UTF-8"
    return f"{_clip(line)}, which is not JSON ({cause.msg})"


def _clip(line: bytes, width: int = 60) -> str:
    text = line.decode(errors="backslashreplace").strip()
    return repr(text if len(text) <= width else text[:width] + "...")


def _bad_line(path: Path, number: int, line: bytes, found: str) -> Unreadable:
    raw = line.decode(errors="backslashreplace").rstrip("\r\n")
    return Unreadable.at(f"{path}:{number}", found, "a JSON object in UTF-8 on each line", raw=raw)


def _csv_blocks(path: Path, file: IO[bytes]) -> Iterator[list[Numbered]]:
    rows = _csv_rows(path, file)
    while block := list(islice(rows, _BLOCK_ROWS)):
        yield block


def _csv_rows(path: Path, file: IO[bytes]) -> Iterator[Numbered]:
    tabs = path.name.removesuffix(".gz").endswith(".tsv")
    lines = chain([next(file, b"").removeprefix(codecs.BOM_UTF8)], file)
    reader = csv.reader(
        (line.decode(errors="surrogateescape") for line in lines),
        delimiter="\t" if tabs else ",",
        quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,
        strict=True,
    )
    header: list[str] | None = None
    while True:
        number = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as cause:  # the limit of a field is csv's own: 131,072 characters
            expected = "fields of up to 131,072 characters, with each quotation mark closed"
            yield number, Unreadable.at(f"{path}:{number}", str(cause), expected)
            continue
        if header is None:
            header = _header(path, values)
            continue
        raw = ("\t" if tabs else ",").join(values)
        if _NOT_UTF_8.search(raw):
            found, raw = "bytes that are not UTF-8", ascii(raw)
            yield number, Unreadable.at(f"{path}:{number}", found, "UTF-8", raw=raw)
        elif len(values) == len(header):
            yield number, {name: v or None for name, v in zip(header, values, strict=True)}
        elif values:
            found, expected = f"{len(values)} fields", f"{len(header)}, as in the header"
            yield number, Unreadable.at(f"{path}:{number}", found, expected, raw=raw)


def _header(path: Path, names: list[str]) -> list[str]:
    names = [name.strip() for name in names]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}:1", f"column {twice!r} twice", "different names", "Rename one")
    return names


def _parquet_columns(path: Path) -> tuple[str, ...]:
    try:
        return tuple(pq.read_schema(path).names)
    except pa.ArrowInvalid as cause:
        raise _damaged(path, cause) from cause


def _read_parquet(path: Path, columns: frozenset[str]) -> Iterator[Chunk]:
    with pq.ParquetFile(path) as file:
        names = set(file.schema_arrow.names)
        missing = [f for f in FIELDS if f.required and not names & {f.name, f.alias}]
        if layout := layout_of(names):
            columns |= layout.fields | layout.optional
        elif [field.name for field in missing] not in ([], ["lang"]):
            columns = frozenset(names)  # which the error lists
        size_of_row = path.stat().st_size / max(1, file.metadata.num_rows)
        number = 1
        try:
            for batch in file.iter_batches(_BATCH_ROWS, columns=sorted(names & columns)):
                rows = _rows_of_batch(batch, f"{path}, row", number)
                yield Chunk(list(enumerate(rows, number)), len(rows) * size_of_row)
                number += len(rows)
        except (pa.ArrowInvalid, OSError) as cause:
            raise _damaged(path, cause) from cause


def _rows_of_batch(batch: Any, place: str, first: int) -> list[Row | Unreadable]:  # noqa: ANN401
    try:
        return list(batch.to_pylist())
    except UnicodeDecodeError as cause:
        if batch.num_rows > 1:  # one by one, to find the bad rows
            single = (batch.slice(at, 1) for at in range(batch.num_rows))
            return [_rows_of_batch(row, place, first + at)[0] for at, row in enumerate(single)]
        found = f"byte 0x{cause.object[cause.start]:02x} in a text, which is not UTF-8"
        return [Unreadable.at(f"{place} {first}", found, "texts in UTF-8")]


def _damaged(path: Path, cause: Exception) -> DataError:
    remedy = "Copy or download the file again"
    return DataError(str(path), f"damage ({cause})", "a complete Parquet file", remedy)


READERS.register(
    "file",
    Reader(
        f"a file ({', '.join(SUFFIXES)}) with a lang field",
        lambda source: source.endswith(SUFFIXES) and Path(source).is_file(),
        _open_file,
    ),
)
