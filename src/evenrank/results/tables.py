"""Results as tables for a terminal: the paper's rows, and the query languages one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from evenrank.errors import ConfigError
from evenrank.languages import language_name
from evenrank.measures.base import parse_measure
from evenrank.measures.selection import DEFAULT_MEASURES
from evenrank.results.schema import SETTINGS, Result, Setting

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

PAPER: tuple[tuple[Setting, str], ...] = (
    ("mono", "AP"),
    ("cross", "AP"),
    ("multi", "AP"),
    ("mono", "R@1"),
    ("cross", "R@1"),
    ("multi", "R@10"),
)
"""The figures of the paper's tables (arXiv 2408.10536), rank distance apart."""
TITLES = {"rank_distance": "rank\ndistance", "rank_distance_norm": "distance\n(norm.)"}
BY_LANGUAGE = ("AP", "rank_distance", "LPR", "W")
NOTHING = "–"


@dataclass(frozen=True)
class _Column:
    """A figure of each result."""

    title: str
    measure: str
    read: Callable[[Result], float | None]

    @property
    def better(self) -> Literal["higher", "lower", "none"]:
        return parse_measure(self.measure).measure.better


def headline_table(results: Sequence[Result]) -> Table:
    """Return one row per result: the paper's figures, the best of each benchmark in bold.

    Args:
        results: Results in the order of the rows; those of one benchmark stand together.

    Raises:
        ConfigError: There is no result.
    """
    from rich.text import Text

    groups = _by_benchmark(results)
    columns = _headline_columns(results)
    table = _table(title="evaluation" if len(groups) > 1 else groups[0][0].benchmark.name)
    table.caption = Text("\n".join(note for group in groups for note in _notes(group)))
    if len(groups) > 1:
        table.add_column("benchmark")
    table.add_column("model")
    for column in columns:
        table.add_column(column.title, justify="right", overflow="fold")
    for group in groups:
        cells = [_cells(column.measure, [column.read(one) for one in group]) for column in columns]
        for row, result in enumerate(group):
            names = [result.benchmark.name if row == 0 else ""] if len(groups) > 1 else []
            names.append(result.model.label)
            table.add_row(*map(Text, names), *(column[row] for column in cells))
        table.add_section()
    return table


def measures_table(result: Result) -> Table:
    """Return one row per measure that was taken: its figure in each setting, and bias measures.

    Args:
        result: A result, of however many measures.
    """
    from rich.text import Text

    table = _table(title=f"{result.benchmark.name}: {result.model.label}")
    table.caption = Text("\n".join(_notes([result])))
    table.add_column("measure")
    for setting in SETTINGS:
        table.add_column(setting, justify="right")
    for name in result.settings["multi"]:
        cells = [_number(name, result.settings[one].get(name), brief=False) for one in SETTINGS]
        table.add_row(name, *cells)
    table.add_section()
    for name, value in result.bias.items():  # taken in the pool of all languages only
        table.add_row(name, "", "", _number(name, value, brief=False))
    return table


def language_table(results: Sequence[Result]) -> Table:
    """Return one row per query language: figures in the pool of all languages.

    Several results stand in each cell one behind the other, with fewer digits, the best in bold.

    Args:
        results: Results on one benchmark.

    Raises:
        ConfigError: There is no result, or they are on different benchmarks.
    """
    from rich.text import Text

    groups = _by_benchmark(results)
    if len(groups) > 1:
        names = " and ".join(group[0].benchmark.name for group in groups)
        raise ConfigError("language table", names, "one benchmark", "Make a table for each")
    facts = results[0].benchmark
    labels = " / ".join(result.model.label for result in results)
    measures = [name for name in BY_LANGUAGE if all(name in result.pool for result in results)]
    table = _table(title=f"{facts.name}, pool of all languages: {labels}")
    table.add_column("query in")
    for name in measures:
        title = TITLES.get(name, name).replace("\n", " ")
        table.add_column(title, justify="right", overflow="fold")
    for lang in (code for code in facts.languages if code in facts.queries):
        cells = [_joined(name, [one.pool[name].get(lang) for one in results]) for name in measures]
        table.add_row(Text(f"{lang}  {language_name(lang)}"), *cells)
    table.add_section()
    means = [_joined(name, [_macro(one, name) for one in results]) for name in measures]
    table.add_row("mean", *means)
    return table


