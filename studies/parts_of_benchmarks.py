"""Corrections on parts of a benchmark: some languages only, or languages of different size.

    EVENRANK_DATA=DATA python studies/parts_of_benchmarks.py MODEL FIT_CORPUS STORE

With ``--benchmark mlqa-r --languages ar,de,en,es``: only the passages and queries in these
languages.

Without ``--languages``, XQuAD-R without some of its passages: ``one``: 70 % of the passages are
English, the others are spread over ten languages; ``three``: all English passages, a quarter of the
German and one in twenty-five of the Thai ones, and nothing else. Corrections are fitted on
FIT_CORPUS, as ``studies/sentences.py`` writes it, chosen on half of the queries and reported on the
other half.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenrank import Plan, compare_corrections, load_benchmark, open_model
from evenrank.benchmarks.benchmark import Benchmark, Relevance, TextSet
from evenrank.evaluation.encode import embed
from evenrank.languages import parse_languages
from evenrank.tables import to_markdown
from evenrank.tuning.choice import Goal
from evenrank.tuning.grid import Grid
from evenrank.tuning.page import NAMES, figures_table, sentence

GRID = Grid(("center", "project", "calibrate"), strengths=(0.3, 1), own_shares=(0.4, 0.6, 0.7, 0.8))


class Remembered:
    """A model that looks up what is encoded already: parts of XQuAD-R are not encoded again."""

    def __init__(self, model: Any, benchmark: Benchmark, store: Path) -> None:  # noqa: ANN401
        embeddings = embed(model, benchmark, store=store)
        self.model, self.fingerprint = model, model.fingerprint
        self.rows = {
            kind: dict(zip(texts.texts.to_pylist(), rows[:], strict=True))
            for kind, texts, rows in (
                ("query", benchmark.queries, embeddings.queries),
                ("passage", benchmark.passages, embeddings.passages),
            )
        }

    def encode_query(self, texts: list[str]) -> NDArray[np.float32]:
        """Return the vectors of queries."""
        return self.encode(texts, "query")

    def encode_document(self, texts: list[str]) -> NDArray[np.float32]:
        """Return the vectors of passages."""
        return self.encode(texts, "passage")

    def encode(self, texts: list[str], kind: str) -> NDArray[np.float32]:
        """Return vectors, computed where they are not known."""
        known = self.rows[kind]
        if new := [text for text in texts if text not in known]:
            known |= dict(zip(new, self.model.encode(new, kind), strict=True))
        return np.stack([known[text] for text in texts])


def corpora(benchmark: Benchmark) -> Iterator[tuple[str, Benchmark]]:
    sizes = dict(zip(benchmark.languages, np.diff(benchmark.offsets).tolist(), strict=True))
    few = round(sizes["en"] * 0.3 / 0.7 / (len(sizes) - 1))
    yield "one", part(benchmark, dict.fromkeys(sizes, few) | {"en": sizes["en"]})
    yield (
        "three",
        part(benchmark, {"en": sizes["en"], "de": sizes["de"] // 4, "th": sizes["th"] // 25}),
    )


def whole(benchmark: Benchmark, languages: str) -> dict[str, int]:
    """Return the number of passages of some languages."""
    sizes = dict(zip(benchmark.languages, np.diff(benchmark.offsets).tolist(), strict=True))
    return {lang: sizes[lang] for lang in parse_languages(languages)}


def part(benchmark: Benchmark, wanted: dict[str, int]) -> Benchmark:
    """Return a benchmark with so many passages of each language, and queries in these languages.

    Passages are drawn so that smaller languages have translations of passages of larger ones.
    """
    random = np.random.default_rng(0)
    order = random.permutation(benchmark.parallel.max() + 1)  # of parallel queries
    kept = np.zeros(len(benchmark.passages), dtype=bool)
    langs = benchmark.passages.langs[benchmark.relevance.passages]
    turn = np.argsort(order)[benchmark.parallel[benchmark.relevance.query_of]]
    for lang, count in wanted.items():
        pairs = np.flatnonzero(langs == benchmark.languages.index(lang))
        found = benchmark.relevance.passages[pairs[np.argsort(turn[pairs], kind="stable")]]
        _, first = np.unique(found, return_index=True)
        kept[found[np.sort(first)[:count]]] = True
        if count >= (benchmark.passages.langs == benchmark.languages.index(lang)).sum():
            kept[benchmark.passages.langs == benchmark.languages.index(lang)] = True
    asked = np.isin(benchmark.queries.langs, [benchmark.languages.index(lang) for lang in wanted])
    pairs = kept[benchmark.relevance.passages] & asked[benchmark.relevance.query_of]
    queries = np.unique(benchmark.relevance.query_of[pairs])
    place = np.cumsum(kept) - 1
    relevance = Relevance.of_pairs(
        np.searchsorted(queries, benchmark.relevance.query_of[pairs]),
        place[benchmark.relevance.passages[pairs]],
        len(queries),
    )
    languages = sorted(wanted)
    numbers = np.array(
        [languages.index(one) if one in wanted else -1 for one in benchmark.languages]
    )

    def some(texts: TextSet, positions: NDArray[np.int64]) -> TextSet:
        at = pa.array(positions)
        langs = numbers[texts.langs[positions]].astype(np.int16)
        return TextSet(texts.ids.take(at), texts.texts.take(at), langs)

    return replace(
        benchmark,
        languages=tuple(languages),
        name=f"{benchmark.name} in {len(wanted)} languages",
        queries=some(benchmark.queries, queries),
        parallel=benchmark.parallel[queries],
        passages=some(benchmark.passages, np.flatnonzero(kept)),
        relevance=relevance,
        digests=None,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("fit_corpus")
    parser.add_argument("store", type=Path)
    parser.add_argument("--benchmark", default="xquad-r")
    parser.add_argument("--languages", help="such as de,en: their passages and queries only")
    parser.add_argument("--max-own-loss", type=float, default=0.02)
    given = parser.parse_args()
    benchmark = load_benchmark(given.benchmark)
    model = Remembered(open_model(given.model), benchmark, given.store)
    parts = corpora(benchmark)
    if given.languages:
        parts = iter([(given.languages, part(benchmark, whole(benchmark, given.languages)))])
    for name, corpus in parts:
        sizes = np.diff(corpus.offsets).tolist()
        print(name, dict(zip(corpus.languages, sizes, strict=True)), len(corpus.queries))
        plan = Plan(fit_on=given.fit_corpus, grid=GRID, goal=Goal("even", given.max_own_loss))
        found = compare_corrections(model, corpus, plan)
        print(to_markdown(figures_table(found, found.rows, name, NAMES)))
        print(sentence(found))


if __name__ == "__main__":
    main()
