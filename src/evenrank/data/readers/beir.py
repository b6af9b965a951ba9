"""BEIR folders as a parallel corpus: ``corpus.jsonl``, ``queries.jsonl``, ``qrels/*.tsv``.

There is one such folder for each language (``de/``, ``en/``), or one whose texts have a field
``language`` or ``lang``, also within ``metadata``. An item is a query with a relevant passage of
its own language (a grade of 1 or more). Ids join the languages. Where one folder has several
languages, parallel queries share ``parallel`` in their ``metadata``, as our exports write it; or
their ids are equal without a language at the start or end: ``de/q1`` and ``en/q1`` are ``q1``.

- ``id`` is the query's id, followed by ``#`` and the passage's id if the query has several relevant
  passages in a language.
- ``passage_id`` is shared by all passages that are relevant for a query or its parallel queries, in
  any language. In a folder with several languages nothing else joins passages: ``de/p1`` and
  ``en/p1`` may be the first sentences of unrelated texts.
- ``passage`` is the title, if there is one, and the text. ``split`` is the name of the file of
  qrels, and ``score`` the grade, for filters such as ``split = "train"``.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import NamedTuple

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
from evenrank.data.readers.files import text_rows
from evenrank.data.readers.folder import by_language
from evenrank.errors import DataError
from evenrank.languages import normalise


class _Folder(NamedTuple):
    """One BEIR folder; ``lang`` is ``None`` if each text names its own language."""

    lang: str | None
    queries: Path
    corpus: Path
    qrels: tuple[Path, ...]


class _Judged(NamedTuple):
    """A line of qrels that names a relevant passage."""

    number: int
    query: str
    passage: str
    score: int


@dataclass
class _Texts:
    """The judged texts of a folder by id, and what could not be read."""

    queries: dict[str, Row] = field(default_factory=dict)
    corpus: dict[str, Row] = field(default_factory=dict)
    bad: list[Numbered] = field(default_factory=list)


Load = Callable[[_Folder], _Texts]


Joined = tuple[set[str], dict[str, str]]
"""Items with several relevant passages in a language; the passage group of each passage."""


def _find(folder: Path, lang: str | None = None) -> _Folder | None:
    """Return the BEIR folder at a path, if there is one."""
    files = [
        next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)
        for name in ("queries.jsonl", "corpus.jsonl")
    ]
    queries, corpus = files
    qrels = tuple(sorted((folder / "qrels").glob("*.tsv")))
    return _Folder(lang, queries, corpus, qrels) if queries and corpus and qrels else None


def _subfolders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _recognises(source: str) -> bool:
    folder = Path(source)
    return folder.is_dir() and any(map(_find, [folder, *_subfolders(folder)]))


def _open(source: str) -> Source:
    folder = Path(source)
    whole = _find(folder)
    by_lang = {} if whole else by_language(_subfolders(folder))
    folders = [whole] if whole else [_complete(path, lang) for lang, path in by_lang.items()]
    load = lru_cache(maxsize=1)(_load)  # the texts of one folder at a time
    joined = cache(partial(_join, folders, load))
    parts = tuple(
        Part(
            str(qrels), qrels.stat().st_size, partial(_read, found, qrels, load, joined), found.lang
        )
        for found in folders
        for qrels in found.qrels
    )
    stamp = stamp_of_files(*(p for f in folders for p in (f.queries, f.corpus, *f.qrels)))
    return Source(folder.resolve().name, str(folder.resolve()), stamp, parts)


def _complete(folder: Path, lang: str) -> _Folder:
    found = _find(folder, lang)
    if not found:
        files = "corpus.jsonl, queries.jsonl and qrels/*.tsv in each folder"
        raise DataError(str(folder), "an incomplete BEIR folder", files, "Complete or move it")
    return found


def _judged(path: Path) -> Iterator[_Judged | tuple[int, Unreadable]]:
    """Yield the relevant passages that a file of qrels names, and its bad lines."""
    text = path.read_bytes().decode("utf-8-sig", errors="backslashreplace")
    for number, line in enumerate(text.split("\n"), 1):
        fields = line.rstrip("\r").split("\t")
        try:
            query, passage, score = fields
            if int(score) > 0:
                yield _Judged(number, query, passage, int(score))
        except ValueError:
            if line.strip() and number > 1:  # the first line is a header
                expected = "query id, passage id and a whole number, separated by tabs"
                yield number, Unreadable.at(f"{path}:{number}", repr(line[:60]), expected, raw=line)


def _load(folder: _Folder) -> _Texts:
    """Read the queries and passages that the qrels of a folder name."""
    judged = [j for path in folder.qrels for j in _judged(path) if isinstance(j, _Judged)]
    texts = _Texts()
    for path, wanted, found in (
        (folder.queries, {j.query for j in judged}, texts.queries),
        (folder.corpus, {j.passage for j in judged}, texts.corpus),
    ):
        with path.open("rb") as raw:
            for number, row in text_rows(path, raw):
                if isinstance(row, Unreadable):
                    texts.bad.append((number, row))
                elif (id_ := str(row.get("_id"))) in found:
                    twice = f"id {id_!r} a second time"
                    bad = Unreadable.at(f"{path}:{number}", twice, "each id once", raw=str(row))
                    texts.bad.append((number, bad))
                elif id_ in wanted:
                    found[id_] = row
    return texts


def _join(folders: list[_Folder], load: Load) -> Joined:
    """Find items with several relevant passages in a language, and join the passages of an item."""
    relevant: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    parent: dict[str, str] = {}
    first_of: dict[str, str] = {}
    bare: dict[str, str] = {}

    def root(passage: str) -> str:
        while (above := parent.setdefault(passage, passage)) != passage:
            parent[passage] = passage = parent[above]
        return passage

    for folder in folders:
        for judged in (j for path in folder.qrels for j in _judged(path)):
            if not isinstance(judged, _Judged):
                continue
            item = _item(judged, folder, load)
            ends = sorted((root(judged.passage), root(first_of.setdefault(item, judged.passage))))
            parent[ends[1]] = ends[0]
            if judged.passage not in bare:
                body = None if folder.lang else load(folder).corpus.get(judged.passage)
                bare[judged.passage] = _bare(judged.passage, _language(body), folder)
            if lang := _language_of(folder, judged, load):
                relevant[lang, item].add(judged.passage)
    several = {item for (_, item), passages in relevant.items() if len(passages) > 1}
    return several, _named({passage: root(passage) for passage in parent}, bare)


def _named(root_of: dict[str, str], bare: dict[str, str]) -> dict[str, str]:
    """Return the name of each passage's group: the id of all its passages, if no other has it."""
    ids: defaultdict[str, set[str]] = defaultdict(set)
    for passage, root in root_of.items():
        ids[root].add(bare[passage])
    groups_with = Counter(id_ for some in ids.values() for id_ in some)
    names = {
        root: id_ if len(some) == 1 and groups_with[id_] == 1 else root
        for root, some in ids.items()
        for id_ in [min(some)]
    }
    return {passage: names[root] for passage, root in root_of.items()}


