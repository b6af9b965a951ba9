"""``evenrank.compare_corrections``: every correction at several strengths, and the one to use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from evenrank.benchmarks.benchmark import BENCHMARKS, Benchmark, load_benchmark
from evenrank.comparison.gates import GateResult
from evenrank.data.corpus import ParallelCorpus
from evenrank.data.opening import open_corpus
from evenrank.debias.base import Correction
from evenrank.debias.calibrate import Calibration
from evenrank.debias.corpus import EncodedCorpus, encode_corpus
from evenrank.debias.overlap import refuse_overlap
from evenrank.debias.rows import blocks_of
from evenrank.encoding.model import EmbeddingModel
from evenrank.encoding.opening import open_model
from evenrank.errors import DataError
from evenrank.evaluation.calibrations import rank_calibrations
from evenrank.evaluation.debias import open_correction
from evenrank.evaluation.encode import embed
from evenrank.evaluation.evaluate import rank_embeddings
from evenrank.progress import bar, quiet
from evenrank.ranking.ranks import Ranking
from evenrank.tuning.choice import choose, front, gate_results
from evenrank.tuning.figures import (
    NAMES,
    Figures,
    Name,
    Part,
    figures,
    halves,
    part_of,
    query_values,
    require_single,
)
from evenrank.tuning.grid import Candidate
from evenrank.tuning.offsets import SMALLEST_COSINE, offset_cosines
from evenrank.tuning.places import OWN, UNLABELLED, ValuesOf, unlabelled
from evenrank.tuning.plan import HALF, Plan
from evenrank.tuning.planted import Measured, plant


@dataclass(frozen=True, kw_only=True)
class Row:
    """A correction of the grid.

    Attributes:
        candidate: The correction.
        chosen_on: Figures that the choice uses.
        figures: Figures on the queries of the report.
        on_front: Whether no other is better in own and other, on the queries of the report.
    """

    candidate: Candidate
    chosen_on: Figures
    figures: Figures
    on_front: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the correction and its figures as values of JSON."""
        correction = self.candidate.correction
        return {
            "name": self.candidate.name,
            "method": correction.fit.method,
            "settings": correction.fit.settings,
            "strength": correction.strength,
            "front": self.on_front,
            "figures": _plain(self.figures),
            "chosen_on": _plain(self.chosen_on),
        }


@dataclass(frozen=True, kw_only=True)
class Tradeoff:
    """What corrections gain and cost, and which one is recommended.

    Attributes:
        model: What tables call the model.
        benchmark: Name of the benchmark.
        fitted_on: What the corrections were fitted on.
        chosen_on: The queries that the choice was made on.
        loss_on: The queries of the loss in the own language that was allowed.
        reported_on: The queries of the figures.
        blocks: Number of queries with their translations among them.
        plan: What was compared, and what for.
        without: Figures without a correction.
        rows: The corrections.
        recommended: The row of the recommended one; ``None`` if none gains enough at this cost.
        gates: The gates of the goal for it, on the queries of the report.
        cosines: For each language, the cosine of its offset in the texts of the fit and in the
            benchmark's passages.
    """

    model: str
    benchmark: str
    fitted_on: str
    chosen_on: str
    loss_on: str
    reported_on: str
    blocks: int
    plan: Plan
    without: Figures
    rows: tuple[Row, ...]
    recommended: Row | None
    gates: tuple[GateResult, ...]
    cosines: dict[str, float]

    @property
    def correction(self) -> Correction | None:
        """The recommended correction."""
        return None if self.recommended is None else self.recommended.candidate.correction

    @property
    def strange(self) -> dict[str, float]:
        """The languages whose offset in the passages is not that of the fit."""
        return {lang: one for lang, one in self.cosines.items() if one < SMALLEST_COSINE}

    def to_dict(self) -> dict[str, Any]:
        """Return everything as values of JSON."""
        facts = ("model", "benchmark", "fitted_on", "chosen_on", "loss_on", "reported_on", "blocks")
        return {
            **{name: getattr(self, name) for name in facts},
            "goal": asdict(self.plan.goal),
            "resamples": self.plan.resamples,
            "seed": self.plan.seed,
            "recommended": self.recommended and self.recommended.candidate.name,
            "gates": [one.to_dict() for one in self.gates],
            "offset_cosines": self.cosines,
            "without": _plain(self.without),
            "rows": [row.to_dict() for row in self.rows],
        }


