"""Opening a corpus: it is converted once, then memory-mapped.

A source is converted into a folder of the cache. The folder's name depends on the source's path,
sizes and modification times, the filter and the languages. So a source that changes is read again,
and one that does not change opens in milliseconds, at any size.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import orjson

from evenrank.data.conversion import Request, convert, load
from evenrank.data.corpus import ParallelCorpus
from evenrank.data.filters import parse_filter
from evenrank.data.readers.base import Source, open_source
from evenrank.errors import ConfigError, FileError
from evenrank.files import (
    cache_folder,
    cache_lock,
    fingerprint_of,
    refuse_overlap,
    whole_file,
    whole_folder,
)
from evenrank.languages import parse_languages

FORMAT = "3"
"""Part of every key: raise it when reading or converting changes the result."""

logger = logging.getLogger(__name__)


def open_corpus(
    source: str | Path,
    *,
    where: str | None = None,
    languages: str | Sequence[str] | None = None,
    skip_bad: str | Path | None = None,
    name: str | None = None,
) -> ParallelCorpus:
    """Open a parallel corpus.

    Args:
        source: A file of rows with a ``lang`` field (``.jsonl``, ``.csv``, ``.tsv``, ``.parquet``);
            a folder of such files named after languages; a BEIR folder, or one for each language;
            a folder of mMARCO; ``hf:ID[@REVISION][:CONFIG][:SPLIT]``; or ``world-facts[:SPLIT]``.
        where: A filter on the columns of the source, such as ``is_impossible != true``; see
            ``evenrank.data.filters``.
        languages: Languages to read, such as ``["de", "en"]`` or ``"de,en"``; all if ``None``.
        skip_bad: Leave out bad rows, and write them with the reason to this file. Without it, the
            first bad row is an error. ``counts`` of the corpus says how many there are.
        name: Name of the corpus; by default that of the folder, file or data set.

    Raises:
        DataError: The source does not exist or breaks its contract; the message names the line.
        ConfigError: The filter is not one, or names a column that does not exist.
        FileError: The operating system refuses the source or the cache folder.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     line = '{"id": 1, "question": "Who?", "context": "Ada."}'
    ...     _ = (Path(folder) / "en.jsonl").write_text(line)
    ...     corpus = open_corpus(folder, name="tiny")
    >>> corpus.languages, len(corpus), corpus.column("passage", corpus.first_rows)
    (('en',), 1, ['Ada.'])
    """
    request = Request(
        where=None if where is None else parse_filter(where),
        languages=None if languages is None else frozenset(parse_languages(languages)),
        strict=skip_bad is None,
    )
    if skip_bad is not None:
        check_skip_bad(skip_bad, source)
    found = open_source(str(source))
    try:
        folder = _converted(found, request)
    except OSError as cause:
        raise FileError.of(cause, cache_folder()) from cause
    corpus = load(folder, name or found.name)
    counts = corpus.counts
    if counts.filtered or counts.other_languages:
        why = "the filter" if request.where else "their label"
        text = "%s: of %d rows, %d left out by %s and %d in other languages"
        logger.info(text, corpus.name, counts.read, counts.filtered, why, counts.other_languages)
    if counts.skipped:
        logger.warning("%s: skipped %d bad rows of %d", corpus.name, counts.skipped, counts.read)
    if skip_bad is not None:
        with whole_file(skip_bad, overwrite=True) as part:
            shutil.copyfile(folder / "skipped.jsonl", part)
    return corpus


def check_skip_bad(skip_bad: str | Path, source: str | Path) -> None:
    """Refuse to write bad rows into the source, or over a file of something else.

    Raises:
        ConfigError: ``skip_bad`` is a file of the source, or exists and has no bad rows.
    """
    refuse_overlap(skip_bad, path_of(source))
    if not (path := Path(skip_bad)).is_file():
        return
    with path.open("rb") as file:
        line = file.readline()
    try:
        ours = not line or set(orjson.loads(line)) == {"place", "reason", "raw"}
    except (orjson.JSONDecodeError, TypeError):
        ours = False
    if not ours:
        expected = "a new file, or one of bad rows"
        raise ConfigError(str(skip_bad), "a file of something else", expected, "Use another name")


def path_of(source: str | Path) -> str:
    """Return the path in a source, if there is one: ``a/b`` of ``hf:a/b::train``."""
    text = str(source)
    return text[3:].partition(":")[0] if text.startswith("hf:") else text


def _converted(source: Source, request: Request) -> Path:
    """Return the folder of the converted source; convert it if it is not there."""
    wanted = ",".join(sorted(request.languages)) if request.languages else "all"
    where = request.where.text if request.where else ""
    view = fingerprint_of(FORMAT, source.origin, where, wanted)
    folder = cache_folder() / "corpora" / f"{view}-{fingerprint_of(source.stamp)}"
    if _usable(folder, request):  # also in a cache that cannot be written
        return folder
    with cache_lock(folder):  # processes of one job convert once, not each
        if not _usable(folder, request):
            for left in folder.parent.glob(f".{folder.name}.*.part"):  # by a process that died
                shutil.rmtree(left, ignore_errors=True)
            with whole_folder(folder, marker="conversion", overwrite=True) as part:
                convert(source, request, part)
            # of the source before it changed; a process that has one open can still read it
            for older in folder.parent.glob(f"{view}-*"):
                if older.is_dir() and older != folder:
                    shutil.rmtree(older, ignore_errors=True)
    return folder


def _usable(folder: Path, request: Request) -> bool:
    """Return whether there is a conversion; a strict request needs one without bad rows."""
    if not os.path.exists(folder / "facts.json"):  # noqa: PTH110 - False for a name too long
        return False
    return not (request.strict and (folder / "skipped.jsonl").stat().st_size)
