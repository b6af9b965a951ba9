"""A folder with one file of JSON lines a language: ``de.jsonl``, ``zh-TW.jsonl.gz``."""

from __future__ import annotations

from pathlib import Path

from evenrank.data.readers.base import READERS, Reader, Source, stamp_of_files
from evenrank.data.readers.lines import SUFFIXES, lines_part, stem
from evenrank.errors import DataError
from evenrank.languages import normalise


def _open(source: str) -> Source:
    folder = Path(source)
    files = sorted(
        path
        for path in folder.iterdir()
        if path.name.endswith(SUFFIXES) and not path.name.startswith(".")
    )
    if not files:
        raise DataError(
            source,
            "no .jsonl or .jsonl.gz file in the folder",
            "one file a language, such as de.jsonl.gz",
            "Correct the path, or name the files after their languages",
        )
    parts = tuple(lines_part(path, normalise(stem(path), str(path))) for path in files)
    return Source(folder.resolve().name, str(folder.resolve()), stamp_of_files(*files), parts)


READERS.register(
    "folder",
    Reader("a folder of <lang>.jsonl[.gz]", lambda source: Path(source).is_dir(), _open),
)
