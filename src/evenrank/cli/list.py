"""``evenrank list``: everything that has a name, with one line each."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from evenrank.cli.options import AsJson, print_json
from evenrank.tables import Column, Row, Table, to_rich


def list_command(as_json: AsJson = False) -> None:
    """List benchmarks, measures, strategies, encoders and report sections.

    Example: evenrank list --json
    """
    catalogue = {kind: dict(entries) for kind, entries in _catalogue().items()}
    if as_json:
        print_json(catalogue)
        return
    for kind, entries in catalogue.items():
        rows = tuple(Row(title=name, cells=(line,)) for name, line in entries.items())
        columns = (Column(title="", text=True),)
        Console().print(to_rich(Table(caption=kind, head="", columns=columns, rows=rows)))


def _catalogue() -> dict[str, list[tuple[str, str]]]:
    """Return names and one line each, by kind; imports what registers them."""
    from evenrank.batching.strategies import STRATEGIES
    from evenrank.benchmarks.benchmark import BENCHMARKS
    from evenrank.encoding.base import ENCODERS
    from evenrank.measures.base import MEASURES
    from evenrank.probing.base import PROBE_MEASURES
    from evenrank.report.section import SECTIONS

    return {
        "benchmarks": [
            (name, f"{BENCHMARKS.get(name).card.title} ({BENCHMARKS.get(name).card.licence})")
            for name in BENCHMARKS
        ],
        "strategies": [(name, _first_line(STRATEGIES.get(name))) for name in STRATEGIES],
        "encoders": [(name, ENCODERS.get(name).summary) for name in ENCODERS],
        "measures": [(name, MEASURES.get(name).summary) for name in MEASURES],
        "probe measures": [(name, PROBE_MEASURES.get(name).summary) for name in PROBE_MEASURES],
        "report sections": [(name, SECTIONS.get(name).title) for name in SECTIONS],
    }


def _first_line(value: Any) -> str:  # noqa: ANN401 - anything with a docstring
    return (value.__doc__ or "").strip().splitlines()[0]
