"""SHIFT's published figures for multilingual-e5-small on XQuAD's paragraphs, repeated.

    EVENRANK_DATA=DATA python studies/shift_paragraphs.py MODEL FIT_CORPUS STORE

The 240 paragraphs of XQuAD in English, German and Spanish are one pool; each of the 3,570 queries
has three relevant ones, its paragraph in each language. R@10 of all three, of the one in the
query's language, and of the two others (yjoonjang/SHIFT, arXiv 2606.18801; the version of its blog
changes both sides). FIT_CORPUS has parallel sentences, as ``studies/sentences.py`` writes them.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evenrank import open_corpus, open_model
from evenrank.benchmarks.benchmark import Benchmark, Passage, Query, benchmark_of
from evenrank.benchmarks.squad import read_squad
from evenrank.benchmarks.xquad_r import CARD
from evenrank.debias.corpus import encode_corpus
from evenrank.evaluation.encode import embed

LANGUAGES = ("de", "en", "es")
VARIANTS: dict[str, tuple[str, dict[str, object]] | None] = {
    "none": None,
    "shift, both sides": ("shift", {"sides": "both"}),
    "shift, passages only": ("shift", {}),
    "project": ("project", {}),
}


def paragraphs() -> Benchmark:
    """Return queries and paragraphs; a paragraph is relevant to its queries in all languages."""
    queries, passages, pairs = [], [], []
    by_number: dict[int, list[int]] = {}
    asked: list[int] = []
    for lang in LANGUAGES:
        path = Path(os.environ["EVENRANK_DATA"]) / "xquad-r" / f"{lang}.json"
        for number, paragraph in enumerate(read_squad(path.read_bytes(), str(path))):
            by_number.setdefault(number, []).append(len(passages))
            passages.append(Passage(f"{lang}/{number}", lang, paragraph.context))
            for one in paragraph.questions:
                queries.append(Query(f"{lang}/{one.id}", one.id, lang, one.text))
                asked.append(number)
    for query, number in enumerate(asked):
        pairs += [(query, passage) for passage in by_number[number]]
    return benchmark_of("xquad-paragraphs", CARD, queries, passages, np.array(pairs))


def recalls(
    data: Benchmark, queries: NDArray[np.float32], passages: NDArray[np.float32]
) -> Iterator[float]:
    """Yield R@10 of all relevant passages, of that in the query's language, and of the others."""
    top = np.argsort(-queries @ passages.T, axis=1, kind="stable")[:, :10]
    hit = (top[data.relevance.query_of] == data.relevance.passages[:, None]).any(axis=1)
    same = (
        data.queries.langs[data.relevance.query_of] == data.passages.langs[data.relevance.passages]
    )
    yield from (float(hit.mean()), float(hit[same].mean()), float(hit[~same].mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("corpus")
    parser.add_argument("store", type=Path)
    options = parser.parse_args()
    model, data = open_model(options.model), paragraphs()
    embeddings = embed(model, data, store=options.store)
    corpus = open_corpus(options.corpus).restrict(LANGUAGES)
    fitted = encode_corpus(model, corpus, store=options.store)
    sides = [
        (np.asarray(rows[:], dtype=np.float32), np.array(data.languages)[texts.langs])
        for rows, texts in (
            (embeddings.queries, data.queries),
            (embeddings.passages, data.passages),
        )
    ]
    print("| correction | all | same language | cross |\n|---|---|---|---|")
    for name, chosen in VARIANTS.items():
        kinds = ("query", "passage")
        queries, passages = (
            rows if chosen is None else fitted.fit(*chosen).apply(rows, langs, kind)
            for (rows, langs), kind in zip(sides, kinds, strict=True)
        )
        shown = " | ".join(f"{one:.3f}".lstrip("0") for one in recalls(data, queries, passages))
        print(f"| {name} | {shown} |")


if __name__ == "__main__":
    main()
