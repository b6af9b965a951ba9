"""What each correction does for an encoder on XQuAD-R, fitted on FLORES.

    EVENRANK_DATA=DATA python studies/debias_table.py MODEL EMBEDDINGS [--questions 300]

The pool is every sentence that answers one of the questions, in all languages; without
``--questions``, all of XQuAD-R. Embeddings are written to the folder EMBEDDINGS and read from there
the next time. Corrections are fitted on 150 sentences of FLORES-200 devtest for each language,
encoded as queries and as passages.

``own`` and ``other`` are the setting *single*: the share of queries whose answer is in the top 10
of the whole pool if it exists only in the query's own language, or only in one other language.
Brackets have 95 % bootstrap intervals; a block is a question in all languages.
"""

from __future__ import annotations

import argparse
import gzip
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evenrank.benchmarks.benchmark import Benchmark, load_benchmark
from evenrank.debias.base import Correction, fit_correction
from evenrank.debias.index import best_by_language
from evenrank.encoding.loading import load_encoder

FLORES = {
    "ar": "arb_Arab",
    "de": "deu_Latn",
    "el": "ell_Grek",
    "en": "eng_Latn",
    "es": "spa_Latn",
    "hi": "hin_Deva",
    "ru": "rus_Cyrl",
    "th": "tha_Thai",
    "tr": "tur_Latn",
    "vi": "vie_Latn",
    "zh": "zho_Hans",
}
SENTENCES = 150
BLOCK = 1_100
"""Queries scored at once."""

RESAMPLES = 1_000
SPECS = (".4f", ".4f", ".4f", ",.0f", ".3f", ".3f", ".3f")

Rows = NDArray[np.float32]
Scores = NDArray[np.float64]


