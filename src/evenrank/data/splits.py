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

from evenrank.data.corpus import ParallelCorpus, codes, components
from evenrank.errors import ConfigError, DataError

_LAST = "\U0010ffff"
"""Sorts after any name: a unit has the name of an article if one of its rows has one."""


def split_corpus(
    corpus: ParallelCorpus,
    fractions: Mapping[str, float],
    *,
    by: Literal["passage", "article"],
    seed: int,
) -> dict[str, ParallelCorpus]:
    """Split a corpus into parts that share no passage, in any language.

    A unit is all items of a passage and its translations (``by="passage"``), or of an article
    (``by="article"``); units that share a passage or an article are one unit. A passage without an
    article in any language is a unit of its own. The order of the units depends on the
    seed and their ids, not on the order of the rows, and the fractions say where it is cut. If
    units are large, some are then moved to bring the parts nearer to their fractions of the
    items.

    Args:
        corpus: What to split.
        fractions: Name of each part to its share of the items, above 0; they add up to 1.
        by: What must stay together.
        seed: Another seed gives another split; 0 or more.

    Returns:
        The parts by name, in the order of ``fractions``.

    Raises:
        ConfigError: The fractions do not add up to 1, or the seed is negative.
        DataError: No row names an article, or a part would be empty.

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
    middles = np.cumsum(sizes) - sizes / 2  # a unit belongs where most of it is
    part_of_unit = np.searchsorted(np.cumsum(targets)[:-1], middles, side="right")
    _balance(part_of_unit, sizes, targets)
    parts = {}
    for number, name in enumerate(fractions):
        items = np.flatnonzero(part_of_unit[place_of_item] == number)
        if not len(items):
            raise DataError(
                f"corpus {corpus.name!r}",
                f"no items for {name!r}: there are {len(labels)} units that stay together",
                "at least one unit in each part",
                "Split by passage" if by == "article" else "Use fewer or larger parts",
            )
        parts[name] = corpus.select(items, f"{corpus.name}:{name}")
    return parts


def _drawn_order(labels: list[str], seed: int) -> NDArray[np.int64]:
    """Return units in a random order, which depends on the seed and their labels only."""
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
    total = sum(fractions.values())
    if min(fractions.values(), default=0) <= 0 or not math.isclose(total, 1, abs_tol=1e-9):
        raise ConfigError(
            f"split {', '.join(f'{name}={share:g}' for name, share in fractions.items())}",
            f"a sum of {total:g}",
            "fractions above 0 that add up to 1",
            "Write it like: train=0.8,dev=0.1,test=0.1",
        )
    if seed < 0:
        raise ConfigError("split seed", str(seed), "0 or more", "Choose another seed")


def _units(corpus: ParallelCorpus, by: str) -> tuple[NDArray[np.int64], list[str]]:
    """Return the unit of each item, and a label for each unit that no order of rows changes."""
    item, lang = np.nonzero(corpus.rows >= 0)
    rows = corpus.rows[item, lang]
    groups = corpus.groups
    labels = corpus.table.column("passage_id")
    if by == "article":
        articles = corpus.table.column("article")
        blank = pc.equal(pc.utf8_trim_whitespace(articles), "")  # a missing title is not an article
        articles = pc.if_else(blank, pa.scalar(None, articles.type), articles)
        article = codes(articles)[rows]
        named = article >= 0
        if not named.any():
            raise DataError(
                f"corpus {corpus.name!r}",
                "no article",
                "an article for passages",
                "Split by passage",
            )
        first = int(groups.max()) + 1  # the node of the first article
        edges = (groups[item[named]], first + article[named])
        groups = components(first + int(article.max()) + 1, *edges)[groups]
        labels = pc.coalesce(articles, pc.binary_join_element_wise(_LAST, labels, ""))
    names = pc.unique(labels)
    names = names.take(pc.sort_indices(names))
    numbers, unit_of_item = np.unique(groups, return_inverse=True)
    label = np.full(len(numbers), len(names))
    np.minimum.at(label, unit_of_item[item], pc.index_in(labels, names).to_numpy()[rows])
    return unit_of_item, names.take(pa.array(label)).to_pylist()
