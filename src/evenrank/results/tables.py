"""Results as tables: the figures to look at first, all measures, and each query language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evenrank.errors import ConfigError
from evenrank.languages import language_name
from evenrank.measures.base import find_measure
from evenrank.measures.selection import DEFAULT_MEASURES
from evenrank.results.labels import by_benchmark
from evenrank.results.schema import MULTI, SETTINGS, Result, Setting
from evenrank.tables import Cell, Column, Row, Table, Value

HEADLINE: tuple[tuple[Setting, str], ...] = (
    ("mono", "AP"),
    ("cross", "AP"),
    (MULTI, "AP"),
    (MULTI, "R@10"),
    ("own", "R@10"),
    ("other", "R@10"),
)
"""The figures to look at first, with rank distance; the first four are the paper's."""
BIAS = {"rank_distance": "in ranks", "rank_distance_norm": "normalised"}
BY_LANGUAGE = ("AP", "rank_distance", "LPR", "W")


def measure_title(measure: str) -> str:
    """Return the name of a measure in a heading.

    >>> measure_title("nDCG@10"), measure_title("rank_distance_norm")
    ('nDCG@10', 'rank distance (normalised)')
    """
    names = {"rank_distance": "rank distance", "rank_distance_norm": "rank distance (normalised)"}
    return names.get(measure, measure)


def measure_spec(measure: str) -> str:
    """Return how the figures of a measure are printed."""
    return ",.1f" if measure == "rank_distance" else ".4f"


def headline_tables(results: Sequence[Result]) -> Iterator[Table]:
    """Return a table for each benchmark, with a row per result.

    If results do not have all default measures, there is a table for each result: all its measures.
    """
    for same in by_benchmark(results, lambda one: one.benchmark):
        usual = all({*one.settings["mono"], *one.bias} <= {*DEFAULT_MEASURES} for one in same)
        if usual and all(name in one.settings["mono"] for _, name in HEADLINE for one in same):
            yield _headline_table(same)
        else:
            yield from map(measures_table, same)


def _headline_table(results: Sequence[Result]) -> Table:
    figures = [(name, setting) for setting, name in HEADLINE]
    bias = [name for name in BIAS if any(name in one.bias for one in results)]
    return Table(
        caption=results[0].benchmark.name,
        head="model",
        columns=(
            *(_column(name, title=setting, group=name) for name, setting in figures),
            *(_column(name, title=BIAS[name], group="rank distance") for name in bias),
        ),
        rows=tuple(
            Row(
                title=one.model.label,
                cells=(
                    *(one.settings.get(setting, {}).get(name) for name, setting in figures),
                    *(one.bias.get(name) for name in bias),
                ),
            )
            for one in results
        ),
        best="down",
        note=_note(results[0]),
    )


def measures_table(result: Result) -> Table:
    """Return one row per measure: its figure in each setting; bias measures have ``multi`` only."""
    figures: dict[str, tuple[Value, ...]] = {
        name: tuple(result.settings.get(setting, {}).get(name) for setting in SETTINGS)
        for name in result.settings[MULTI]
    }
    figures |= {
        name: tuple(value if setting == MULTI else "" for setting in SETTINGS)
        for name, value in result.bias.items()
    }
    return Table(
        caption=f"{result.benchmark.name}: {result.model.label}",
        head="measure",
        columns=tuple(Column(title=setting) for setting in SETTINGS),
        rows=tuple(
            Row(title=name, cells=tuple(Cell(value, spec=measure_spec(name)) for value in values))
            for name, values in figures.items()
        ),
        note=_note(result),
    )


def language_table(results: Sequence[Result]) -> Table:
    """Return one row per query language: figures in the multilingual pool, the best result in bold.

    Several results have fewer measures, so that the table fits a terminal.

    Args:
        results: Results on one benchmark.

    Raises:
        ConfigError: There is no result, or they are on different benchmarks.
    """
    names = list(dict.fromkeys(one.benchmark.name for one in results))
    if len(by_benchmark(results, lambda one: one.benchmark)) != 1:
        found = " and ".join(names) or "no result"
        raise ConfigError("language table", found, "results on one benchmark", "Make one for each")
    facts, several = results[0].benchmark, len(results) > 1
    wanted = BY_LANGUAGE[:2] if several else BY_LANGUAGE
    measures = [name for name in wanted if all(name in one.pool for one in results)]
    means = tuple(_macro(one, name) for name in measures for one in results)
    return Table(
        caption=f"{facts.name}, multilingual pool"
        + ("" if several else f": {results[0].model.label}"),
        head="query language",
        columns=tuple(
            _column(name, title=one.model.label, group=measure_title(name))
            if several
            else _column(name, title=measure_title(name))
            for name in measures
            for one in results
        ),
        rows=(
            *(
                Row(
                    title=f"{lang}  {language_name(lang)}",
                    cells=tuple(one.pool[name].get(lang) for name in measures for one in results),
                )
                for lang in facts.languages
                if lang in facts.queries
            ),
            Row(title="mean", cells=means, role="total"),
        ),
        best="across" if several else "none",
    )


def _column(measure: str, *, title: str, group: str = "") -> Column:
    known = find_measure(measure)
    better = known.better if known else "none"
    return Column(title=title, group=group, better=better, spec=measure_spec(measure))


def _macro(result: Result, name: str) -> float | None:
    return result.bias[name] if name in result.bias else result.settings[MULTI].get(name)


def single_note(result: Result) -> str:
    """Say what the settings of an answer in one language mean, or why they have no figure."""
    figures = result.settings.get("even")
    if figures is None:
        return "own, other: not in this result; evaluate again"
    if all(value is None for value in figures.values()):
        return "own, other: no figure, because no query has relevant passages in two languages"
    return "own, other: the answer exists in the query's language only, or in one other only"


def _note(result: Result) -> str:
    """Say what rank distances are compared with, and what was not scored for which reason."""
    known, notes = result.references.get("rank_distance", {}), []
    minimum, random = known.get("minimum"), known.get("random")
    if minimum is not None and random is not None:
        notes.append(f"rank distance: minimum {minimum:,.1f}, random order {random:,.1f}")
    notes.append(single_note(result))
    queries = sum(result.benchmark.queries.values())
    if missing := queries - sum(result.scored.values()):
        notes.append(f"{missing:,} of {queries:,} queries have no relevant passage, so no score")
    return "\n".join(notes)
