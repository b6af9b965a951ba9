"""How the results were computed: models, training, versions, time, settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from evenrank.report.content import Block, Listing, Text
from evenrank.report.entry import one_per_label
from evenrank.report.section import Entries, section
from evenrank.results.schema import Result
from evenrank.tables import Column, Row, Table, Value

MODEL_FACTS: dict[str, Callable[[Result], Value]] = {
    "path": lambda result: result.model.path,
    "fingerprint": lambda result: result.model.fingerprint,
    "embedding dimension": lambda result: str(result.model.dimension),
    "query prompt": lambda result: _quoted(result.model.query_prompt),
    "passage prompt": lambda result: _quoted(result.model.passage_prompt),
    "batch strategy": lambda result: _trained(result, "strategy"),
    "training languages": lambda result: _trained(result, "languages"),
    "training seed": lambda result: _trained(result, "seed"),
}


@section("provenance", "How it was computed", order=90, scope="report")
def provenance(entries: Entries) -> Iterator[Block]:
    """Tables with all results, then their settings in full."""
    yield Text("What is needed to compute the same figures again.")
    yield _models(one_per_label(entries))
    yield _runs(entries)
    yield _versions(entries)
    for entry in entries:
        name = f"{entry.label} on {entry.result.benchmark.name}"
        yield Listing(f"Settings of the evaluation of {name}", _json(entry.result.config))
    for entry in one_per_label(entries):
        if config := (entry.result.model.training or {}).get("config"):
            yield Listing(f"Settings of the training of {entry.label}", _json(config))


def _models(entries: Entries) -> Table:
    """One column for each model; facts that no model has are left out."""
    rows = [
        Row(title=name, cells=tuple(fact(entry.result) for entry in entries))
        for name, fact in MODEL_FACTS.items()
    ]
    return Table(
        caption="Models",
        head="",
        columns=tuple(Column(title=entry.label, text=True) for entry in entries),
        rows=tuple(row for row in rows if any(row.cells)),
    )


def _runs(entries: Entries) -> Table:
    steps = list(dict.fromkeys(step for entry in entries for step in entry.result.timings))
    return Table(
        caption="Evaluations, with seconds by step",
        head="Model",
        columns=(
            Column(title="benchmark", text=True),
            Column(title="created (UTC)", text=True),
            *(Column(title=step, group="seconds", spec=",.2f") for step in steps),
        ),
        rows=tuple(
            Row(
                title=entry.label,
                cells=(
                    entry.result.benchmark.name,
                    entry.result.created,
                    *(entry.result.timings.get(step) for step in steps),
                ),
            )
            for entry in entries
        ),
    )


def _versions(entries: Entries) -> Table:
    """One column for each set of versions that occurs."""
    sets = {json.dumps(entry.result.versions, sort_keys=True): entry for entry in entries}
    columns = [
        ", ".join(dict.fromkeys(e.label for e in entries if e.result.versions == versions))
        for versions in (entry.result.versions for entry in sets.values())
    ]
    packages = sorted({name for entry in sets.values() for name in entry.result.versions})
    return Table(
        caption="Versions",
        head="Package",
        columns=tuple(
            Column(title="version" if len(columns) == 1 else title, text=True) for title in columns
        ),
        rows=tuple(
            Row(
                title=package,
                cells=tuple(entry.result.versions.get(package) for entry in sets.values()),
            )
            for package in packages
        ),
    )


def _trained(result: Result, fact: str) -> Value:
    """Return a fact that the training run saved, as text."""
    value = (result.model.training or {}).get(fact)
    if isinstance(value, list):
        return " ".join(str(item) for item in value)
    return None if value is None else str(value)


def _quoted(prompt: str) -> str:
    return f"“{prompt}”" if prompt else "none"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
