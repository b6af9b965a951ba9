"""Splits by passage or by article, so that no translation of a test passage is trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import blake2b
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from evenrank.data.corpus import ParallelCorpus
from evenrank.errors import ConfigError, DataError


def split_corpus(
    corpus: ParallelCorpus,
    fractions: Mapping[str, float],
    *,
    by: Literal["passage", "article"],
    seed: int,
) -> dict[str, ParallelCorpus]:
    """Split a corpus into parts that share no passage, in any language.

    A unit is all items of a passage and its translations (``by="passage"``), or of an article
    (``by="article"``); units that have a passage or article in common are one unit. Units are put
    in an order that follows from the seed and their ids alone, not from the order of the rows, and
    the order is cut where the fractions say. Where units are large, some then change sides to bring
    the parts nearer to their fractions of the items.

    Args:
        corpus: What to split.
        fractions: Name of each part to its share of the items, above 0; they add up to 1.
        by: What must stay together.
        seed: Another seed, another split; 0 or more.

    Returns:
        The parts by name, in the order of ``fractions``.

    Raises:
        ConfigError: The fractions do not add up to 1, or the seed is negative.
        DataError: A passage has no article in any language, or a part would be empty.

    >>> from evenrank.data.corpus import corpus_from_rows
    >>> text = {"lang": "en", "query": "?", "passage": "."}
    >>> rows = [{"id": str(n), "passage_id": str(n // 2), **text} for n in range(20)]
    >>> whole = corpus_from_rows(rows, "tiny")
    >>> parts = split_corpus(whole, {"train": 0.8, "test": 0.2}, by="passage", seed=0)
    >>> {name: len(part) for name, part in parts.items()}
    {'train': 16, 'test': 4}
    """
    _check(fractions, seed)
    unit_of_item, labels = _units(corpus, by)
    order = _drawn_order(labels, seed)
    place_of_item = np.argsort(order)[unit_of_item]
    sizes = np.bincount(place_of_item, minlength=len(labels))
    targets = np.array(list(fractions.values())) * len(corpus)
    middles = np.cumsum(sizes) - sizes / 2  # a unit goes where most of it lies
    part_of_unit = np.searchsorted(np.cumsum(targets)[:-1], middles, side="right")
    _balance(part_of_unit, sizes, targets)
    parts = {}
    for number, name in enumerate(fractions):
        items = np.flatnonzero(part_of_unit[place_of_item] == number)
        if not len(items):
            raise _empty_part(corpus, name, by, len(labels))
        parts[name] = corpus.select(items, f"{corpus.name}:{name}")
    return parts


def _drawn_order(labels: list[str], seed: int) -> NDArray[np.int64]:
    """Return units in an order that is random, but follows from the seed and their labels alone."""
    keys = [blake2b(label.encode(), key=str(seed).encode(), digest_size=8) for label in labels]
    hashes = np.array([int.from_bytes(key.digest()) for key in keys], dtype=np.uint64)
    return np.argsort(hashes)


def _balance(
    part_of_unit: NDArray[np.int64], sizes: NDArray[np.int64], targets: NDArray[np.float64]
) -> None:
    """Move units from the fullest to the emptiest part while that brings both nearer to target."""
    while True:
        excess = np.bincount(part_of_unit, weights=sizes, minlength=len(targets)) - targets
        fullest, emptiest = int(excess.argmax()), int(excess.argmin())
        gap = excess[fullest] - excess[emptiest]
        units = np.flatnonzero(part_of_unit == fullest)
        if len(units) < 2:
            return
        best = units[np.argmin(np.abs(sizes[units] - gap / 2))]
        if sizes[best] >= gap:
            return
        part_of_unit[best] = emptiest


def _check(fractions: Mapping[str, float], seed: int) -> None:
    shown = ", ".join(f"{name}={share:g}" for name, share in fractions.items()) or "nothing"
    if not (all(share > 0 for share in fractions.values()) and _is_one(sum(fractions.values()))):
        raise ConfigError(
            f"split {shown}",
            f"a sum of {sum(fractions.values()):g}",
            "fractions above 0 that add up to 1",
            "Write it like: train=0.8,dev=0.1,test=0.1",
        )
    if seed < 0:
        raise ConfigError("split seed", str(seed), "0 or more", "Choose another seed")


def _is_one(value: float) -> bool:
    return math.isclose(value, 1, abs_tol=1e-9)


def _units(corpus: ParallelCorpus, by: str) -> tuple[NDArray[np.int64], list[str]]:
    """Return the unit of each item, and a label for each unit that no order of rows changes."""
    item, lang = np.nonzero(corpus.rows >= 0)
    names, name_of_row = _sorted_codes(
        corpus.table.column("passage_id" if by == "passage" else "article")
    )
    name = name_of_row[corpus.rows[item, lang]]
    item, name = item[name >= 0], name[name >= 0]
    nameless = np.flatnonzero(~np.isin(corpus.groups, corpus.groups[item]))
    if len(nameless):
        raise _without_article(corpus, nameless)
    groups = int(corpus.groups.max(initial=-1)) + 1
    edges = (corpus.groups[item], groups + name)
    nodes = groups + len(names)
    graph = coo_array((np.ones(len(item), dtype=np.int8), edges), shape=(nodes, nodes))
    _, component = connected_components(graph, directed=False)
    used = np.unique(name)  # in the order of the names, so that the first of a unit is its least
    units, first = np.unique(component[groups + used], return_index=True)
    unit_of_item = np.searchsorted(units, component[corpus.groups])
    return unit_of_item, names.take(pa.array(used[first])).to_pylist()


def _sorted_codes(column: pa.ChunkedArray) -> tuple[pa.Array, NDArray[np.int64]]:
    """Return the values of a column in sorted order, and the number of each row's, -1 for null."""
    values = pc.unique(column).drop_null()
    values = values.take(pc.sort_indices(values))
    numbers = pc.fill_null(pc.index_in(column, values), -1)
    return values, numbers.to_numpy().astype(np.int64)


def _without_article(corpus: ParallelCorpus, items: NDArray[np.int64]) -> DataError:
    example = corpus.column("id", corpus.first_rows[items[:1]])[0]
    return DataError(
        f"corpus {corpus.name!r}",
        f"{len(items)} of {len(corpus)} items without an article, such as {example!r}",
        "an article for each passage, in some language",
        'Split by passage, or read the corpus with a filter such as article != "", '
        "on the field as the source calls it",
    )


def _empty_part(corpus: ParallelCorpus, name: str, by: str, units: int) -> DataError:
    return DataError(
        f"corpus {corpus.name!r}",
        f"no items for {name!r}: there are {units} units that must stay whole",
        "at least one unit in each part",
        "Split by passage" if by == "article" else "Ask for fewer or larger parts",
    )