def _plain(found: Figures) -> dict[str, Any]:
    return {f"{measure} {setting}": asdict(one) for (measure, setting), one in found.items()}


def compare_corrections(
    model: object,
    benchmark: str | Path | Benchmark,
    plan: Plan | None = None,
    model_settings: Mapping[str, Any] | None = None,
    store: str | Path | None = None,
    batch_size: int = 64,
) -> Tradeoff:
    """Compare corrections at several strengths, and recommend one.

    Texts are encoded once, and all calibrations share one matrix product.

    Args:
        model: As for :func:`~evenrank.encoding.opening.open_model`.
        benchmark: A benchmark, its name, or the path of a parallel corpus; with passages in several
            languages that answer each query.
        plan: What is compared, and what for.
        model_settings: Settings of the model.
        store: Embedding store to read from and to add to.
        batch_size: Texts encoded at once.

    Raises:
        UnknownNameError, ConfigError: A name or a number is wrong.
        DataError: A text cannot be read or encoded; a language is missing in the corpus to fit on;
            this has texts of the benchmark; or the benchmark has no parallel answers.
        FileError: The store cannot be written.
    """
    plan = plan or Plan()
    found = benchmark if isinstance(benchmark, Benchmark) else benchmark_name(benchmark)
    data = load_benchmark(found)
    require_single(data)
    corpus = _restricted(plan.fit_on, data)
    encoder = open_model(model, model_settings)
    work = _Work(encoder, plan, batch_size, None if store is None else Path(store))
    encoded = work.encoded(corpus)
    grid = plan.grid.fitted(encoded)
    open_correction(grid[0].correction, data, encoder.fingerprint)  # refuses texts of the fit
    measured = Measured(data, embed(encoder, data, batch_size, work.store))
    chosen_on, chosen, reported_on, reported = work.figures(measured, grid)
    best = choose(plan.goal, [one.name for one in grid], chosen[1:])
    rows = _rows(grid, chosen[1:], reported[1:])
    picked = None if best is None else rows[best]
    return Tradeoff(
        model=encoder.label,
        benchmark=data.name,
        fitted_on=f"{corpus.name} ({min(plan.items, len(corpus))} items)",
        chosen_on=chosen_on.name,
        loss_on=UNLABELLED if plan.expects_loss else chosen_on.name,
        reported_on=reported_on.name,
        blocks=reported_on.blocks,
        plan=plan,
        without=reported[0],
        rows=rows,
        recommended=picked,
        gates=()
        if picked is None
        else tuple(gate_results(plan.goal, picked.candidate.name, picked.figures)),
        cosines=_cosines(encoded, measured),
    )


def benchmark_name(benchmark: str | Path) -> str:
    """Return the name of a benchmark: as it is, or ``corpus:PATH`` for a parallel corpus."""
    name = str(benchmark)
    known = name.partition(":")[0] in BENCHMARKS and not Path(name).exists()
    return name if known else f"corpus:{name}"


def _restricted(source: str | Path | ParallelCorpus, benchmark: Benchmark) -> ParallelCorpus:
    """Open the corpus to fit on, in the languages of the benchmark only."""
    corpus = source if isinstance(source, ParallelCorpus) else open_corpus(source)
    missing = [lang for lang in benchmark.languages if lang not in corpus.languages]
    if missing:
        raise DataError(
            f"corpus {corpus.name!r}",
            f"no texts in {', '.join(missing)}",
            f"texts in every language of {benchmark.name}",
            "Name another parallel corpus with --fit-on",
        )
    return corpus.restrict(benchmark.languages)


