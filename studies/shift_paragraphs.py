"""The published figures of SHIFT on the paragraphs of XQuAD in English, German and Spanish.

    EVENRANK_DATA=DATA python studies/shift_paragraphs.py MODEL FIT_CORPUS

R@10 over the paragraphs of the three languages: of all three translations of the paragraph that
answers a query, of the one in the query's language, and of the two others. Offsets come from
FIT_CORPUS, as ``studies/sentences.py`` writes it. Published (multilingual-e5-small, both sides):
.833 to .967, .996 to .989 and .752 to .955.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

from evenrank import fit_on_corpus, open_corpus, open_model
from evenrank.benchmarks.parallel_corpus import benchmark_from_corpus
from evenrank.data.corpus import corpus_from_rows
from evenrank.evaluation.encode import embed
from evenrank.evaluation.evaluate import rank_embeddings

LANGUAGES = ("de", "en", "es")


def rows(folder: Path) -> Iterator[dict[str, str]]:
    for lang in LANGUAGES:
        articles = json.loads((folder / f"{lang}.json").read_text(encoding="utf-8"))["data"]
        paragraphs = [one for article in articles for one in article["paragraphs"]]
        for number, paragraph in enumerate(paragraphs):
            for query in paragraph["qas"]:
                yield {
                    "id": query["id"],
                    "passage_id": str(number),
                    "lang": lang,
                    "query": query["question"],
                    "passage": paragraph["context"],
                }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("fit_corpus")
    given = parser.parse_args()
    folder = Path(os.environ["EVENRANK_DATA"]) / "xquad-r"
    benchmark = benchmark_from_corpus(corpus_from_rows(rows(folder), "xquad paragraphs"))
    model = open_model(given.model)
    embeddings = embed(model, benchmark)
    corpus = open_corpus(given.fit_corpus).restrict(LANGUAGES)
    print(f"{len(benchmark.queries)} queries, {len(benchmark.passages)} paragraphs")
    print("| correction | R@10 all | same language | other languages |\n|---|---|---|---|")
    fitted = {
        f"shift {sides}": fit_on_corpus(model, corpus, "shift", settings={"sides": sides})
        for sides in ("passages", "both")
    }
    pairs = benchmark.relevance
    langs = benchmark.passages.langs[pairs.passages]
    same = langs == benchmark.queries.langs[pairs.query_of]
    for name, correction in {"none": None, **fitted}.items():
        found = rank_embeddings(embeddings, benchmark, 10, correction).above < 10
        figures = (found.mean(), found[same].mean(), found[~same].mean())
        print(f"| {name} | {' | '.join(f'{value:.3f}' for value in figures)} |", flush=True)


if __name__ == "__main__":
    main()
