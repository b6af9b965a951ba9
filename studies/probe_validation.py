"""Which measures without labels predict the bias that labels show?

    EVENRANK_DATA=DATA python studies/probe_validation.py MODEL EMBEDDINGS

Variants are an encoder as it is and with corrections of several strengths. For each, the measures
of ``evenrank probe`` are computed without labels: the corpus is all passages of XQuAD-R, queries
are 200 of its queries, or 60 of its passages, per language; canaries are World Facts or FLORES.
The labels of XQuAD-R give the access gap (hits in the top 10 if an answer exists only in the
query's own language, minus those if it exists only in one other language) and the rank distance,
for the first 300 queries per language. The table has Spearman's correlations over the variants.

Corrections are fitted on the first half of the sentences of FLORES, and canaries are the other
half. Embeddings are shared with ``studies/debias_table.py``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from debias_table import SENTENCES, Data, corrected, embeddings, measured, read
from scipy.stats import spearmanr

from evenrank.benchmarks.benchmark import load_benchmark
from evenrank.data.opening import open_corpus
from evenrank.debias.base import Correction
from evenrank.probing.base import PROBE_MEASURES, probe_figures
from evenrank.probing.observe import Asked, Canaries, observe
from evenrank.probing.scan import Pool
from evenrank.probing.texts import Tagged, flat, open_canaries

LABELLED = 300
SAMPLE = 200
PASSAGES = 60
ITEMS = 60


def variants(data: Data) -> Iterator[tuple[str, Correction | None]]:
    yield "none", None
    for name, strengths, settings in (
        ("center", (0.2, 0.4, 0.7, 1.0), {}),
        ("center", (1.0,), {"sides": "passages", "to": "zero"}),
        ("project", (0.2, 0.5, 1.0), {}),
        ("leace", (0.5, 1.0), {}),
        ("lir", (1.0,), {}),
        ("shift", (1.0,), {}),
        ("calibrate", (0.3, 1.0), {"by": "z"}),
        ("calibrate", (0.3, 1.0), {"by": "top"}),
        ("csls", (1.0,), {}),
    ):
        for strength in strengths:
            yield f"{name} {strength:g} {settings or ''}", data.fitted(name, strength, **settings)


def world_facts(model: str, folder: Path, names: list[str]) -> Canaries:
    corpus = open_corpus("world-facts:test")
    none = Tagged("", [], np.zeros(0, dtype=np.int16), tuple(names))
    texts = open_canaries(corpus, none, ITEMS)
    wanted = {
        "world-facts-query": lambda: flat(texts.queries),
        "world-facts-passage": lambda: flat(texts.passages),
    }
    queries, passages = embeddings(model, folder, wanted)
    shape = (len(texts.queries), len(names), -1)
    return Canaries(np.arange(len(names)), queries.reshape(shape), passages.reshape(shape))


def flores(data: Data, half: slice) -> Canaries:
    """Return sentences as canaries: the query is the sentence itself, with the query's prompt."""
    shape = (len(data.names), SENTENCES, -1)
    queries, passages = (
        rows.reshape(shape).swapaxes(0, 1)[half] for rows in (data.fit_queries, data.fit_passages)
    )
    return Canaries(np.arange(len(data.names)), queries, passages)


def as_queries(model: str, folder: Path, sample: np.ndarray) -> np.ndarray:
    """Return sampled passages of XQuAD-R, encoded as queries."""
    texts = load_benchmark("xquad-r").passages.texts.take(pa.array(sample)).to_pylist()
    (rows,) = embeddings(model, folder, {"passages-as-query": lambda: texts})
    return rows


def first_half(data: Data) -> Data:
    """Return the data with the first half of the sentences to fit on."""
    count, half = len(data.names), SENTENCES // 2
    queries, passages = (
        rows.reshape(count, SENTENCES, -1)[:, :half].reshape(count * half, -1)
        for rows in (data.fit_queries, data.fit_passages)
    )
    return replace(data, fit_queries=queries, fit_passages=passages)


def some_of(langs: np.ndarray, size: int, *, first: bool) -> np.ndarray:
    random = np.random.default_rng(0)
    groups = [np.flatnonzero(langs == lang) for lang in np.unique(langs)]
    return np.sort(
        np.concatenate([(group if first else random.permutation(group))[:size] for group in groups])
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("embeddings", type=Path)
    given = parser.parse_args()
    data = read(given.model, given.embeddings, None)
    planted = {
        "World Facts": world_facts(given.model, given.embeddings, data.names),
        "FLORES": flores(data, slice(SENTENCES // 2, None)),
    }
    data = first_half(data)
    labelled = some_of(data.query_langs, LABELLED, first=True)
    labels = replace(
        data,
        queries=data.queries[labelled],
        query_langs=data.query_langs[labelled],
        relevant=data.relevant[labelled],
    )
    chosen = some_of(data.query_langs, SAMPLE, first=False)
    asked = Asked(data.queries[chosen], data.query_langs[chosen])
    sample = some_of(data.passage_langs, SAMPLE, first=False)
    few = some_of(data.passage_langs, PASSAGES, first=False)
    vectors = as_queries(given.model, given.embeddings, few)
    passages = Asked(vectors, data.passage_langs[few], are_passages=True)
    pool = Pool(data.passages, data.passage_langs.astype(np.int16), tuple(data.names))
    rows: list[dict[tuple[str, str], float]] = []
    truth: list[tuple[float, float]] = []
    print(
        "| variant | labelled access gap | labelled rank distance | canaries' access gap, ", end=""
    )
    print("World Facts | FLORES |\n|---|---|---|---|---|")
    for name, correction in variants(data):
        found = measured(labels, corrected(labels, *([correction] if correction else [])))
        truth.append((found.own - found.other, found.distance))
        values: dict[tuple[str, str], float] = {}
        for source, canaries in planted.items():
            one = replace(pool, correction=correction)
            for measure, figure in probe_figures(observe(one, sample, asked, canaries)).items():
                values[measure, source] = figure.value
        for measure, figure in probe_figures(observe(one, few, passages)).items():
            values[measure, "passages as queries"] = figure.value
        rows.append(values)
        gaps = [f"{values['access_gap', source]:.3f}" for source in planted]
        print(
            f"| {name} | {truth[-1][0]:.3f} | {truth[-1][1]:,.0f} | {' | '.join(gaps)} |",
            flush=True,
        )
    print("\n| measure | canaries | variants | access gap | rank distance |\n|---|---|---|---|---|")
    for measure in sorted(PROBE_MEASURES, key=lambda name: PROBE_MEASURES.get(name).order):
        for source in (*planted, "passages as queries"):
            known = [at for at, values in enumerate(rows) if (measure, source) in values]
            if not known:
                continue
            mine = [abs(rows[at][measure, source]) for at in known]
            scores = [spearmanr(mine, [truth[at][one] for at in known])[0] for one in (0, 1)]
            print(f"| {measure} | {source} | {len(known)} | {scores[0]:.2f} | {scores[1]:.2f} |")


if __name__ == "__main__":
    main()
