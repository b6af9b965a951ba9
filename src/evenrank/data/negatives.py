"""Negatives as a column of a corpus: set for its rows, or copied from a corpus that was mined."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import JsonValue

from evenrank.data.corpus import SCHEMA, ParallelCorpus
from evenrank.errors import DataError
from evenrank.files import fingerprint_of

FACTS = "negatives.json"
"""File next to a corpus that says where its negatives come from."""
_KEY = ("lang", "id", "passage")


def with_negatives(
    corpus: ParallelCorpus, rows: NDArray[np.int32], negatives: pa.ListArray
) -> ParallelCorpus:
    """Return a corpus with other negatives.

    Args:
        corpus: The corpus; it is not changed.
        rows: Rows of its table.
        negatives: A list of texts for each of these rows. Other rows have none.
    """
    place = np.full(corpus.table.num_rows, -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    column = negatives.take(pa.array(place, mask=place < 0))
    at = SCHEMA.get_field_index("negatives")
    texts = negatives.values.to_pylist()
    return ParallelCorpus(
        name=corpus.name,
        table=corpus.table.set_column(at, SCHEMA.field(at), column),
        languages=corpus.languages,
        rows=corpus.rows,
        groups=corpus.groups,
        fingerprint=fingerprint_of(
            corpus.fingerprint, rows.tobytes(), np.asarray(negatives.offsets).tobytes(), *texts
        ),
        counts=corpus.counts,
    )


def facts_of_negatives(corpus: ParallelCorpus, source: str) -> dict[str, JsonValue]:
    """Return the file that says where the negatives of a corpus come from, to be written with it.

    Args:
        corpus: The corpus.
        source: What it, or its negatives, were read from. What is known there stays.

    Returns:
        The content by name; nothing for a corpus without negatives.

    Raises:
        DataError: The file of the source is damaged.
    """
    column = corpus.table["negatives"]
    if column.null_count == len(column):
        return {}
    file = Path(source) / FACTS
    if not file.is_file():
        name = source if source.startswith("hf:") else Path(source).name
        return {FACTS: {"source": name, "corpus_fingerprint": corpus.fingerprint}}
    try:
        return {FACTS: orjson.loads(file.read_bytes())}
    except ValueError as cause:
        expected, remedy = "what 'data mine' writes", "Restore it, or remove it"
        raise DataError(str(file), "no readable JSON", expected, remedy) from cause


def copy_negatives(corpus: ParallelCorpus, mined: ParallelCorpus) -> ParallelCorpus:
    """Return a corpus with the negatives of another one, which has its rows and maybe more.

    Raises:
        DataError: A row is not in the mined corpus, or has another passage there; or the mined
            corpus has no negatives.
    """
    source = mined.table["negatives"]
    if source.null_count == len(source):
        remedy = "Mine them: evenrank data mine MODEL CORPUS --output OUT"
        raise DataError(f"corpus {mined.name!r}", "no negatives", "a mined corpus", remedy)
    rows = np.sort(corpus.rows[corpus.rows >= 0])
    there = np.sort(mined.rows[mined.rows >= 0])
    keys = zip(*(mined.column(name, there) for name in _KEY[:2]), strict=True)
    places = dict(zip(keys, there.tolist(), strict=True))
    found = []
    for lang, id_, passage in zip(*(corpus.column(name, rows) for name in _KEY), strict=True):
        row = places.get((lang, id_))
        if row is None or mined.table["passage"][row].as_py() != passage:
            what = "no row with this id" if row is None else "another passage"
            raise DataError(
                f"corpus {mined.name!r}, id {id_!r} in {lang!r}",
                what,
                f"the rows of corpus {corpus.name!r}",
                "Name the corpus that was mined from this one, or mine again",
            )
        found.append(row)
    lists = pc.fill_null(source.take(pa.array(found)).combine_chunks(), [])
    return with_negatives(corpus, rows, lists)
