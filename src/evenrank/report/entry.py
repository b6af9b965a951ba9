"""A result in a report: its label, and the number that fixes its colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evenrank.report.content import Series
from evenrank.results.folder import Evaluation, read_evaluations
from evenrank.results.labels import distinct_labels
from evenrank.results.schema import Result


@dataclass(frozen=True, eq=False)
class Entry:
    """A result in a report.

    Attributes:
        evaluation: The result and its tables.
        label: Its name in the report: no two results on one benchmark share a label, and a label
            is the name of one model only.
        number: A number for each label, from 0, which fixes its colour in every figure.
    """

    evaluation: Evaluation
    label: str
    number: int

    @property
    def result(self) -> Result:
        """The content of ``result.json``."""
        return self.evaluation.result

    @property
    def series(self) -> Series:
        """What figures know of the result."""
        return Series(self.number, self.label)


def read_entries(results: Sequence[str | Path | Evaluation]) -> list[Entry]:
    """Read results, in their order.

    Raises:
        ConfigError: No result is given, or the same one twice.
        DataError: A folder is not a result folder.
    """
    evaluations = read_evaluations(results, "report")
    labels = distinct_labels(evaluations)
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    return [
        Entry(one, label, numbers[label]) for one, label in zip(evaluations, labels, strict=True)
    ]


def one_per_label(entries: Sequence[Entry]) -> list[Entry]:
    """Return the first result of each label: for what is about models, not about benchmarks."""
    first: dict[str, Entry] = {}
    for entry in entries:
        first.setdefault(entry.label, entry)
    return list(first.values())