def _table(title: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    return Table(
        box=SIMPLE_HEAD,
        title=Text(f"\n{title}", style="bold"),
        title_justify="left",
        caption_justify="left",
        padding=(0, 1, 0, 0),
        show_edge=False,
    )


def _by_benchmark(results: Sequence[Result]) -> list[list[Result]]:
    if not results:
        raise ConfigError("table", "no result", "at least one", "Evaluate a model first")
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        key = (result.benchmark.name, result.benchmark.fingerprint)
        groups.setdefault(key, []).append(result)
    return list(groups.values())


def _headline_columns(results: Sequence[Result]) -> list[_Column]:
    """Return the paper's columns, and every setting of measures that are not its own.

    Where the default measures were not all taken, all that were taken are shown.
    """
    taken = list(dict.fromkeys(name for one in results for name in one.settings["mono"]))
    figures = [figure for figure in PAPER if figure[1] in taken]
    whole = len(figures) == len(PAPER)
    others = [name for name in taken if not whole or name not in DEFAULT_MEASURES]
    figures = figures if whole else []
    figures += [(setting, name) for name in others for setting in SETTINGS]
    columns = [_setting_column(setting, name) for setting, name in figures]
    for name, title in TITLES.items():
        if any(name in one.bias for one in results):
            columns.append(_Column(title, name, lambda one, name=name: one.bias.get(name)))  # type: ignore[misc]
    return columns


def _setting_column(setting: Setting, name: str) -> _Column:
    return _Column(f"{setting}\n{name}", name, lambda result: result.settings[setting].get(name))


def _cells(measure: str, values: Sequence[float | None], *, brief: bool = False) -> list[Text]:
    """Return the values as text, the best in bold if there is something to compare."""
    from rich.text import Text

    shown = [_number(measure, value, brief=brief) for value in values]
    better = parse_measure(measure).measure.better
    present = [value for value in values if value is not None]
    if len(present) < 2 or better == "none":
        return [Text(text) for text in shown]
    best = _number(measure, max(present) if better == "higher" else min(present), brief=brief)
    return [Text(text, style="bold" if text == best else "") for text in shown]


def _joined(measure: str, values: Sequence[float | None]) -> Text:
    from rich.text import Text

    return Text("/").join(_cells(measure, values, brief=len(values) > 1))


def _number(measure: str, value: float | None, *, brief: bool) -> str:
    """Print a figure as the paper does: four places behind the point, distances with one."""
    if value is None:
        return NOTHING
    if measure == "rank_distance":
        return f"{value:,.0f}" if brief else f"{value:,.1f}"
    places = (3 if measure == "AP" else 2) if brief else 4
    text = f"{value:.{places}f}"
    return text[1:] if text.startswith("0.") else text


def _macro(result: Result, name: str) -> float | None:
    return result.bias[name] if name in result.bias else result.settings["multi"].get(name)


def _notes(results: Sequence[Result]) -> list[str]:
    """Say what the rank distances on a benchmark stand against, and what was not scored."""
    result, notes = results[0], []
    name = result.benchmark.name
    known = result.references.get("rank_distance", {})
    least, random = known.get("least"), known.get("random")
    if least is not None and random is not None:
        notes.append(f"{name}: rank distance is at least {least:,.1f}, at random {random:,.1f}")
    queries = sum(result.benchmark.queries.values())
    if missing := queries - sum(result.scored.values()):
        notes.append(f"{name}: {missing:,} of {queries:,} queries have no answer, so no score")
    return notes