def _item(judged: _Judged, folder: _Folder, load: Load) -> str:
    """Return the id that a query shares with its parallel queries."""
    if folder.lang:
        return judged.query
    row = load(folder).queries.get(judged.query)
    metadata = (row or {}).get("metadata")
    parallel = metadata.get("parallel") if isinstance(metadata, dict) else None
    if isinstance(parallel, str | int) and not isinstance(parallel, bool):
        return str(parallel)
    return _bare(judged.query, _language(row), folder)


def _language_of(folder: _Folder, judged: _Judged, load: Load) -> str | None:
    """Return the language that a query and its passage are both in, if there is one."""
    if folder.lang:
        return folder.lang
    texts = load(folder)
    langs = {
        _language(row)
        for row in (texts.queries.get(judged.query), texts.corpus.get(judged.passage))
    }
    return langs.pop() if len(langs) == 1 else None


def _language(row: Row | None) -> str | None:
    """Return the language that a text names, if it does."""
    row = row or {}
    metadata = row.get("metadata")
    for fields in (row, metadata if isinstance(metadata, dict) else {}):
        for name in ("language", "lang"):
            if isinstance(code := fields.get(name), str):
                return normalise(code, f"BEIR text {row.get('_id')!r}")
    return None


def _bare(id_: str, lang: str | None, folder: _Folder) -> str:
    """Return an id without the language that it begins or ends with, if all are in one folder."""
    if folder.lang or not lang:
        return id_
    return re.sub(rf"^{re.escape(lang)}[/_:.-](?=.)|(?<=.)[/_:.-]{re.escape(lang)}$", "", id_)


def _read(
    folder: _Folder, qrels: Path, load: Load, joined: Callable[[], Joined], _: frozenset[str]
) -> Iterator[Chunk]:
    items = joined()
    texts = load(folder)
    rows: list[Numbered] = list(texts.bad) if qrels == folder.qrels[0] else []
    others: dict[str, int] = {}  # queries with a relevant passage of another language
    done: set[str] = set()
    for judged in _judged(qrels):
        if not isinstance(judged, _Judged):
            rows.append(judged)
        elif missing := _missing(judged, folder, texts, qrels):
            rows.append((judged.number, missing))
        elif lang := _language_of(folder, judged, load):
            item = _item(judged, folder, load)
            row = _row(judged, item, lang, folder, texts, items) | {"split": qrels.stem}
            rows.append((judged.number, row))
            done.add(judged.query)
        else:
            others[judged.query] = judged.number
    for query in others.keys() - done:
        place = f"{qrels}:{others[query]}"
        found = f"query {query!r} with relevant passages in other languages only"
        bad = Unreadable.at(place, found, "at least one in its own language")
        rows.append((others[query], bad))
    yield Chunk(rows, qrels.stat().st_size)


def _row(
    judged: _Judged, item: str, lang: str, folder: _Folder, texts: _Texts, items: Joined
) -> Row:
    several, group = items
    body = texts.corpus[judged.passage]
    title, text = body.get("title") or None, body.get("text")
    bare = _bare(judged.passage, lang, folder)
    return {
        "id": f"{item}#{bare}" if item in several else item,
        "passage_id": group[judged.passage],
        "title": title,
        "lang": lang,
        "query": texts.queries[judged.query].get("text"),
        "passage": f"{title} {text}" if title and text else text,
        "score": judged.score,
    }


def _missing(judged: _Judged, folder: _Folder, texts: _Texts, qrels: Path) -> Unreadable | None:
    """Return what is wrong if a judged text is not there, or names no language."""
    for kind, path, id_, found in (
        ("query", folder.queries, judged.query, texts.queries),
        ("passage", folder.corpus, judged.passage, texts.corpus),
    ):
        if id_ not in found:
            place = f"{qrels}:{judged.number}"
            return Unreadable.at(place, f"{kind} id {id_!r}", f"an id of {path.name}")
        if not folder.lang and not _language(found[id_]):
            expected = "a field 'language', also within 'metadata'; or a folder for each language"
            return Unreadable.at(f"{path}", f"{kind} {id_!r} without a language", expected)
    return None


READERS.register(
    "beir",
    Reader("a BEIR folder, or a folder of them, one for each language", _recognises, _open),
)
