"""Loss over training, for models whose training log is in their result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from evenrank.errors import DataError
from evenrank.report.content import Block, Curve, Figure, Lines, Series, Text
from evenrank.report.entry import Entry, one_per_label
from evenrank.report.section import Entries, section

Kind = Literal["loss", "dev"]


class LogEntry(BaseModel):
    """One line of a training log; other fields are ignored."""

    model_config = ConfigDict(frozen=True)

    step: int
    loss: float | None = None
    dev: float | None = None


LOG = TypeAdapter(list[LogEntry])


def _trained(entries: Entries) -> list[Entry]:
    """Return one entry for each model that has a log."""
    return one_per_label(
        [entry for entry in entries if (entry.result.model.training or {}).get("log")]
    )


@section(
    "losses",
    "Training",
    order=10,
    scope="report",
    applies=lambda entries: bool(_trained(entries)),
)
def losses(entries: Entries) -> Iterator[Block]:
    """Curves of the training loss and of the measure on the dev split."""
    logs = [(entry.series, read_log(entry)) for entry in _trained(entries)]
    panels = [
        _panel(logs, "loss", "Training loss", "loss"),
        _panel(logs, "dev", "On the dev split", "dev measure"),
    ]
    yield Text("How training went, by step, for the models whose training log is known.")
    drawn = tuple(panel for panel in panels if panel.curves)
    if drawn:
        yield Figure(
            caption="Losses of different strategies are not comparable: their batches differ in "
            "difficulty.",
            panels=drawn,
            legend=tuple(series for series, _ in logs),
        )


def read_log(entry: Entry) -> list[LogEntry]:
    """Return a model's training log, by step.

    Raises:
        DataError: The log is not a list of steps with numbers.
    """
    try:
        log = LOG.validate_python((entry.result.model.training or {})["log"])
    except ValidationError as cause:
        first = cause.errors()[0]
        where = ".".join(str(part) for part in ("model.training.log", *first["loc"]))
        raise DataError(
            str(entry.evaluation.folder),
            f"{where}: {first['msg']}",
            "a list of {step, loss, dev}",
            "Train and evaluate the model again with this version",
        ) from cause
    return sorted(log, key=lambda line: line.step)


def _panel(logs: list[tuple[Series, list[LogEntry]]], kind: Kind, title: str, axis: str) -> Lines:
    curves = (_curve(series, log, kind) for series, log in logs)
    return Lines(
        title=title,
        x_axis="step",
        y_axis=axis,
        curves=tuple(curve for curve in curves if curve.x),
    )


def _curve(series: Series, log: list[LogEntry], kind: Kind) -> Curve:
    points = [
        (float(line.step), value)
        for line in log
        if (value := line.loss if kind == "loss" else line.dev) is not None
    ]
    return Curve(series, tuple(x for x, _ in points), tuple(y for _, y in points))
