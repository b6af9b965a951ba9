"""Corrections on XQuAD-R that ``evenrank debias compare`` does not compare.

    EVENRANK_DATA=DATA python studies/debias_table.py MODEL FIT_CORPUS STORE

Combinations, one side only, policies, and fits on what is measured. Embeddings are kept in the
folder STORE. Corrections are fitted on FIT_CORPUS, as ``studies/sentences.py`` writes it.

``own`` and ``other``: the share of queries whose answer is in the top 10 of the multilingual pool
if it exists only in the query's own language, or only in one other language. Brackets have 95 %
bootstrap intervals; a block is a query in all languages.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenrank import load_benchmark, open_corpus, open_model
from evenrank.debias.base import Correction, fit_correction
from evenrank.debias.corpus import EncodedCorpus, encode_corpus
from evenrank.debias.index import best_by_language
from evenrank.evaluation.encode import embed
from evenrank.tables import show

BLOCK = 1_100
"""Queries scored at once."""
RESAMPLES = 1_000
COLUMNS = {
    "AP mono": ".3f",
    "AP cross": ".3f",
    "AP multi": ".3f",
    "rank distance": ",.0f",
    "R@10 own": ".3f",
    "R@10 other": ".3f",
}

Rows = NDArray[np.float32]
Scores = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Data:
    """Embeddings of texts that are measured and of texts that corrections are fitted on.

    ``relevant`` is ``(Q, L)``: the answer of each query in each language. Passages are ordered by
    language; numbers of languages follow ``names``.
    """

    names: list[str]
    queries: Rows
    query_langs: NDArray[np.int64]
    passages: Rows
    passage_langs: NDArray[np.int64]
    relevant: NDArray[np.int64]
    texts: EncodedCorpus

    def fitted(self, name: str, strength: float, **settings: Any) -> Correction:  # noqa: ANN401
        """Return a correction fitted on the texts for that."""
        return self.texts.fit(name, settings).with_strength(strength)

    def fitted_on_pool(self, name: str, **settings: Any) -> Correction:  # noqa: ANN401
        """Return a correction fitted on what it is measured on: how much better data would help."""
        tags = np.array(self.names)
        passages = [(self.passages, tags[self.passage_langs])]
        queries = [(self.queries, tags[self.query_langs])]
        return fit_correction(name, passages, queries, settings=settings)


def query_figures(data: Data, scores_of: Callable[[slice], Scores]) -> Scores:
    """Return the figures of each query ``(Q, 6)``."""
    starts = np.searchsorted(data.passage_langs, np.arange(len(data.names)))
    languages = np.arange(len(data.names))
    figures = []
    for start in range(0, len(data.queries), BLOCK):
        some = slice(start, start + BLOCK)
        scores, relevant = scores_of(some), data.relevant[some]
        own = data.query_langs[some, None] == languages
        at = np.take_along_axis(scores, relevant, axis=1)
        above = np.stack(  # (B, answer, language of the pool)
            [np.add.reduceat(scores > at[:, [one]], starts, axis=1) for one in languages], axis=1
        )
        in_pool = 1 + above[:, languages, languages]
        multi = 1 + above.sum(axis=2)
        order = np.sort(multi, axis=1)
        precision = (1 + languages) / order
        # without the other translations of the answer
        single = multi - (at[:, None, :] > at[:, :, None]).sum(axis=2)
        values = [
            (own / in_pool).sum(axis=1),
            (~own / in_pool).sum(axis=1) / (len(languages) - 1),
            precision.mean(axis=1),
            order[:, -1] - order[:, 0],
            (own * (single <= 10)).sum(axis=1),
            (~own * (single <= 10)).sum(axis=1) / (len(languages) - 1),
        ]
        figures.append(np.stack(values, axis=1))
    return np.concatenate(figures)


def interval(values: Scores, languages: int) -> list[tuple[float, float]]:
    """Return the 95 % bootstrap interval of the mean of each column.

    A block is a question in all languages; queries are ordered by language.
    """
    blocks = values.reshape(languages, -1, values.shape[1]).mean(axis=0)
    drawn = np.random.default_rng(0).multinomial(
        len(blocks), np.full(len(blocks), 1 / len(blocks)), size=RESAMPLES
    )
    low, high = np.quantile(drawn @ blocks / len(blocks), (0.025, 0.975), axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def corrected(data: Data, *corrections: Correction) -> Callable[[slice], Scores]:
    """Return scores after corrections of vectors and at most one of scores, in this order."""
    tags = np.array(data.names)
    queries, passages = data.queries, data.passages
    calibration = None
    for one in corrections:
        if one.changes_vectors:
            queries = one.apply(queries, tags[data.query_langs], "query")
            passages = one.apply(passages, tags[data.passage_langs], "passage")
        else:
            calibration = one
    if calibration is None:
        return lambda some: (queries[some] @ passages.T).astype(np.float64)
    stored = calibration.stored(passages, tags[data.passage_langs])

    def scores(some: slice) -> Scores:
        best = best_by_language(queries[some], passages, tags[data.passage_langs], data.names, k=10)
        form = calibration.for_index(queries[some], tags[data.query_langs[some]], best)
        return form.scores(passages, tags[data.passage_langs], stored)

    return scores


def interleaved(data: Data, own_first: int) -> Callable[[slice], Scores]:
    """Return scores that rank the best of each language, then the second of each, and so on."""

    def scores(some: slice) -> Scores:
        raw = (data.queries[some] @ data.passages.T).astype(np.float64)
        ranked = np.empty_like(raw)
        for code in range(len(data.names)):
            at = data.passage_langs == code
            place = np.argsort(np.argsort(-raw[:, at], axis=1), axis=1)
            own = data.query_langs[some, None] == code
            first = own & (place < own_first)
            ranked[:, at] = np.where(first, len(data.passages) - place, own * own_first - place)
        return ranked + raw / 4

    return scores


def rows(data: Data) -> Iterator[tuple[str, Callable[[slice], Scores]]]:
    """Yield the rows of the table."""
    fit = data.fitted
    yield "none", corrected(data)
    yield (
        "centre passages, renormalise",
        corrected(data, fit("center", 1, sides="passages", to="zero")),
    )
    yield "project, query side only", corrected(data, fit("project", 1, sides="queries"))
    yield (
        "centre, then calibrate by top 10",
        corrected(data, fit("center", 1), fit("calibrate", 1, by="top")),
    )
    yield "round robin over languages", interleaved(data, 0)
    yield "own language first for 5 places, then round robin", interleaved(data, 5)
    yield "z, fitted on the pool itself", corrected(data, data.fitted_on_pool("calibrate", by="z"))
    yield "CSLS, fitted on the queries themselves", corrected(data, data.fitted_on_pool("csls"))


def read(name: str, fit_on: str, store: Path) -> Data:
    """Encode the benchmark and the texts of the fit, or read them from the store."""
    benchmark, model = load_benchmark("xquad-r"), open_model(name)
    embeddings = embed(model, benchmark, store=store)
    corpus = open_corpus(fit_on).restrict(benchmark.languages)
    return Data(
        list(benchmark.languages),
        np.asarray(embeddings.queries[:], dtype=np.float32),
        benchmark.queries.langs.astype(np.int64),
        np.asarray(embeddings.passages[:], dtype=np.float32),
        benchmark.passages.langs.astype(np.int64),
        # one answer in each language, and passages are ordered by language
        benchmark.relevance.passages.reshape(-1, len(benchmark.languages)),
        encode_corpus(model, corpus, store=store),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("fit_corpus")
    parser.add_argument("store", type=Path)
    given = parser.parse_args()
    data = read(given.model, given.fit_corpus, given.store)
    print(f"{len(data.queries)} queries, {len(data.passages)} passages\n")
    print(f"| correction | {' | '.join(COLUMNS)} |\n|{'---|' * (1 + len(COLUMNS))}")
    for name, scores in rows(data):
        values = query_figures(data, scores)
        cells = [
            f"{show(mean, spec)} [{show(low, spec)}, {show(high, spec)}]"
            for mean, (low, high), spec in zip(
                values.mean(axis=0).tolist(),
                interval(values, len(data.names)),
                COLUMNS.values(),
                strict=True,
            )
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
