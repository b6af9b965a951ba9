"""Rankings drawn by Hypothesis, as plain lists and as the pool that a measure sees."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import pytest
from hypothesis import strategies as st

from evenrank.measures.base import example_pool
from evenrank.ranking.ranks import PoolRanks

LANGS = ("de", "el", "en", "th")


@dataclass
class Drawn:
    """Full rankings of the same passages.

    Attributes:
        sizes: Passages of each language.
        orders: For each query, the languages of all passages, best first.
        relevant: For each query, the ranks (from 1) of its relevant passages, ascending.
        query_langs: Language of each query.
    """

    sizes: dict[str, int]
    orders: list[list[str]]
    relevant: list[list[int]]
    query_langs: list[str]

    @property
    def ranks_by_lang(self) -> list[dict[str, list[int]]]:
        found = []
        for order, relevant in zip(self.orders, self.relevant, strict=True):
            by_lang = defaultdict(list)
            for rank in relevant:
                by_lang[order[rank - 1]].append(rank)
            found.append(dict(by_lang))
        return found

    @property
    def pool(self) -> PoolRanks:
        return example_pool(self.ranks_by_lang, self.sizes, self.query_langs, self.orders)


@st.composite
def _rankings(draw: st.DrawFn) -> Drawn:
    langs = LANGS[: draw(st.integers(1, 4))]
    sizes = {lang: draw(st.integers(1, 4)) for lang in langs}
    passages = [lang for lang, size in sizes.items() for _ in range(size)]
    queries = range(draw(st.integers(1, 6)))
    ranks = st.integers(1, len(passages))
    return Drawn(
        sizes=sizes,
        orders=[draw(st.permutations(passages)) for _ in queries],
        relevant=[sorted(draw(st.sets(ranks))) for _ in queries],
        query_langs=[draw(st.sampled_from(langs)) for _ in queries],
    )


@pytest.fixture(scope="session")
def rankings() -> st.SearchStrategy[Drawn]:
    """Draw 1 to 6 full rankings of a few passages in 1 to 4 languages, with relevant ones."""
    return _rankings()
