"""Comparisons as tables."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from evenrank.comparison.blocks import Kind
from evenrank.comparison.comparison import ALPHA, Comparison, Difference, Outcome
from evenrank.comparison.gates import GateResult, Verdict
from evenrank.languages import language_name
from evenrank.results.schema import MULTI
from evenrank.results.tables import measure_spec, measure_title
from evenrank.tables import Cell, Column, Row, Table, Tone, show

TONES: dict[Outcome, Tone] = {"better": "good", "worse": "bad", "different": "strong", "even": ""}
MARKS: dict[Outcome, str] = {"better": "▲", "worse": "▼", "different": "◆", "even": ""}
VERDICTS: dict[Verdict, Tone] = {"failed": "bad", "passed": "good", "undecided": "open"}
LEGEND = "▲ better  ▼ worse  ◆ different: p of at most .05 after Holm's correction"
PAIRS: dict[Kind, str] = {
    "pair": "pairs of query language and passage language",
    "single": "the same pairs if the answer exists in the passage language only",
}
EXTREMES = 2
"""Number of pairs named in each direction."""


def comparison_tables(comparison: Comparison) -> Iterator[Table]:
    """Return all tables of a comparison, in the order in which they are read."""
    for system in comparison.systems:
        yield settings_table(comparison, system)
    for measure in comparison.measures:
        yield languages_table(comparison, measure)
    for kind in PAIRS:
        if any(row.kind == kind for row in comparison.rows):
            yield pairs_table(comparison, kind)
    if comparison.gate_results:
        yield gates_table(comparison.gate_results)


def settings_table(comparison: Comparison, system: str) -> Table:
    """Return one row for each measure and setting of a system."""
    return Table(
        caption=f"{comparison.benchmark}: {system} against {comparison.baseline}",
        head="",
        columns=(
            Column(title="baseline"),
            Column(title="system"),
            Column(title="difference"),
            Column(title="95 % interval"),
            Column(title="p (Holm)"),
            Column(title="d_z", spec="+.2f"),
        ),
        rows=tuple(
            Row(
                title=f"{row.setting} {measure_title(row.measure)}",
                cells=(
                    Cell(row.baseline_value, spec=measure_spec(row.measure)),
                    Cell(row.value, spec=measure_spec(row.measure)),
                    _change(row, MARKS[row.outcome]),
                    _interval(row),
                    row.p_holm,
                    row.effect,
                ),
            )
            for row in comparison.select("setting", system=system)
        ),
        note="\n".join([LEGEND, *_notes(comparison, system)]),
    )


def languages_table(comparison: Comparison, measure: str) -> Table:
    """Return one row for each query language: differences in the multilingual pool."""
    rows = {(r.query_lang, r.system): r for r in comparison.select("query_lang", measure=measure)}
    langs = sorted({lang for lang, _ in rows if lang is not None})
    return Table(
        caption=f"{measure_title(measure)}, multilingual pool: difference, 95 % interval",
        head="query language",
        columns=tuple(Column(title=system) for system in comparison.systems),
        rows=tuple(
            Row(
                title=f"{lang}  {language_name(lang)}",
                cells=tuple(
                    _change(row, f"[{_interval(row)}] {MARKS[row.outcome]}") if row else None
                    for row in (rows.get((lang, system)) for system in comparison.systems)
                ),
            )
            for lang in langs
        ),
    )


def pairs_table(comparison: Comparison, kind: Kind = "pair") -> Table:
    """Return one row for each system and measure by pairs: how many changed, and the extremes."""
    found = [
        (system, measure, list(comparison.select(kind, system=system, measure=measure)))
        for system in comparison.systems
        for measure in comparison.measures
    ]
    return Table(
        caption=PAIRS[kind],
        head="system",
        columns=(
            Column(title="measure", text=True),
            *(Column(title=title, spec=",d") for title in ("pairs", "▲ better", "▼ worse", "even")),
            Column(title="largest gains", text=True),
            Column(title="largest losses", text=True),
        ),
        rows=tuple(
            Row(title=system, cells=(measure_title(measure), *_pair_cells(rows)))
            for system, measure, rows in found
            if rows
        ),
    )


def gates_table(gate_results: Sequence[GateResult]) -> Table:
    """Return one row for each gate and system."""
    return Table(
        caption="gates",
        head="gate",
        columns=(
            Column(title="system", text=True),
            Column(title="gain"),
            Column(title="at least", group="95 % sure"),
            Column(title="at most", group="95 % sure"),
            Column(title="", text=True),
        ),
        rows=tuple(
            Row(
                title=str(one.gate),
                cells=(
                    one.system,
                    *(
                        Cell(gain, spec=f"+{measure_spec(one.gate.measure)}")
                        for gain in (one.gain, one.at_least, one.at_most)
                    ),
                    Cell(one.verdict, tone=VERDICTS[one.verdict]),
                ),
            )
            for one in gate_results
        ),
    )


def _pair_cells(rows: Sequence[Difference]) -> Iterator[float | str]:
    counts = Counter(row.outcome for row in rows)
    yield len(rows)
    yield from (counts[outcome] for outcome in ("better", "worse", "even"))
    by_change = sorted(rows, key=lambda row: row.difference)
    gains = [row for row in reversed(by_change) if row.difference > 0][:EXTREMES]
    losses = [row for row in by_change if row.difference < 0][:EXTREMES]
    for extremes in (gains, losses):
        yield ", ".join(
            f"{row.query_lang}→{row.pool} {_signed(row, row.difference)}{MARKS[row.outcome]}"
            for row in extremes
        )


def _change(row: Difference, aside: str) -> Cell:
    spec = f"+{measure_spec(row.measure)}"
    return Cell(row.difference, aside=aside.strip(), tone=TONES[row.outcome], spec=spec)


def _interval(row: Difference) -> str:
    return f"{_signed(row, row.low)}, {_signed(row, row.high)}"


def _signed(row: Difference, value: float) -> str:
    return show(value, f"+{measure_spec(row.measure)}").replace("−", "-")


def _notes(comparison: Comparison, system: str) -> Iterator[str]:
    """Say how it was tested, what was left out, and what the results do not say."""
    drawn = comparison.permutations
    tests = "all signs tried" if drawn is None else f"{drawn:,} permutations"
    rows = [row for row in comparison.rows if row.system == system]
    blocks = max((row.blocks for row in rows), default=0)
    yield (
        f"{tests}, {comparison.resamples:,} resamples of {blocks:,} blocks (a query with its "
        "translations)"
    )
    for row in rows:
        if row.kind == "setting" and row.excluded:
            yield (
                f"{row.measure} {row.setting}: {row.excluded:,} values left out that only one of "
                "the results has"
            )
    multi = [row for row in rows if (row.kind, row.setting) == ("setting", MULTI)]
    langs = {row.query_lang for row in rows if row.kind == "query_lang"}
    if len(langs) > 1 and any(row.blocks == row.queries for row in multi):
        yield (
            "no query is known to be a translation of another: if some are, p-values and "
            "intervals are too small"
        )
    for name in comparison.left_out:
        yield f"{name} is left out: these rankings end at different depths"
    yield from comparison.notes
    families = Counter((row.measure, row.kind) for row in rows)
    largest = max(families.values(), default=0)
    if drawn is not None and largest > ALPHA * (1 + drawn):
        yield (
            f"{largest:,} tests of one family cannot reach .05 with so few permutations: use "
            f"--permutations {2 * math.ceil(largest / ALPHA):,} or more"
        )
