"""Writing a corpus as a folder of ``<lang>.jsonl.gz``, which any reader of JSON lines can use."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import JsonValue

from evenrank.data.corpus import SCHEMA, ParallelCorpus
from evenrank.files import whole_folder, write_json
from evenrank.languages import normalise
from evenrank.progress import Bar, bar

MARKER = "corpus"
_BATCH_ROWS = 4096
_COLUMNS = [name for name in SCHEMA.names if name != "lang"]  # the file's name says it


def write_corpus(
    corpus: ParallelCorpus,
    folder: str | Path,
    *,
    overwrite: bool = False,
    facts: Mapping[str, JsonValue] | None = None,
) -> None:
    """Write the items of a corpus, one file for each language, completely or not at all.

    Rows are in the order of the items. Fields that are null are left out. The same corpus gives
    the same bytes.

    Args:
        corpus: What to write; of a split, only its own items are written.
        folder: The folder to write.
        overwrite: Replace a corpus that evenrank wrote.
        facts: JSON files to write next to the rows, by name.

    Raises:
        ConfigError: The folder exists, is not empty, and may not be replaced.
        DataError: The corpus has a code that is not a language.
    """
    rows = int((corpus.rows >= 0).sum())
    with (
        whole_folder(folder, marker=MARKER, overwrite=overwrite) as part,
        bar(f"Writing {corpus.name}", rows, "rows") as progress,
    ):
        for name, value in (facts or {}).items():
            write_json(part / name, value)
        for column, lang in enumerate(corpus.languages):
            path = part / f"{normalise(lang)}.jsonl.gz"
            numbers = corpus.rows[:, column]
            with (
                path.open("wb") as raw,
                gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as file,
            ):
                _write_rows(corpus, numbers[numbers >= 0], file, progress)


def _write_rows(
    corpus: ParallelCorpus, numbers: NDArray[np.int32], file: gzip.GzipFile, progress: Bar
) -> None:
    for start in range(0, len(numbers), _BATCH_ROWS):
        block = numbers[start : start + _BATCH_ROWS]
        columns = [corpus.column(name, block) for name in _COLUMNS]
        for values in zip(*columns, strict=True):
            row = {name: v for name, v in zip(_COLUMNS, values, strict=True) if v is not None}
            file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        progress.advance(len(block))
