"""The report of an experiment, as plain data for the renderers of ``evenrank.report``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from evenrank.evaluation.evaluator import Figure, parse_figure
from evenrank.experiments.file import ExperimentFile
from evenrank.experiments.outcome import BenchmarkOutcome, Learned, Outcome
from evenrank.experiments.pairs import MEASURE
from evenrank.experiments.statistics import Estimate, PairedTest
from evenrank.report.content import (
    Block,
    Curve,
    Lines,
    Part,
    Points,
    Report,
    SectionContent,
    Series,
    Text,
)
from evenrank.report.content import Figure as Drawing
from evenrank.report.statistics import interval_text
from evenrank.report.terms import SETTING_TITLES, SPECS, mean_title
from evenrank.tables import MARK, Cell, Column, Row, Table, show

FRONT = ("own R@10", "other R@10")
"""The two figures of the Pareto front."""
LEVELS = (0.90, 0.95, 0.98, 1.0)
"""Shares of the best value on dev to which tokens are counted."""
HOW = (
    "Means over seeds. Small print: 95 % bootstrap interval over queries and seeds; both are drawn "
    "with replacement, parallel queries as one block."
)
TESTED = (
    f"Small print: 95 % bootstrap interval. {MARK}: p of at most .05, after Holm over all systems. "
)
TESTED_SEEDS = (
    "p is the larger one of a sign-flip test over parallel queries and a paired t-test over seeds."
)
TESTED_QUERIES = (
    "p is that of a sign-flip test over parallel queries: with one seed, other runs may differ."
)


def build_experiment_report(spec: ExperimentFile, name: str, outcome: Outcome) -> Report:
    """Return the report of what is finished so far."""
    systems = dict.fromkeys(system for one in outcome.benchmarks for system in one.systems)
    series = {system: Series(number, system) for number, system in enumerate(systems)}
    parts = [
        Part(title=one.name, lead="", sections=tuple(_benchmark_sections(one, series)))
        for one in outcome.benchmarks
    ]
    about = Part(title="Training and cells", lead="", sections=tuple(_run_sections(outcome)))
    counts = Counter(cell.status for cell in outcome.cells)
    states = ", ".join(f"{count} {status}" for status, count in counts.items())
    return Report(
        title=spec.title or f"Experiment {name}",
        lead=f"{len(outcome.cells)} cells: {states}.",
        parts=(*parts, about),
    )


def figure_table(found: BenchmarkOutcome) -> Table:
    """Return the mean of each figure of each system, with its interval."""
    return Table(
        caption=f"{found.name}: all systems",
        head="system",
        columns=tuple(_columns(found.figures)),
        rows=tuple(
            Row(
                title=system if rows[0].seeds == 1 else f"{system} ({rows[0].seeds} seeds)",
                cells=tuple(map(_estimate_cell, found.figures, rows)),
            )
            for system, rows in found.systems.items()
        ),
        best="down",
        note=HOW,
    )


def difference_table(found: BenchmarkOutcome) -> Table:
    """Return the difference of each system from its baseline."""
    return Table(
        caption=f"{found.name}: difference from the baseline",
        head="system",
        columns=(Column(title="against", text=True), *_columns(found.figures, sign="+")),
        rows=tuple(
            Row(
                title=system,
                cells=(found.against[system], *map(_test_cell, found.figures, rows)),
            )
            for system, rows in found.tests.items()
        ),
        note=TESTED + (TESTED_SEEDS if _has_seeds(found) else TESTED_QUERIES),
    )


def _benchmark_sections(
    found: BenchmarkOutcome, series: dict[str, Series]
) -> Iterator[SectionContent]:
    blocks: list[Block] = [figure_table(found)]
    if found.tests:
        blocks.append(difference_table(found))
    yield SectionContent(name="figures", title="Figures", blocks=tuple(blocks))
    if found.pairs:
        yield SectionContent(name="pairs", title="Pairs of languages", blocks=(_pair_table(found),))
    names = [f"{figure.setting} {figure.measure}" for figure in found.figures]
    if all(name in names for name in FRONT):
        x, y = (names.index(name) for name in FRONT)
        points = tuple(
            (series[system], rows[x].mean, rows[y].mean)
            for system, rows in found.systems.items()
            if not (math.isnan(rows[x].mean) or math.isnan(rows[y].mean))
        )
        if points:
            chart = Points(
                title="Own language against other languages",
                x_axis="R@10, answer in the query's language only",
                y_axis="R@10, answer in one other language only",
                points=points,
            )
            caption = "Systems on the line are not beaten in both figures by any other system."
            figure = Drawing(caption=caption, panels=(chart,))
            yield SectionContent(name="front", title="Pareto front", blocks=(figure,))


def _has_seeds(found: BenchmarkOutcome) -> bool:
    return any(row and row.p_seeds is not None for rows in found.tests.values() for row in rows)


def _pair_table(found: BenchmarkOutcome) -> Table:
    """Return the gain in AP by groups of pairs of different languages."""
    groups = next(iter(found.pairs.values())).groups
    return Table(
        caption=f"{found.name}: gain in {mean_title(MEASURE)} by pairs of different languages",
        head="system",
        columns=(
            *(Column(title=f"{group.name} ({group.pairs})", spec="+.4f") for group in groups),
            Column(title="correlation with shared trigrams", spec="+.2f"),
        ),
        rows=tuple(
            Row(title=system, cells=(*(group.gain for group in one.groups), one.correlation))
            for system, one in found.pairs.items()
        ),
        note="Against the same baseline, mean over seeds, within one language's passages. In "
        "brackets: pairs. The correlation is Spearman's, of a pair's gain with the share of "
        "character trigrams that its passages have in common.",
    )


def _columns(figures: Sequence[Figure], sign: str = "") -> Iterator[Column]:
    for figure in figures:
        title = SETTING_TITLES.get(figure.setting, "")  # type: ignore[call-overload]
        yield Column(
            title=str(title) or mean_title(figure.measure),
            group=mean_title(figure.measure) if title else "bias",
            better="none" if sign else "higher" if figure.greater_is_better else "lower",
            spec=sign + SPECS.get(figure.measure, ".4f"),
        )


def _estimate_cell(figure: Figure, found: Estimate) -> Cell:
    if math.isnan(found.mean):
        return Cell(None)
    spec = SPECS.get(figure.measure, ".4f")
    return Cell(found.mean, aside=interval_text(found.low, found.high, spec))


def _test_cell(figure: Figure, found: PairedTest | None) -> Cell:
    if found is None:
        return Cell(None)
    aside = interval_text(found.low, found.high, f"+{SPECS.get(figure.measure, '.4f')}")
    if not found.significant:
        return Cell(found.difference, aside=aside)
    tone = "good" if found.gain > 0 else "bad"
    return Cell(found.difference, aside=f"{aside} {MARK}", tone=tone)  # type: ignore[arg-type]


def _run_sections(outcome: Outcome) -> Iterator[SectionContent]:
    if blocks := tuple(_learning(outcome.learned)):
        yield SectionContent(name="learning", title="Learning curves", blocks=blocks)
    cells = Table(
        caption="Cells",
        head="cell",
        columns=(
            Column(title="status", text=True),
            Column(title="training, s", spec=",.0f"),
            Column(title="evaluation, s", spec=",.0f"),
            Column(title="error", text=True),
        ),
        rows=tuple(
            Row(title=cell.name, cells=(cell.status, *cell.seconds, _last_line(cell.error)))
            for cell in outcome.cells
        ),
    )
    yield SectionContent(name="cells", title="Cells", blocks=(cells,))


def _last_line(error: str | None) -> str:
    lines = (error or "").strip().splitlines()
    return lines[-1] if lines else ""


def _learning(learned: Sequence[Learned]) -> Iterator[Block]:
    """Curves of the figure on dev against steps and tokens; one figure for each rule."""
    for rule in dict.fromkeys(one.select_by for one in learned):
        systems = [one.system for one in learned if one.select_by == rule]
        series = {name: Series(number, name) for number, name in enumerate(dict.fromkeys(systems))}
        means = {
            name: _mean([one for one in learned if (one.system, one.select_by) == (name, rule)])
            for name in series
        }
        panels = [_lines(f"{rule} on dev, by step", "step", rule, means, series, 0)]
        if all(len(tokens) for _, tokens, _ in means.values()):
            title = f"{rule} on dev, by tokens encoded"
            panels.append(_lines(title, "tokens", rule, means, series, 1))
        yield Drawing(
            caption="Means over seeds, at the steps that all seeds of a system reached.",
            panels=tuple(panels),
            legend=tuple(series.values()),
        )
        if rule != "loss" and len(panels) == 2 and parse_figure(rule).greater_is_better:
            yield Text("Convergence: tokens encoded until the mean over seeds reaches a value.")
            yield _convergence(rule, means)


Means = tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]
"""Steps, tokens and values."""


def _mean(runs: Sequence[Learned]) -> Means:
    """Return the mean curve over seeds, at the steps that all of them have."""
    common = sorted(set(runs[0].steps).intersection(*(run.steps for run in runs)))
    places = [[run.steps.index(step) for step in common] for run in runs]
    values = np.mean([np.take(r.values, at) for r, at in zip(runs, places, strict=True)], axis=0)
    mean: list[float] = []
    if all(run.tokens for run in runs):
        tokens = [np.take(run.tokens, at) for run, at in zip(runs, places, strict=True)]
        mean = np.mean(tokens, axis=0).tolist()
    return tuple(map(float, common)), tuple(mean), tuple(values.tolist())


def _lines(
    title: str, axis: str, rule: str, means: dict[str, Means], series: dict[str, Series], x: int
) -> Lines:
    curves = (Curve(series[name], mean[x], mean[2]) for name, mean in means.items())
    return Lines(title=title, x_axis=axis, y_axis=rule, curves=tuple(curves))


def _convergence(rule: str, means: dict[str, Means]) -> Table:
    best = max(max(values) for _, _, values in means.values())
    levels = [share * best for share in LEVELS]
    return Table(
        caption=f"Tokens to a given {rule} on dev",
        head="system",
        columns=tuple(Column(title=show(level), spec=",.0f") for level in levels),
        rows=tuple(
            Row(title=name, cells=tuple(_reached(tokens, values, level) for level in levels))
            for name, (_, tokens, values) in means.items()
        ),
        note=f"The values are {', '.join(f'{share:.0%}' for share in LEVELS)} of the best one.",
    )


def _reached(tokens: Sequence[float], values: Sequence[float], level: float) -> float | None:
    return next((t for t, value in zip(tokens, values, strict=True) if value >= level), None)
