"""How a report names and prints measures and languages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evenrank.languages import language_name
from evenrank.measures.base import find_measure
from evenrank.report.entry import Entry
from evenrank.results.schema import Figures, Setting
from evenrank.tables import Better, Column

AVERAGE_PRECISION = "AP"
RANK_DISTANCE = "rank_distance"
RANK_DISTANCE_NORM = "rank_distance_norm"

TITLES = {
    RANK_DISTANCE: "Rank distance",
    RANK_DISTANCE_NORM: "Normalised rank distance",
    "LPR": "Language preference rate",
    "W": "Kendall’s W",
}
SETTING_TITLES: dict[Setting, str] = {
    "mono": "monolingual",
    "cross": "cross-lingual",
    "multi": "multilingual",
    "own": "own language",
    "other": "another language",
    "even": "any language",
    "gap": "access gap",
}
SPECS = {RANK_DISTANCE: ",.1f"}


def main_measure(entries: Sequence[Entry]) -> str | None:
    """Return the ranking measure to lead with: AP, else the first that all results have."""
    shared = [
        name
        for name in entries[0].result.pairs
        if all(name in entry.result.pairs for entry in entries)
    ]
    return AVERAGE_PRECISION if AVERAGE_PRECISION in shared else next(iter(shared), None)


def mean_title(name: str) -> str:
    """Return what the mean of a measure is called.

    >>> mean_title("AP"), mean_title("nDCG@10"), mean_title("rank_distance")
    ('mAP', 'nDCG@10', 'Rank distance')
    """
    return "mAP" if name == AVERAGE_PRECISION else TITLES.get(name, name)


def better(name: str) -> Better:
    """Return which direction is better; ``"none"`` for a measure that is not known here.

    >>> better("AP"), better("rank_distance"), better("LPR"), better("their own")
    ('higher', 'lower', 'none', 'none')
    """
    measure = find_measure(name)
    return measure.better if measure else "none"


def summary(name: str) -> str:
    """Return the one-line definition of a measure; empty for one that is not known here."""
    measure = find_measure(name)
    return measure.summary.replace("``", "") if measure else ""


def measure_column(name: str, *, title: str | None = None, group: str = "") -> Column:
    """Return a column for the values of a measure."""
    return Column(
        title=mean_title(name) if title is None else title,
        group=group,
        better=better(name),
        spec=SPECS.get(name, ".4f"),
        term=name,
    )


def measure_names(figures: Iterable[Figures]) -> list[str]:
    """Return the names of all measures with a figure, the explained ones first."""
    names = list(dict.fromkeys(name for by_name in figures for name in by_name))
    return [name for name in TITLES if name in names] + [n for n in names if n not in TITLES]


def language_title(code: str) -> str:
    """Return the name of a language with its code.

    >>> language_title("el")
    'Greek (el)'
    """
    name = language_name(code)
    return code if name == code else f"{name} ({code})"


def query_languages(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Return the languages that have queries, sorted."""
    return tuple(sorted({lang for entry in entries for lang in entry.result.scored}))


def passage_languages(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Return the languages that have passages, sorted."""
    sizes = [entry.result.benchmark.passages for entry in entries]
    return tuple(sorted({lang for size in sizes for lang, count in size.items() if count}))
