"""The parallel corpus: an Arrow table of rows and a compact item x language matrix.

Shapes: ``R`` rows of the table, ``I`` items, ``L`` languages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from evenrank.errors import DataError
from evenrank.files import fingerprint_of
from evenrank.languages import parse_languages

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("passage_id", pa.string(), nullable=False),
        pa.field("article", pa.string()),
        pa.field("lang", pa.string(), nullable=False),
        pa.field("query", pa.string(), nullable=False),
        pa.field("passage", pa.string(), nullable=False),
        pa.field("negatives", pa.list_(pa.string())),
    ]
)
"""Columns of a corpus: one row for each item and language.

``id`` is shared by an item's languages; ``passage_id`` by the translations of one passage (several
items may share it); ``article`` is the document that a passage comes from, if it is known.
"""


_ENCODED_AT_ONCE = 1 << 21
"""Values that are numbered in one go. Smaller parts need less memory and more comparisons."""
_AT_ONCE = 1 << 16
"""Rows or items for which temporary arrays are created."""


@dataclass
class Counts:
    """What became of the rows that were read; all others are in the corpus.

    Attributes:
        read: All rows.
        filtered: Left out by the filter, or by the label that a data set gives them: pairs of XNLI
            that are not entailment.
        other_languages: Left out because other languages were requested. (Files of such languages
            are not even read.)
        skipped: Left out because they are bad.
    """

    read: int = 0
    filtered: int = 0
    other_languages: int = 0
    skipped: int = 0


@dataclass(frozen=True, eq=False)
class ParallelCorpus:
    """Items (a query and the passage that answers it) in one or more languages.

    Attributes:
        name: The name in reports.
        table: The rows, with ``SCHEMA``; may be memory-mapped, and may contain rows that ``rows``
            does not point at (a split shares the table of its whole).
        languages: The ``L`` languages, sorted.
        rows: ``(I, L)`` int32, the row of each item in each language, -1 where it is missing.
        groups: ``(I,)`` int32, a number shared by the items whose passages are the same passage
            or translations of one another.
        fingerprint: Identifies the content, for run folders and caches.
        counts: What became of the rows of the source that the corpus, or its whole, was read from.
    """

    name: str
    table: pa.Table
    languages: tuple[str, ...]
    rows: NDArray[np.int32]
    groups: NDArray[np.int32]
    fingerprint: str
    counts: Counts = field(default_factory=Counts)

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.rows)

    @property
    def sizes(self) -> dict[str, int]:
        """Each language with its number of rows."""
        return dict(zip(self.languages, (self.rows >= 0).sum(axis=0).tolist(), strict=True))

    @cached_property
    def first_rows(self) -> NDArray[np.int32]:
        """``(I,)`` the row of each item in the first language that it has."""
        first = np.argmax(self.rows >= 0, axis=1)
        return np.ascontiguousarray(self.rows[np.arange(len(self)), first])

    def column(self, name: str, rows: NDArray[Any]) -> list[Any]:
        """Return the values of a column at the given rows, as Python objects."""
        return values_at(self.table.column(name), rows)

    def select(self, items: NDArray[Any], name: str | None = None) -> ParallelCorpus:
        """Return the corpus of some items; the table is shared, no text is copied.

        Args:
            items: Item numbers, or a boolean mask of length ``I``.
            name: Name of the new corpus.

        Languages in which no selected item exists are dropped.
        """
        rows, groups = self.rows[items], self.groups[items]
        kept = np.flatnonzero((rows >= 0).any(axis=0)) if len(rows) else np.array([], dtype=int)
        chosen = np.flatnonzero(items) if np.asarray(items).dtype == bool else np.asarray(items)
        return replace(
            self,
            name=name or self.name,
            languages=tuple(self.languages[column] for column in kept),
            rows=np.ascontiguousarray(rows[:, kept]),
            groups=groups,
            fingerprint=fingerprint_of(self.fingerprint, chosen.astype(np.int64).tobytes()),
        )

    def restrict(self, languages: str | Iterable[str]) -> ParallelCorpus:
        """Return the corpus in some of its languages; items that have none of them are left out.

        Raises:
            DataError: A language is not in the corpus.
        """
        wanted = sorted(parse_languages(languages))
        for lang in wanted:
            if lang not in self.languages:
                raise DataError(
                    f"corpus {self.name!r}",
                    f"no language {lang!r}",
                    f"one of {', '.join(self.languages)}",
                    "Correct the list of languages",
                )
        columns = [self.languages.index(lang) for lang in wanted]
        rows = self.rows[:, columns]
        present = (rows >= 0).any(axis=1)
        return replace(
            self,
            languages=tuple(wanted),
            rows=np.ascontiguousarray(rows[present]),
            groups=self.groups[present],
            fingerprint=fingerprint_of(self.fingerprint, *wanted),
        )


@dataclass(frozen=True, eq=False)
class RowIndex:
    """The item x language matrix of a table.

    Attributes:
        languages: The ``L`` languages, sorted.
        rows: ``(I, L)`` int32, as in :class:`ParallelCorpus`; items in order of first appearance.
        groups: ``(I,)`` int32, as in :class:`ParallelCorpus`.
        repeated: ``(N, 2)`` int64; rows that ``rows`` leaves out because an earlier row has the
            same id and language, and that earlier row.
    """

    languages: tuple[str, ...]
    rows: NDArray[np.int32]
    groups: NDArray[np.int32]
    repeated: NDArray[np.int64]


def index_rows(table: pa.Table, release: Callable[[], object] | None = None) -> RowIndex:
    """Index a table of at least one row that has ``SCHEMA`` and normalised language codes.

    Items whose rows name different passage ids join those ids: an item's passages are
    translations of one another, so every item of either id would be a false negative of the
    others.

    Args:
        table: The rows.
        release: Called after some millions of rows of a column, which are not read again: it may
            take a file that is mapped out of this process's memory.
    """
    item_of_row = codes(table.column("id"), release)
    languages = sorted(pc.unique(table.column("lang")).to_pylist())
    lang_of_row = np.concatenate(
        [
            pc.index_in(chunk, pa.array(languages)).to_numpy().astype(np.int16)
            for chunk in table.column("lang").chunks
        ]
    )
    rows = np.full((int(item_of_row.max()) + 1, len(languages)), -1, dtype=np.int32)
    blocks = [
        slice(start, min(start + _AT_ONCE, len(item_of_row)))
        for start in range(0, len(item_of_row), _AT_ONCE)
    ]  # NumPy makes indices of 64 bits of those of a block, not of all
    for block in blocks:
        numbers = np.arange(block.start, block.stop, dtype=np.int32)
        rows[item_of_row[block], lang_of_row[block]] = numbers
    if len(clash := _other_rows(rows, item_of_row, lang_of_row, blocks)):
        np.minimum.at(rows, (item_of_row[clash], lang_of_row[clash]), clash)  # first stays
        clash = _other_rows(rows, item_of_row, lang_of_row, blocks)
    first = rows[item_of_row[clash], lang_of_row[clash]]
    return RowIndex(
        languages=tuple(languages),
        rows=rows,
        groups=_passage_groups(rows, codes(table.column("passage_id"), release)),
        repeated=np.column_stack([clash, first]).astype(np.int64),
    )


def _other_rows(
    rows: NDArray[np.int32],
    item_of_row: NDArray[np.int32],
    lang_of_row: NDArray[np.int16],
    blocks: Iterable[slice],
) -> NDArray[np.int32]:
    """Return the rows in whose place another row is."""
    found = [
        block.start
        + np.flatnonzero(
            rows[item_of_row[block], lang_of_row[block]] != np.arange(block.start, block.stop)
        )
        for block in blocks
    ]
    return np.concatenate(found).astype(np.int32)


def corpus_from_table(table: pa.Table, name: str, fingerprint: str) -> ParallelCorpus:
    """Index a table of rows: the item x language matrix and the groups of equal passages.

    Args:
        table: Rows with ``SCHEMA``, language codes already normalised.
        name: Name of the corpus.
        fingerprint: Identifies the content.

    Raises:
        DataError: The table is empty, or an id comes twice in one language.
    """
    if table.num_rows == 0:
        raise DataError(
            f"corpus {name!r}", "no rows", "at least one", "Correct the file or the filter"
        )
    index = index_rows(table)
    if len(index.repeated):
        again, first = index.repeated[0].tolist()
        raise DataError(
            f"corpus {name!r}, row {again}",
            f"id {table['id'][again].as_py()!r} again in {table['lang'][again].as_py()!r}, after "
            f"row {first} ({len(index.repeated)} such rows)",
            "each id once in a language",
            "Remove or rename the repeated rows",
        )
    return ParallelCorpus(name, table, index.languages, index.rows, index.groups, fingerprint)


def corpus_from_rows(rows: Iterable[Mapping[str, Any]], name: str) -> ParallelCorpus:
    """Build a corpus in memory from row dictionaries with the columns of ``SCHEMA``.

    >>> corpus = corpus_from_rows(
    ...     [
    ...         {"id": "1", "passage_id": "a", "lang": "de", "query": "Wer?", "passage": "Ada."},
    ...         {"id": "1", "passage_id": "a", "lang": "en", "query": "Who?", "passage": "Ada."},
    ...         {"id": "2", "passage_id": "a", "lang": "en", "query": "She?", "passage": "Ada."},
    ...     ],
    ...     "ada",
    ... )
    >>> corpus.languages, corpus.rows.tolist(), corpus.groups.tolist()
    (('de', 'en'), [[0, 1], [-1, 2]], [0, 0])
    """
    table = pa.Table.from_pylist(list(rows), schema=SCHEMA)
    digest = fingerprint_of(*(repr(row) for row in table.to_pylist()))
    return corpus_from_table(table, name, digest)


def values_at(column: pa.ChunkedArray, rows: NDArray[Any]) -> list[Any]:
    """Return the values at some rows of a column; only these are read.

    (``ChunkedArray.take`` would copy a whole column of strings into memory, at every call.)

    Raises:
        IndexError: A row is negative or past the end.

    >>> values_at(pa.chunked_array([["a", "b"], ["c"]]), np.array([2, 0, 2]))
    ['c', 'a', 'c']
    """
    chunks = column.chunks
    starts = np.cumsum([0, *(len(chunk) for chunk in chunks)])
    wanted = np.asarray(rows)
    chunk_of = np.searchsorted(starts, wanted, side="right") - 1
    offsets = (wanted - starts[chunk_of]).tolist()
    return [
        chunks[chunk][offset].as_py()
        for chunk, offset in zip(chunk_of.tolist(), offsets, strict=True)
    ]


def codes(
    column: pa.ChunkedArray, release: Callable[[], object] | None = None
) -> NDArray[np.int32]:
    """Return a number for each value, in order of first appearance; -1 for null.

    Args:
        column: The values.
        release: Called after some millions of values, which are not read again.

    >>> codes(pa.chunked_array([["b", "a"], ["b", None]])).tolist()
    [0, 1, 0, -1]
    """
    numbers = np.empty(len(column), dtype=np.int32)
    known = pa.array([], column.type)
    for start in range(0, len(column), _ENCODED_AT_ONCE):
        chunks = column.slice(start, _ENCODED_AT_ONCE).dictionary_encode().chunks
        values = chunks[0].dictionary  # all chunks share one dictionary
        places = pc.index_in(values, value_set=known)
        new = np.asarray(places.is_null())
        number_of = np.where(new, len(known) + np.cumsum(new) - 1, pc.fill_null(places, 0))
        number_of = np.append(number_of, -1).astype(np.int32)  # of null
        known = pa.concat_arrays([known, values.filter(pa.array(new))])
        for chunk in chunks:
            numbers[start : start + len(chunk)] = number_of[pc.fill_null(chunk.indices, -1)]
            start += len(chunk)
        if release is not None:
            release()
    return numbers


def components(
    nodes: int, left: NDArray[np.integer], right: NDArray[np.integer]
) -> NDArray[np.int32]:
    """Return the number of each node's connected component in a graph with these edges.

    >>> components(4, np.array([0, 3]), np.array([1, 1])).tolist()
    [0, 0, 1, 0]
    """
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(nodes, nodes))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int32)


def _passage_groups(
    rows: NDArray[np.int32], passage_of_row: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Join passage ids that meet in an item, and return the number of each item's joined ids."""
    own = np.empty(len(rows), dtype=np.int32)
    left, right = [], []
    for start in range(0, len(rows), _AT_ONCE):  # a few temporary arrays, not of all rows
        some = rows[start : start + _AT_ONCE]
        mine = passage_of_row[some[np.arange(len(some)), np.argmax(some >= 0, axis=1)]]
        item, lang = np.nonzero(some >= 0)
        other = passage_of_row[some[item, lang]]
        differ = mine[item] != other
        left.append(mine[item[differ]])
        right.append(other[differ])
        own[start : start + len(some)] = mine
    joined = components(int(passage_of_row.max()) + 1, np.concatenate(left), np.concatenate(right))
    groups: NDArray[np.int32] = joined[own]
    return groups
