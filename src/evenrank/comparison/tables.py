"""Comparisons as tables for a terminal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from evenrank.comparison.comparison import ALPHA, Comparison, Difference, Outcome
from evenrank.comparison.gates import GateResult
from evenrank.languages import language_name

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

STYLES: dict[Outcome, str] = {
    "better": "green",
    "worse": "red",
    "different": "bold",
    "even": "",
}
MARKS: dict[Outcome, str] = {"better": "▲", "worse": "▼", "different": "◆", "even": " "}
LEGEND = "▲ better  ▼ worse  ◆ different: p of at most .05 after Holm's correction"
TITLES = {"rank_distance": "rank distance", "rank_distance_norm": "rank distance (norm.)"}
VERDICTS = {"failed": "red", "passed": "green", "undecided": "yellow"}
EXTREMES = 2
"""Pairs named in each direction."""


def settings_table(comparison: Comparison, system: str) -> Table:
    """Return one row for each measure and setting of a system."""
    table = _table(
        f"{comparison.benchmark}: {system} against {comparison.baseline}",
        [""],
        ["baseline", "here", "difference", "95 % interval", "p (Holm)", "d_z"],
    )
    for row in comparison.select("setting", system=system):
        table.add_row(
            f"{row.setting} {TITLES.get(row.measure, row.measure)}",
            _number(row.measure, row.baseline_value),
            _number(row.measure, row.value),
            _marked(row),
            _interval(row),
            f"{row.p_holm:.4f}".removeprefix("0"),
            "–" if row.effect is None else f"{row.effect:+.2f}",
        )
    table.caption = "\n".join([LEGEND, *_notes(comparison, system)])
    return table


def languages_table(comparison: Comparison, measure: str) -> Table:
    """Return one row for each query language: differences in the pool of all languages."""
    columns = [name for name in comparison.systems for name in (name, "95 % interval")]
    title = f"{TITLES.get(measure, measure)}, pool of all languages: difference"
    table = _table(title, ["query in"], columns)
    by_lang: dict[str, list[Difference | None]] = {}
    for place, system in enumerate(comparison.systems):
        for row in comparison.select("query_lang", system=system, measure=measure):
            empty: list[Difference | None] = [None] * len(comparison.systems)
            by_lang.setdefault(row.query_lang or "", empty)[place] = row
    for lang in sorted(by_lang):
        cells = [part for row in by_lang[lang] for part in _two_cells(row)]
        table.add_row(f"{lang}  {language_name(lang)}", *cells)
    return table


def pairs_table(comparison: Comparison) -> Table:
    """Return one row for each system and measure taken by pairs: how many changed, and the most."""
    table = _table(
        "pairs of query and passage language",
        ["system", "measure"],
        ["pairs", "▲ better", "▼ worse", "even", "largest gain", "largest loss"],
    )
    for system in comparison.systems:
        for measure in comparison.measures:
            rows = list(comparison.select("pair", system=system, measure=measure))
            if rows:
                table.add_row(_text(system), TITLES.get(measure, measure), *_pair_cells(rows))
    return table


def gates_table(gate_results: Sequence[GateResult]) -> Table:
    """Return one row for each gate and system."""
    from rich.text import Text

    table = _table("gates", ["gate", "system"], ["gain", "95 % sure: at least", "at most", ""])
    for one in gate_results:
        gains = (one.gain, one.at_least, one.at_most)
        table.add_row(
            str(one.gate),
            _text(one.system),
            *(_number(one.gate.measure, gain, sign=True) for gain in gains),
            Text(one.verdict, style=VERDICTS[one.verdict]),
        )
    return table


def _pair_cells(rows: Sequence[Difference]) -> list[str]:
    counts = [sum(row.outcome == outcome for row in rows) for outcome in MARKS]
    by_change = sorted(rows, key=lambda row: row.difference)
    gains = [row for row in reversed(by_change) if row.difference > 0][:EXTREMES]
    losses = [row for row in by_change if row.difference < 0][:EXTREMES]
    better, worse, _, even = counts
    return [
        str(len(rows)),
        *map(str, (better, worse, even)),
        *("\n".join(map(_pair, extremes)) or "–" for extremes in (gains, losses)),
    ]


def _pair(row: Difference) -> str:
    change = _number(row.measure, row.difference, sign=True)
    return f"{row.query_lang}→{row.pool} {change}{MARKS[row.outcome]}"


def _two_cells(row: Difference | None) -> tuple[Text, str]:
    return (_text("–"), "") if row is None else (_marked(row), _interval(row))


def _table(title: str, names: Sequence[str], numbers: Sequence[str]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=SIMPLE_HEAD,
        title=Text(f"\n{title}", style="bold"),
        title_justify="left",
        caption_justify="left",
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    for name in names:
        table.add_column(name)
    for name in numbers:
        table.add_column(_text(name), justify="right", overflow="fold")
    return table


def _text(text: str) -> Text:
    from rich.text import Text

    return Text(text)  # a label is never markup


def _marked(row: Difference) -> Text:
    from rich.text import Text

    change = _number(row.measure, row.difference, sign=True)
    return Text(f"{change} {MARKS[row.outcome]}", style=STYLES[row.outcome])


def _interval(row: Difference) -> str:
    return " ".join(_number(row.measure, end, sign=True) for end in (row.low, row.high))


def _number(measure: str, value: float, *, sign: bool = False) -> str:
    """Print a figure as the other tables do.

    >>> _number("AP", 0.5), _number("AP", -0.0125, sign=True), _number("rank_distance", 1234.5)
    ('.5000', '-.0125', '1,234.5')
    """
    places = ",.1f" if measure == "rank_distance" else ".4f"
    text = format(value, f"{'+' if sign else ''}{places}")
    return text.replace("0.", ".", 1) if text.lstrip("+-").startswith("0.") else text


def _notes(comparison: Comparison, system: str) -> Iterator[str]:
    """Say how it was tested, and what was left out or cannot be found out."""
    drawn = comparison.permutations
    tests = "all signs tried" if drawn is None else f"{drawn:,} permutations"
    rows = [row for row in comparison.rows if row.system == system]
    blocks = max((row.blocks for row in rows), default=0)
    yield f"{tests}, {comparison.resamples:,} resamples of {blocks:,} questions"
    for row in rows:
        if row.kind == "setting" and row.excluded:
            yield (
                f"{row.measure} {row.setting}: {row.excluded:,} values left out that only one of "
                "the results has"
            )
    multi = [row for row in rows if (row.kind, row.setting) == ("setting", "multi")]
    asked = {row.query_lang for row in rows if row.kind == "query_lang"}
    if len(asked) > 1 and any(row.blocks == row.queries for row in multi):
        yield (
            "no query is known to be a translation of another: where some are, p-values and "
            "intervals are too small"
        )
    for name in comparison.left_out:
        yield f"{name} is left out: these rankings do not end at one depth"
    families = Counter((row.measure, row.kind) for row in rows)
    largest = max(families.values(), default=0)
    if drawn is not None and largest > ALPHA * (1 + drawn):
        yield (
            f"{largest:,} tests of one family cannot reach .05 with so few permutations: use "
            f"--permutations {2 * math.ceil(largest / ALPHA):,} or more"
        )