@dataclass
class Data:
    """Embeddings of texts that are measured and of texts that corrections are fitted on.

    ``relevant`` is ``(Q, L)``: the answer of each query in each language. Passages are ordered by
    language, as ``langs`` says; numbers of languages follow ``names``.
    """

    names: list[str]
    queries: Rows
    query_langs: NDArray[np.int64]
    passages: Rows
    passage_langs: NDArray[np.int64]
    relevant: NDArray[np.int64]
    fit_queries: Rows
    fit_passages: Rows

    def fitted(self, name: str, strength: float, **settings: Any) -> Correction:  # noqa: ANN401
        """Return a correction fitted on the texts for that."""
        tags = np.repeat(np.array(self.names), len(self.fit_queries) // len(self.names))
        passages, queries = [(self.fit_passages, tags)], [(self.fit_queries, tags)]
        return fit_correction(name, passages, queries, settings=settings, strength=strength)

    def fitted_on_pool(self, name: str, **settings: Any) -> Correction:  # noqa: ANN401
        """Return a correction fitted on what it is measured on: how much better data would help."""
        tags = np.array(self.names)
        passages = [(self.passages, tags[self.passage_langs])]
        queries = [(self.queries, tags[self.query_langs])]
        return fit_correction(name, passages, queries, settings=settings)


class Figures(NamedTuple):
    """A row of the table."""

    mono: float
    cross: float
    multi: float
    distance: float
    share: float
    own: float
    other: float


def measured(data: Data, scores_of: Callable[[slice], Scores]) -> Figures:
    """Return the figures of scores, which are computed for some queries at once."""
    return Figures(*query_figures(data, scores_of).mean(axis=0).tolist())


def query_figures(data: Data, scores_of: Callable[[slice], Scores]) -> Scores:
    """Return the figures of each query ``(Q, 7)``."""
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
        top = np.argpartition(-scores, 9, axis=1)[:, :10]
        values = [
            (own / in_pool).sum(axis=1),
            (~own / in_pool).sum(axis=1) / (len(languages) - 1),
            precision.mean(axis=1),
            order[:, -1] - order[:, 0],
            (data.passage_langs[top] == data.query_langs[some, None]).mean(axis=1),
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
    for strength in (1.0, 0.3):
        yield (
            f"centre both to the mean, strength {strength:g}",
            corrected(data, fit("center", strength)),
        )
    for strength in (1.0, 0.2):
        yield (
            f"project, both sides, strength {strength:g}",
            corrected(data, fit("project", strength)),
        )
    yield "project, query side only", corrected(data, fit("project", 1, sides="queries"))
    yield "LEACE, both sides", corrected(data, fit("leace", 1))
    yield "shift passages to English", corrected(data, fit("shift", 1))
    yield "LIR, rank 1, both sides", corrected(data, fit("lir", 1))
    yield "calibrate by mean", corrected(data, fit("calibrate", 1, by="mean"))
    yield "calibrate by z", corrected(data, fit("calibrate", 1, by="z"))
    for strength in (1.0, 0.3):
        yield (
            f"calibrate by top 10, strength {strength:g}",
            corrected(data, fit("calibrate", strength, by="top")),
        )
    yield (
        "centre, then calibrate by top 10",
        corrected(data, fit("center", 1), fit("calibrate", 1, by="top")),
    )
    yield "round robin over languages", interleaved(data, 0)
    yield "own language first for 5 places, then round robin", interleaved(data, 5)
    yield "CSLS, k = 10", corrected(data, fit("csls", 1))
    yield "z, fitted on the pool itself", corrected(data, data.fitted_on_pool("calibrate", by="z"))
    yield "CSLS, fitted on the queries themselves", corrected(data, data.fitted_on_pool("csls"))


def read(model: str, folder: Path, questions: int | None) -> Data:
    """Read the embeddings, and compute those that the folder does not have."""
    benchmark = load_benchmark("xquad-r")
    names = list(benchmark.languages)
    asked, pool, relevant = selection(benchmark, questions)
    source = Path(os.environ["EVENRANK_DATA"]) / "flores200-devtest"
    texts: list[str] = []
    for name in names:
        with gzip.open(source / f"{FLORES[name]}.txt.gz", "rt", encoding="utf-8") as file:
            texts += [line.rstrip("\n") for line in file][:SENTENCES]
    size = "all" if questions is None else str(questions)
    wanted = {
        "flores-query": lambda: texts,
        "flores-passage": lambda: texts,
        f"{size}-query": lambda: benchmark.queries.texts.take(asked).to_pylist(),
        f"{size}-passage": lambda: benchmark.passages.texts.take(pool).to_pylist(),
    }
    fit_queries, fit_passages, queries, passages = embeddings(model, folder, wanted)
    return Data(
        names,
        queries,
        benchmark.queries.langs[asked].astype(np.int64),
        passages,
        benchmark.passages.langs[pool].astype(np.int64),
        relevant,
        fit_queries,
        fit_passages,
    )


def selection(
    benchmark: Benchmark, questions: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return positions of queries and of the pool, and the answers' positions in the pool."""
    count = len(benchmark.languages)
    asked = np.concatenate(
        [np.flatnonzero(benchmark.queries.langs == code)[:questions] for code in range(count)]
    )
    # one answer in each language, and passages are ordered by language
    relevant = benchmark.relevance.passages.reshape(-1, count)[asked]
    pool = np.arange(len(benchmark.passages)) if questions is None else np.unique(relevant)
    return asked, pool, np.searchsorted(pool, relevant)


def embeddings(
    model: str, folder: Path, wanted: dict[str, Callable[[], list[str]]]
) -> Iterator[Rows]:
    encoder = None
    folder.mkdir(parents=True, exist_ok=True)
    for name, texts in wanted.items():
        path = folder / f"{name}.npy"
        if not path.exists():
            encoder = encoder or load_encoder(model)
            kind = encoder.encode_query if name.endswith("query") else encoder.encode_document
            rows = kind(texts(), batch_size=32, show_progress_bar=True)
            np.save(path, rows / np.linalg.norm(rows, axis=1, keepdims=True))
        yield np.load(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("embeddings", type=Path)
    parser.add_argument("--questions", type=int, help="the first so many; all by default")
    given = parser.parse_args()
    data = read(given.model, given.embeddings, given.questions)
    print(f"{len(data.queries)} queries, {len(data.passages)} passages")
    print(
        "| correction | mono AP | cross | multi | rank distance | own language in top 10 ", end=""
    )
    print("| own hit@10 | other hit@10 |\n|---|---|---|---|---|---|---|---|")
    for name, scores in rows(data):
        values = query_figures(data, scores)
        cells = [
            f"{mean:{spec}} [{low:{spec}}, {high:{spec}}]"
            for mean, (low, high), spec in zip(
                values.mean(axis=0), interval(values, len(data.names)), SPECS, strict=True
            )
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
