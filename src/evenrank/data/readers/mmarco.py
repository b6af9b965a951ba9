"""mMARCO (``unicamp-dl/mmarco``): queries and collections of each language, joined by ids.

Files are found by their names, at any depth: ``queries`` or ``collection`` and a language, also in
the name of a folder (``german_queries.train.tsv``, ``collection-german/collection/0000.parquet``);
and ``qrels`` or ``triples`` of ids, which all languages share. Texts are TSV without a header, or
Parquet with ``id`` and ``text``.

- An item is a query with a passage that qrels call relevant. Its ``id`` is the query's, followed by
  ``#`` and the passage's if there are several.
- ``passage_id`` is the passage's id; all relevant passages of a query share one.
- ``split`` is the name of the file of qrels or triples.
- ``negatives`` are the passages that triples name: the first 10 different ones of each pair, in the
  order of the file, without passages of the pair's own group. (MS MARCO has about 100 of each.)
"""

from __future__ import annotations

import gzip
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Literal, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from evenrank.data.corpus import components
from evenrank.data.readers.base import (
    READERS,
    Chunk,
    Numbered,
    Part,
    Reader,
    Source,
    Unreadable,
    stamp_of_files,
)
from evenrank.errors import DataError
from evenrank.languages import language_in, language_name

_TABLES = (".tsv", ".tsv.gz", ".parquet")
_PAIRS = (".tsv", ".tsv.gz", ".txt", ".trec")
_DEPTH = 5
_ROWS = 4096
_NEGATIVES = 10
_Kind = Literal["queries", "collection"]


class _Pair(NamedTuple):
    """Ids of a query, of a relevant passage and of others, with the number of the first line."""

    number: int
    query: str
    passage: str
    negatives: list[str]


class _Pairs(NamedTuple):
    """The pairs of a file of qrels or triples."""

    path: Path
    lines: list[_Pair]
    bad: list[Numbered]


class _Files(NamedTuple):
    """The files of mMARCO in a folder."""

    texts: dict[tuple[_Kind, str], list[Path]]
    judged: list[Path]


def _find(folder: Path) -> _Files:
    texts: defaultdict[tuple[_Kind, str], list[Path]] = defaultdict(list)
    judged = []
    patterns = ["/".join(["*"] * depth) for depth in range(1, _DEPTH + 1)]
    for path in sorted(path for pattern in patterns for path in folder.glob(pattern)):
        inside = path.relative_to(folder)
        if not path.is_file() or any(part[0] == "." for part in inside.parts):
            continue
        if path.name.endswith(_PAIRS) and any(word in path.name for word in ("qrels", "triples")):
            judged.append(path)
        elif path.name.endswith(_TABLES) and (found := _kind_and_language(inside)):
            texts[found].append(path)
    return _Files(dict(texts), judged)


def _kind_and_language(path: Path) -> tuple[_Kind, str] | None:
    """Return what a file has, by its name or that of a folder."""
    for part in reversed(path.parts):
        if lang := language_in(part.removesuffix(".gz").removesuffix(path.suffix)):
            words = path.as_posix()
            if "queries" in part or ("queries" in words and "collection" not in part):
                return "queries", lang
            return ("collection", lang) if "collection" in words else None
    return None


def _recognises(source: str) -> bool:
    folder = Path(source)
    if not folder.is_dir():
        return False
    kinds = {kind for kind, _ in _find(folder).texts}
    return {"queries", "collection"} <= kinds


def _open(source: str) -> Source:
    folder = Path(source)
    files = _find(folder)
    if not files.judged:
        expected = "qrels*.tsv or triples*.tsv, ids of queries and of relevant passages"
        remedy = "Add qrels.train.tsv of MS MARCO, which all languages share"
        raise DataError(source, "mMARCO without qrels", expected, remedy)
    langs = sorted({lang for _, lang in files.texts})
    for lang in langs:
        for kind in ("queries", "collection"):
            if (kind, lang) not in files.texts:
                found = f"no {kind} in {language_name(lang)} ({lang})"
                raise DataError(source, found, "queries and a collection", "Add the file")
    load = cache(lambda: [_pairs(path) for path in files.judged])
    every = [path for some in files.texts.values() for path in some]
    parts = tuple(
        Part(
            f"{source} in {lang}",
            sum(path.stat().st_size for kind in _KINDS for path in files.texts[kind, lang]),
            partial(_read, files, lang, load),
            lang,
            counts="row",
        )
        for lang in langs
    )
    stamp = stamp_of_files(*every, *files.judged)
    return Source(folder.resolve().name, str(folder.resolve()), stamp, parts)


_KINDS: tuple[_Kind, _Kind] = ("queries", "collection")


