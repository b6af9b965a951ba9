"""Folders with one file of rows for each language: ``de.jsonl``, ``zh-TW.parquet``.

A folder for each language works as well, with one file or more: ``de/train-00000-of-02.parquet``.
So do files with the language in their names (``train-de.jsonl``), and files whose rows name it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from evenrank.data.layouts.base import layout_of
from evenrank.data.readers.base import READERS, Reader, Source, stamp_of_files
from evenrank.data.readers.files import OF_LANGUAGES, key_of, part_of, stem
from evenrank.errors import DataError
from evenrank.languages import language_in, language_name, normalise

_ENGLISH_WORDS = frozenset(["all", "bad", "dev", "mix", "new", "old", "raw", "set", "top"])
"""Names of files that are language codes too: ``dev`` is Domung, ``all`` Allar, ``new`` Newari."""
_MMARCO = ("_collection", "_queries")

logger = logging.getLogger(__name__)


def _open_folder(source: str) -> Source:
    folder = Path(source)
    found = _by_name(_row_files(folder))
    inside = sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    if not found and inside and all(map(_is_of_language, inside)):
        by_lang = by_language(inside)
        found = [(lang, path) for lang, some in by_lang.items() for path in _row_files(some)]
    if not found:
        names = ", ".join(path.name for path in inside)
        raise DataError(
            source,
            f"no file that ends in {', '.join(OF_LANGUAGES)}",
            "one file or folder for each language, such as de.jsonl, or a BEIR folder",
            f"Name a folder in it: {names}" if inside else "Correct the path",
        )
    parts = tuple(part_of(path, lang, key_of(path, folder)) for lang, path in found)
    stamp = stamp_of_files(*(path for _, path in found))
    return Source(folder.resolve().name, str(folder.resolve()), stamp, parts)


def _by_name(files: list[Path]) -> list[tuple[str | None, Path]]:
    """Return files with the languages that they are named after.

    A name is a language, or has one as a part of it. Otherwise the rows of the files have to name
    their own.
    """
    if not files or any(_is_language(stem(path)) for path in files):
        return list(by_language(files).items())
    in_names = [(language_in(stem(path)), path) for path in files]
    if all(lang for lang, _ in in_names):
        return in_names
    if all(lang is None for lang, _ in in_names) and all(map(_names_languages, files)):
        return in_names
    return list(by_language(files).items())  # which raises the error


def _names_languages(path: Path) -> bool:
    """Say whether the rows of a file name their languages, or have a layout that we know."""
    for chunk in part_of(path).read(frozenset(["lang", "language"])):
        names = next((set(row) for _, row in chunk.rows if isinstance(row, dict)), set())
        return bool({"lang", "language"} & names or layout_of(names))
    return False


def _row_files(folder: Path) -> list[Path]:
    """Return the files of rows in a folder, by name."""
    named = (path for path in folder.iterdir() if path.name.endswith(OF_LANGUAGES))
    return sorted(path for path in named if path.is_file() and path.name[0] != ".")


def _is_of_language(folder: Path) -> bool:
    """Say whether a folder is named after a language and has its rows, as on the Hub."""
    return _is_language(folder.name) and bool(_row_files(folder))


def _is_language(name: str) -> bool:
    try:
        return bool(normalise(name))
    except DataError:
        return False


def by_language(paths: Iterable[Path]) -> dict[str, Path]:
    """Return files or folders by the language that they are named after.

    Raises:
        DataError: A name is not a language, or two name the same one.
    """
    of_lang: dict[str, Path] = {}
    for path in paths:
        lang = _language_of(path)
        if lang in of_lang:
            raise DataError(
                str(path),
                f"a second name for {language_name(lang)} ({lang}), after {of_lang[lang].name}",
                "one file or folder for each language",
                "Merge the two, or name them after different languages or regions (en-US, en-GB)",
            )
        of_lang[lang] = path
        if stem(path) in _ENGLISH_WORDS:
            text = "%s is read as %s (%s). If it is not: rename it, or open the file itself"
            logger.warning(text, path, language_name(lang), lang)
    return of_lang


def _language_of(path: Path) -> str:
    try:
        return normalise(stem(path))
    except DataError:
        remedy = "Rename it; or open the file itself, if its rows have a lang field"
        if any(part in path.name for part in _MMARCO):
            remedy = (
                "This looks like mMARCO: it needs queries, collections and qrels, and no others"
            )
        found = "a name that is not a language code"
        expected = "files or folders named after languages, such as de.jsonl"
        raise DataError(str(path), found, expected, remedy) from None


READERS.register(
    "folder",
    Reader(
        "a folder of such files, named after languages",
        lambda source: Path(source).is_dir(),
        _open_folder,
        general=True,
    ),
)