@dataclass(frozen=True)
class _Work:
    """Encoding and ranking."""

    encoder: EmbeddingModel
    plan: Plan
    batch_size: int
    store: Path | None

    def encoded(self, corpus: ParallelCorpus) -> EncodedCorpus:
        """Encode the corpus to fit on."""
        return encode_corpus(
            self.encoder,
            corpus,
            items=self.plan.items,
            store=self.store,
            batch_size=self.batch_size,
        )

    def figures(
        self, measured: Measured, grid: Sequence[Candidate]
    ) -> tuple[Part, list[Figures], Part, list[Figures]]:
        """Return the queries to choose on and those of the report, with the figures on them.

        Figures are those without a correction, then those of each one.
        """
        data = measured.benchmark
        if self.plan.choose_on == HALF:
            one, other = halves(data, self.plan.seed)
            chosen, reported = self._measured(measured, (one, other), grid)
            return one, chosen, other, reported
        planted = plant(
            self.encoder,
            measured,
            self.plan.choose_on,
            items=self.plan.items,
            batch_size=self.batch_size,
            store=self.store,
        )
        texts = chain(planted.benchmark.queries.texts, planted.benchmark.passages.texts)
        fitted = grid[0].correction.fit.texts
        refuse_overlap(fitted, map(str, texts), f"{planted.benchmark.name} with --fit-on")
        one = part_of(planted.benchmark, planted.benchmark.name)
        other = part_of(data, f"all queries of {data.name}")
        (chosen,) = self._measured(planted, (one,), grid)
        if self.plan.expects_loss:
            queries, expected = unlabelled(measured, self.plan.seed)
            part = part_of(queries.benchmark, queries.benchmark.name)
            (losses,) = self._measured(queries, (part,), grid, expected, (OWN,))
            chosen = [both | loss for both, loss in zip(chosen, losses, strict=True)]
        (reported,) = self._measured(measured, (other,), grid)
        return one, chosen, other, reported

    def _measured(
        self,
        measured: Measured,
        parts: Sequence[Part],
        grid: Sequence[Candidate],
        values_of: ValuesOf = query_values,
        names: Sequence[Name] = NAMES,
    ) -> list[list[Figures]]:
        """Return for each part the figures without a correction, then those of each one."""
        data, plan = measured.benchmark, self.plan
        without = values_of(data, rank_embeddings(measured.embeddings, data, 1))
        of = partial(
            figures, without=without, names=names, resamples=plan.resamples, seed=plan.seed
        )
        found: list[dict[int, Figures]] = [{} for _ in parts]
        with bar(f"Corrections on {data.name}", len(grid), "corrections") as progress:
            for number, ranking in _rankings(measured, grid):
                values = values_of(data, ranking)
                for part, results in zip(parts, found, strict=True):
                    results[number] = of(part, values)
                progress.advance()
        return [
            [of(part, without), *(results[number] for number in range(len(grid)))]
            for part, results in zip(parts, found, strict=True)
        ]


def _rankings(measured: Measured, grid: Sequence[Candidate]) -> Iterator[tuple[int, Ranking]]:
    """Yield the number of each correction with its ranking: calibrations first, all in one pass."""
    data, embeddings = measured
    calibrations = {
        number: one.correction
        for number, one in enumerate(grid)
        if isinstance(one.correction, Calibration)
    }
    with quiet():
        if calibrations:
            rankings = rank_calibrations([*calibrations.values()], embeddings, data)
            yield from zip(calibrations, rankings, strict=True)
        for number, one in enumerate(grid):
            if number not in calibrations:
                yield number, rank_embeddings(embeddings, data, 1, one.correction)


def _rows(
    grid: Sequence[Candidate], chosen: Sequence[Figures], reported: Sequence[Figures]
) -> tuple[Row, ...]:
    return tuple(
        Row(candidate=one, chosen_on=first, figures=second, on_front=best)
        for one, first, second, best in zip(grid, chosen, reported, front(reported), strict=True)
    )


def _cosines(encoded: EncodedCorpus, measured: Measured) -> dict[str, float]:
    data = measured.benchmark
    langs = np.array(data.languages)[data.passages.langs]
    return offset_cosines(encoded.passages, blocks_of(measured.embeddings.passages, langs))
