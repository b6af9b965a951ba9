r"""Add a corpus reader: a phrase book, one item a line, a column for each language.

    lang    de                  en
    q1      Wann öffnet ...?    When does ...?
    a1      Um acht Uhr.        At eight o'clock.

A file ``*.phrases`` is a corpus once this module is imported:

>>> import tempfile
>>> import evenrank
>>> text = "lang\tde\ten\nq1\tWann?\tWhen?\na1\tUm acht.\tAt eight.\n"
>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder) / "hours.phrases"
...     _ = path.write_text(text, encoding="utf-8")
...     corpus = evenrank.open_corpus(path)
>>> corpus.languages, len(corpus)
(('de', 'en'), 1)
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from evenrank.data.readers.base import (
    READERS,
    Chunk,
    Part,
    Reader,
    Row,
    Source,
    Unreadable,
    stamp_of_files,
)
from evenrank.errors import DataError


def _open(source: str) -> Source:
    """Look at the file; its rows are read later, and checked by evenrank."""
    path = Path(source)
    part = Part(str(path), path.stat().st_size, partial(_read, path))
    return Source(path.stem, str(path.resolve()), stamp_of_files(path), (part,))


def _read(path: Path, columns: frozenset[str]) -> Iterator[Chunk]:
    """Yield one row for each item and language: two lines of the file are an item."""
    with path.open(encoding="utf-8", newline="") as file:
        head, *lines = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    numbered = list(enumerate(lines, start=2))
    for query, passage in zip(numbered[::2], numbered[1::2], strict=False):
        yield Chunk(list(_rows(path, head, query, passage)), consumed=0)
    if len(numbered) % 2:
        number, line = numbered[-1]
        error = DataError(
            f"{path}:{number}",
            "a query without a passage",
            "a line with the passage below it",
            "Add the line",
        )
        yield Chunk([(number, Unreadable(error, "\t".join(line)))], consumed=0)


def _rows(
    path: Path, head: list[str], query: tuple[int, list[str]], passage: tuple[int, list[str]]
) -> Iterator[tuple[int, Row]]:
    number, texts = query
    for column, lang in enumerate(head[1:], start=1):
        row = {"id": texts[0], "passage_id": passage[1][0], "lang": lang}
        yield number, row | {"query": texts[column], "passage": passage[1][column]}


READERS.register("phrases", Reader("*.phrases", lambda source: source.endswith(".phrases"), _open))