def _pairs(path: Path) -> _Pairs:
    """Read qrels (three or four columns) or triples of ids."""
    triples = "triples" in path.name
    lines: dict[tuple[str, str], _Pair] = {}
    bad: list[Numbered] = []
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        for number, raw in enumerate(cast("Iterable[bytes]", file), 1):
            line = raw.decode(errors="backslashreplace")
            try:
                ids = _ids(line.split(), triples=triples)
            except (ValueError, IndexError):
                if line.strip() and number > 1:  # the first line may be a header
                    expected = "ids of a query and a passage, and a whole number"
                    place, found = f"{path}:{number}", repr(line[:60].strip())
                    bad.append((number, Unreadable.at(place, found, expected, raw=line.strip())))
                continue
            if ids is None:
                continue
            query, passage, *negatives = ids
            pair = lines.setdefault((query, passage), _Pair(number, query, passage, []))
            for one in negatives:
                if len(pair.negatives) < _NEGATIVES and one not in pair.negatives:
                    pair.negatives.append(one)
    return _Pairs(path, list(lines.values()), bad)


def _ids(fields: list[str], *, triples: bool) -> list[str] | None:
    """Return the ids of a line: query, relevant passage and, of a triple, another passage.

    ``None``: the line says that the passage is not relevant.
    """
    if triples:
        if len(fields) != 3:
            raise ValueError(fields)
        return fields
    if len(fields) not in (3, 4):
        raise ValueError(fields)
    return [fields[0], fields[-2]] if int(fields[-1]) > 0 else None


def _as_text(names: list[str]) -> pacsv.ConvertOptions:
    return pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))


def _texts(paths: list[Path], wanted: set[str]) -> dict[str, str]:
    """Return the texts with some ids."""
    ids = pa.array(sorted(wanted), pa.string())
    found: dict[str, str] = {}
    for path in paths:
        try:
            for batch in _batches(path):
                some = batch.filter(pc.is_in(batch["id"], ids))
                found.update(zip(some["id"].to_pylist(), some["text"].to_pylist(), strict=True))
        except (pa.ArrowInvalid, pa.ArrowKeyError, KeyError) as cause:
            expected = "an id and a text, separated by a tab; or columns id and text"
            raise DataError(str(path), str(cause), expected, "Correct the file") from cause
    return found


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    names = ["id", "text"]
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=names):
                id_, text = (pc.cast(batch[name], pa.string()) for name in names)
                yield pa.record_batch([id_, text], names)
        return
    options = pacsv.ParseOptions(delimiter="\t", quote_char=False)
    with pacsv.open_csv(path, pacsv.ReadOptions(column_names=names), options, _as_text(names)) as r:
        yield from r


def _read(
    files: _Files, lang: str, load: Callable[[], list[_Pairs]], _: frozenset[str]
) -> Iterator[Chunk]:
    judged = load()
    pairs = [pair for one in judged for pair in one.lines]
    wanted = {id_ for pair in pairs for id_ in (pair.passage, *pair.negatives)}
    queries = _texts(files.texts["queries", lang], {pair.query for pair in pairs})
    passages = _texts(files.texts["collection", lang], wanted)
    group, several = _groups(pairs)
    size = sum(path.stat().st_size for kind in _KINDS for path in files.texts[kind, lang])
    for one in judged:
        if one.bad:
            yield Chunk(one.bad, 0)
        for start in range(0, len(one.lines), _ROWS):
            rows: list[Numbered] = []
            for number, query, passage, negatives in one.lines[start : start + _ROWS]:
                missing = [("query", query)] if query not in queries else []
                missing += [("passage", p) for p in (passage, *negatives) if p not in passages]
                if missing:
                    what, id_ = missing[0]
                    found = f"{what} id {id_!r}, which has no text in {language_name(lang)}"
                    bad = Unreadable.at(f"{one.path}:{number}", found, "an id of its files")
                    rows.append((number, bad))
                    continue
                own = group.get(passage, passage)
                others = [passages[p] for p in negatives if group.get(p, p) != own]
                row = {
                    "id": f"{query}#{passage}" if query in several else query,
                    "passage_id": own,
                    "query": queries[query],
                    "passage": passages[passage],
                    "split": one.path.name.removesuffix(".gz").partition(".")[2].rpartition(".")[0],
                }
                rows.append((number, row | {"negatives": others} if others else row))
            yield Chunk(rows, len(rows) * size / max(1, len(pairs)))


def _groups(pairs: list[_Pair]) -> tuple[dict[str, str], set[str]]:
    """Return the name of the group of passages that share one, and queries with several."""
    counts = Counter(pair.query for pair in pairs)
    several = {query for query, count in counts.items() if count > 1}
    numbers: dict[str, int] = {}
    first: dict[str, str] = {}
    edges = [
        (
            numbers.setdefault(first.setdefault(q, p), len(numbers)),
            numbers.setdefault(p, len(numbers)),
        )
        for _, q, p, _ in pairs
        if q in several
    ]
    if not edges:
        return {}, several
    left, right = np.array(edges).T
    of = components(len(numbers), left, right)
    names = list(numbers)
    roots = np.unique(of, return_index=True)[1]
    return {name: names[roots[of[number]]] for name, number in numbers.items()}, several


READERS.register(
    "mmarco",
    Reader("a folder of mMARCO: queries, collections and qrels", _recognises, _open),
)
