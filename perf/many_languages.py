"""Evaluation of a benchmark with very many languages, without the encoder.

    python perf/many_languages.py [--corpus FOLDER] [--languages 204] [--items 100] [--report]

Random unit vectors replace the embeddings, so that only the rest is timed: reading the corpus as a
benchmark, ranking, measures, the result folder and, with ``--report``, the page. Every item exists
in every language. ``--corpus`` is a folder of FLORES files (``<language>.txt.gz``, one sentence a
line): the query is the first half of a sentence, the passage is the sentence.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import orjson

from evenrank.benchmarks.benchmark import load_benchmark
from evenrank.evaluation.assemble import assemble
from evenrank.measures.selection import DEFAULT_MEASURES
from evenrank.ranking.rank import rank
from evenrank.results.folder import write_evaluation
from evenrank.results.schema import ModelFacts
from synthetic import unit_vectors


@contextmanager
def stage(name: str, spent: dict[str, float]) -> Iterator[None]:
    start, work = time.perf_counter(), time.process_time()
    yield
    spent[name] = time.perf_counter() - start
    work = time.process_time() - work
    print(f"{name:12} {spent[name]:7.2f} s, {work:7.2f} s of the processors", flush=True)


def known_codes() -> list[str]:
    """Return the language codes of FLORES-200."""
    path = Path(__file__).parents[1] / "tests" / "language_sets.toml"
    names = tomllib.loads(path.read_text(encoding="utf-8"))["flores-200"].split()
    return sorted({name.replace("_", "-") for name in names})


def write_corpus(source: Path | None, folder: Path, languages: int, items: int) -> None:
    """Write one JSONL file per language: the half of a sentence as query, the whole as passage."""
    files = sorted(source.glob("*.txt.gz"))[:languages] if source else []
    codes = [path.name.removesuffix(".txt.gz").replace("_", "-") for path in files]
    codes = codes or known_codes()[:languages]
    for number, code in enumerate(codes):
        if files:
            with gzip.open(files[number], "rt", encoding="utf-8") as lines:
                texts = [line.strip() for line, _ in zip(lines, range(items), strict=False)]
        else:
            texts = [f"{code} sentence {item}" for item in range(items)]
        rows = (
            {"id": str(item), "query": text[: max(1, len(text) // 2)], "passage": text}
            for item, text in enumerate(texts)
        )
        (folder / f"{code}.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--languages", type=int, default=204)
    parser.add_argument("--items", type=int, default=100)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--output", type=Path, help="keep the result folder here")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    spent: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        corpus = Path(temporary) / "corpus"
        corpus.mkdir()
        write_corpus(options.corpus, corpus, options.languages, options.items)
        with stage("benchmark", spent):
            data = load_benchmark(f"corpus:{corpus}")
        generator = np.random.default_rng(0)
        queries = unit_vectors(generator, len(data.queries), options.width)
        passages = unit_vectors(generator, len(data.passages), options.width)
        with stage("rank", spent):
            ranking = rank(queries, passages, data.relevance, data.offsets, top_k=100)
        model = ModelFacts(
            label="random", path="", fingerprint="", dimension=1, query_prompt="", passage_prompt=""
        )
        with stage("score", spent):
            evaluation = assemble(data, model, ranking, DEFAULT_MEASURES, timings={}, config={})
        output = options.output or Path(temporary) / "result"
        with stage("write", spent):
            write_evaluation(evaluation, output)
        print(f"{len(data.languages)} languages, {len(data.queries):,} queries")
        print(f"{'together':12} {sum(spent.values()):7.2f} s")
        size = sum(path.stat().st_size for path in output.iterdir()) / 2**20
        print(f"result folder {size:.0f} MiB")
        if options.report:
            from evenrank.report.build import write_report

            page = Path(temporary) / "report.html"
            with stage("report", spent):
                write_report([output], page)
            print(f"page {page.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
