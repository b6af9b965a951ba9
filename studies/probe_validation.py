"""Which measures without labels predict the bias that labels show?

    EVENRANK_DATA=DATA python studies/probe_validation.py measure BENCHMARK FIT_CORPUS \
      --model e5=MODEL --canaries sentences=CANARY_CORPUS --store STORE --output rows.json
    python studies/probe_validation.py table rows.json other-rows.json

A variant is a model as it is or with a correction. ``measure`` writes for each variant of one or
more models the measures of ``evenrank probe``, which are computed without labels, next to what the
labels of the benchmark say: the access gap in R@10 and the rank distance of all its queries. The
corpus is all passages of the benchmark; queries are 200 of its queries, or 60 of its passages, per
language; canaries are World Facts and the corpora of ``--canaries``. ``table`` prints Spearman's
correlations over the variants of each file.

Corrections are fitted on FIT_CORPUS, whose texts must not be those of a canary
(``studies/sentences.py`` writes both). Each model has every correction, or few of them with
``--few``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from evenrank import load_benchmark, open_corpus, open_model
from evenrank.benchmarks.benchmark import Benchmark
from evenrank.comparison.blocks import block_sums
from evenrank.debias.base import Correction
from evenrank.debias.corpus import EncodedCorpus, encode_corpus
from evenrank.encoding.encode import Work, encode_texts
from evenrank.encoding.model import EmbeddingModel, Kind
from evenrank.evaluation.encode import embed
from evenrank.evaluation.evaluate import rank_embeddings
from evenrank.probing.base import PROBE_MEASURES, Observed, probe_figures
from evenrank.probing.observe import Asked, Canaries, observe
from evenrank.probing.scan import Pool
from evenrank.probing.texts import Tagged, flat, open_canaries, open_texts
from evenrank.progress import quiet
from evenrank.tuning.figures import part_of, query_values
from evenrank.tuning.grid import own_advantage

SAMPLE, PASSAGES, ITEMS = 200, 60, 60
WORLD_FACTS = "World Facts"
AS_QUERIES = "passages as queries"
OF_CANARIES = ("access_gap", "swap_shift", "rank_distance", "preference")
OF_QUERIES = ("lift", "same_language", "pull", "score_offset")
LABELS = {"access gap": "R@10 gap", "rank distance": "rank_distance multi"}


def every_correction(texts: EncodedCorpus) -> Iterator[tuple[str, Correction | None]]:
    """Yield corrections of several strengths, with their names."""
    yield "none", None
    for name, strengths, settings in (
        ("center", (0.2, 0.5, 1.0), {}),
        ("center", (1.0,), {"sides": "passages", "to": "zero"}),
        ("project", (0.3, 1.0), {}),
        ("leace", (1.0,), {}),
        ("lir", (1.0,), {}),
        ("shift", (1.0,), {}),
        ("calibrate", (0.3, 1.0), {"by": "z"}),
        ("calibrate", (0.3, 1.0), {"by": "top"}),
        ("flatten", (1.0,), {}),
        ("csls", (1.0,), {}),
    ):
        fitted = texts.fit(name, settings)
        for strength in strengths:
            words = (name, f"{strength:g}", *(f"{key}={one}" for key, one in settings.items()))
            yield " ".join(words), fitted.with_strength(strength)
    by_top, advantage = texts.fit("calibrate", {"by": "top"}), own_advantage(texts)
    for share in (0.4, 0.7):
        yield f"calibrate 1 by=top bonus {share}", by_top.with_own_bonus(share * advantage)


def few_corrections(texts: EncodedCorpus) -> Iterator[tuple[str, Correction | None]]:
    """Yield a few corrections, with their names."""
    yield "none", None
    yield "project 1", texts.fit("project")
    yield "calibrate 1 by=z", texts.fit("calibrate", {"by": "z"})
    for strength in (0.3, 1.0):
        by_top = texts.fit("calibrate", {"by": "top"})
        yield f"calibrate {strength:g} by=top", by_top.with_strength(strength)


class Texts:
    """The texts that the probe sees, encoded by one model."""

    def __init__(
        self, model: EmbeddingModel, benchmark: Benchmark, store: Path | None, given: dict[str, str]
    ) -> None:
        self.benchmark, self.model, self.store = benchmark, model, store
        self.embeddings = embed(model, benchmark, store=store)
        passages, asked = open_texts(benchmark)
        assert asked is not None
        random = np.random.default_rng(0)
        self.sample = passages.sample(SAMPLE, random)
        places = asked.sample(SAMPLE, random)
        self.asked = Asked(self.embeddings.queries[places], asked.langs[places].astype(np.int64))
        self.few = passages.sample(PASSAGES, np.random.default_rng(1))
        langs = passages.langs[self.few].astype(np.int64)
        self.as_queries = Asked(self.encoded(passages.at(self.few), "query"), langs, True)
        self.pool = Pool(
            np.asarray(self.embeddings.passages[:], dtype=np.float32),
            passages.langs,
            passages.languages,
        )
        sources = {WORLD_FACTS: "world-facts:test", **given}
        self.canaries = {name: self.planted(one, passages) for name, one in sources.items()}

    def encoded(self, texts: list[str], kind: Kind) -> np.ndarray:
        """Return unit vectors."""
        return np.asarray(encode_texts(Work(self.model, kind), texts, store=self.store)[:])

    def planted(self, source: str, passages: Tagged) -> Canaries:
        """Encode canaries."""
        texts = open_canaries(source, passages, ITEMS)
        langs = np.array([passages.languages.index(lang) for lang in texts.languages])
        shape = (len(texts.queries), len(langs), -1)
        queries, answers = (
            self.encoded(flat(some), kind).reshape(shape)
            for some, kind in ((texts.queries, "query"), (texts.passages, "passage"))
        )
        return Canaries(langs, queries, answers)

    def observed(self, correction: Correction | None) -> dict[str, Observed]:
        """Return what the probe observes with each set of canaries.

        With the first set, queries are those of the benchmark; with the others, passages.
        """
        pool, found = replace(self.pool, correction=correction), {}
        for name, canaries in self.canaries.items():
            more = (self.few, self.as_queries) if found else (self.sample, self.asked)
            found[name] = observe(pool, *more, canaries)
        return found

    def labelled(self, correction: Correction | None) -> dict[str, float]:
        """Return what the labels of the benchmark say."""
        ranking = rank_embeddings(self.embeddings, self.benchmark, 1, correction)
        values, part = query_values(self.benchmark, ranking), part_of(self.benchmark, "all")
        found = {}
        for measure, one in values.items():
            sums = block_sums(part.grid, one)
            at = sums.sums.shape[1]
            for cell, mean in zip(sums.cells[at:], sums.means[at:].tolist(), strict=True):
                found[f"{measure} {cell.setting}"] = mean
        return found


def values(observed: dict[str, Observed]) -> dict[str, float]:
    """Return the measures of the probe by their name and the source of canaries or queries."""
    found: dict[str, float] = {}
    for number, (name, one) in enumerate(observed.items()):
        for measure, figure in probe_figures(one).items():
            if measure in OF_CANARIES:
                found[f"{measure}, {name}"] = figure.value
            elif not number:
                found[measure] = figure.value
            elif measure in OF_QUERIES:
                found[f"{measure}, {AS_QUERIES}"] = figure.value
    return found


def measure(given: argparse.Namespace) -> None:
    """Write the rows of all variants of the models."""
    benchmark, rows = load_benchmark(given.benchmark), []
    corpus = open_corpus(given.fit_corpus).restrict(benchmark.languages)
    for name, path in pairs(given.model).items():
        model = open_model(path)
        with quiet():
            texts = Texts(model, benchmark, given.store, pairs(given.canaries))
            fitted = encode_corpus(model, corpus, store=given.store)
            for variant, correction in (few_corrections if given.few else every_correction)(fitted):
                row: dict[str, Any] = {"variant": f"{name}, {variant}"}
                row["labels"] = texts.labelled(correction)
                row["probe"] = values(texts.observed(correction))
                rows.append(row)
                given.output.write_text(json.dumps({benchmark.name: rows}, indent=1))
                print(row["variant"], json.dumps(row["labels"]), flush=True)


def table(files: list[Path]) -> None:
    """Print Spearman's correlations over the variants of each benchmark."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in files:
        for name, rows in json.loads(path.read_text()).items():
            found.setdefault(name, []).extend(rows)
    heads = [f"{name}, {label}" for name in found for label in LABELS]
    print(f"| measure | {' | '.join(heads)} | smallest |\n|{'---|' * (2 + len(heads))}")
    known = dict.fromkeys(one for rows in found.values() for row in rows for one in row["probe"])
    for name in sorted(known, key=lambda name: PROBE_MEASURES.get(name.partition(",")[0]).order):
        scores = [
            correlation(rows, name, label) for rows in found.values() for label in LABELS.values()
        ]
        cells = [f"{one:.2f}" for one in [*scores, np.nanmin(scores)]]
        print(f"| {name} | {' | '.join(cells)} |".replace("nan", "-"))


def correlation(rows: list[dict[str, Any]], name: str, label: str) -> float:
    """Return Spearman's correlation of a measure's size with what the labels say."""
    both = [(abs(row["probe"][name]), row["labels"][label]) for row in rows if name in row["probe"]]
    return float(spearmanr(*zip(*both, strict=True))[0]) if len(both) > 2 else np.nan


def pairs(given: list[str]) -> dict[str, str]:
    """Return NAME=VALUE as a dictionary."""
    return dict(one.split("=", 1) for one in given)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("measure")
    one.add_argument("benchmark")
    one.add_argument("fit_corpus")
    one.add_argument("--model", action="append", required=True, metavar="NAME=MODEL")
    one.add_argument("--canaries", action="append", default=[], metavar="NAME=CORPUS")
    one.add_argument("--few", action="store_true")
    one.add_argument("--store", type=Path)
    one.add_argument("--output", type=Path, required=True)
    one.set_defaults(run=measure)
    two = commands.add_parser("table")
    two.add_argument("files", type=Path, nargs="+")
    two.set_defaults(run=lambda given: table(given.files))
    given = parser.parse_args()
    given.run(given)


if __name__ == "__main__":
    main()
