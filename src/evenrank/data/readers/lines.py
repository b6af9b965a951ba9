"""JSON lines, plain or gzip-compressed: one object a line, UTF-8."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import orjson

from evenrank.data.readers.base import Chunk, Part, Row, Unreadable
from evenrank.errors import DataError

SUFFIXES = (".jsonl", ".jsonl.gz")

_CHUNK_LINES = 1024


def stem(path: Path) -> str:
    """Return a file's name without ``.jsonl`` or ``.jsonl.gz``."""
    return path.name.removesuffix(".gz").removesuffix(".jsonl")


def lines_part(path: Path, lang: str | None = None) -> Part:
    """Return the part that a file of JSON lines is."""
    return Part(str(path), path.stat().st_size, partial(_read, path), lang)


def _read(path: Path, columns: frozenset[str]) -> Iterator[Chunk]:
    del columns  # a line is parsed whole or not at all
    rows: list[tuple[int, Row | Unreadable]] = []
    number = position = 0
    with path.open("rb") as file:
        try:
            lines = gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file
            for number, line in enumerate(lines, 1):
                if line.isspace():
                    continue
                rows.append((number, _parse(path, number, line)))
                if len(rows) == _CHUNK_LINES:
                    yield Chunk(rows, file.tell() - position)
                    rows, position = [], file.tell()
        except (EOFError, zlib.error, gzip.BadGzipFile) as cause:
            rows.append((number + 1, _broken_gzip(path, number + 1, cause)))
        yield Chunk(rows, file.tell() - position)


def _parse(path: Path, number: int, line: bytes) -> Row | Unreadable:
    if number == 1:
        line = line.removeprefix(codecs.BOM_UTF8)  # some editors begin a file with one
    try:
        value = orjson.loads(line)
        if isinstance(value, dict):
            return value
        found = f"{type(value).__name__} {_clip(line)}"
    except orjson.JSONDecodeError as cause:
        found = _diagnosis(line, cause)
    error = DataError(
        f"{path}:{number}",
        found,
        "a JSON object in UTF-8 on each line",
        "Mend the line, or pass --skip-bad FILE to leave out what is bad",
    )
    return Unreadable(error, line.decode(errors="backslashreplace").rstrip("\r\n"))


def _diagnosis(line: bytes, cause: orjson.JSONDecodeError) -> str:
    try:
        line.decode()
    except UnicodeDecodeError as wrong:
        return f"byte 0x{line[wrong.start]:02x} at position {wrong.start}, which is no UTF-8"
    return f"{_clip(line)}, which is no JSON ({cause.msg})"


def _clip(line: bytes, width: int = 60) -> str:
    text = line.decode(errors="backslashreplace").strip()
    return repr(text if len(text) <= width else text[:width] + "...")


def _broken_gzip(path: Path, number: int, cause: Exception) -> Unreadable:
    found = "the end of a gzip file cut short" if isinstance(cause, EOFError) else f"{cause}"
    error = DataError(
        f"{path}:{number}",
        found,
        "a whole gzip file",
        "Copy or download the file again, or pass --skip-bad FILE to keep the rows before",
    )
    return Unreadable(error)
