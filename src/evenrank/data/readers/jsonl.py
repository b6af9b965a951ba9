"""One file of JSON lines, plain or gzip-compressed, whose rows name their language."""

from __future__ import annotations

from pathlib import Path

from evenrank.data.readers.base import READERS, Reader, Source, stamp_of_files
from evenrank.data.readers.lines import SUFFIXES, lines_part, stem


def _recognises(source: str) -> bool:
    return source.endswith(SUFFIXES) and Path(source).is_file()


def _open(source: str) -> Source:
    path = Path(source)
    return Source(stem(path), str(path.resolve()), stamp_of_files(path), (lines_part(path),))


READERS.register(
    "jsonl", Reader("a .jsonl or .jsonl.gz file with a lang field", _recognises, _open)
)
