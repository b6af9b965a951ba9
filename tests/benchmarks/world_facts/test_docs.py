"""docs/world-facts.md says what the code makes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from evenrank.benchmarks.world_facts import cldr_version, world_facts
from evenrank.benchmarks.world_facts.facts import RELATIONS
from evenrank.benchmarks.world_facts.names import _FINDERS

PAGE = (Path(__file__).parents[3] / "docs" / "world-facts.md").read_text(encoding="utf-8")


def facts_of(split):
    """Relation of each fact of a split, and whether it exists in all languages."""
    corpus = world_facts(split)
    ids = corpus.column("id", corpus.first_rows)
    complete = (corpus.rows >= 0).all(axis=1)
    return [
        (id_.partition("/")[0], whole)
        for id_, whole in zip(ids, complete, strict=True)
        if "#" not in id_
    ]


def test_every_kind_of_name_is_listed():
    for kind in [*_FINDERS, "year"]:
        assert f"`{{{kind}}}`" in PAGE.replace("\n", " ")


@pytest.mark.skipif(not cldr_version().startswith("CLDR 47 "), reason="counts are of CLDR 47")
def test_counts():
    splits = {name: facts_of(name) for name in ("all", "train", "dev", "test")}
    counts = {name: Counter(relation for relation, _ in found) for name, found in splits.items()}
    whole = Counter(relation for relation, complete in splits["all"] if complete)
    for name in RELATIONS:
        numbers = (counts["all"][name], whole[name], *(counts[s][name] for s in list(counts)[1:]))
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
        assert row.endswith(" | " + " | ".join(map(str, numbers)) + " |")
    totals = (len(splits["all"]), whole.total(), *(len(splits[s]) for s in list(counts)[1:]))
    assert "| all | | " + " | ".join(f"{total:,}" for total in totals) + " |" in PAGE
    corpus = world_facts()
    assert f"{len(corpus):,} items and {corpus.table.num_rows:,} rows" in PAGE


@pytest.mark.skipif(not cldr_version().startswith("CLDR 47 "), reason="counts are of CLDR 47")
@pytest.mark.parametrize(
    ("label", "split"),
    [
        ("queries, `world-facts`", "test"),
        ("queries, `world-facts:dev`", "dev"),
        ("passages", "all"),
    ],
)
def test_counts_of_the_benchmark(label, split):
    corpus = world_facts(split)
    first = ["#" not in id_ for id_ in corpus.column("id", corpus.first_rows)]
    counts = (corpus.rows[np.array(first)] >= 0).sum(axis=0).tolist()
    assert f"| {label} | " + " | ".join(f"{n:,}" for n in [*counts, sum(counts)]) + " |" in PAGE
