"""``evenrank list``: everything that has a name, with one line each."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from evenrank.cli.options import AsJson, print_json
from evenrank.tables import Column, Row, Table, to_rich


def list_command(as_json: AsJson = False) -> None:
    """List everything that has a name: benchmarks, strategies, losses, measures and so on.

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
    from evenrank.data.layouts.base import LAYOUTS
    from evenrank.data.readers.base import READERS
    from evenrank.debias.base import METHODS
    from evenrank.encoding.base import ENCODERS
    from evenrank.measures.base import MEASURES
    from evenrank.probing.base import PROBE_MEASURES
    from evenrank.report.section import SECTIONS
    from evenrank.search.policies.base import POLICIES
    from evenrank.training.losses.base import LOSSES

    return {
        "benchmarks": [
            (name, f"{BENCHMARKS.get(name).card.title} ({BENCHMARKS.get(name).card.licence})")
            for name in BENCHMARKS
        ],
        "corpus readers": [(name, READERS.get(name).form) for name in READERS],
        "row layouts": [(name, LAYOUTS.get(name).title) for name in LAYOUTS],
        "strategies": [(name, _first_line(STRATEGIES.get(name))) for name in STRATEGIES],
        "losses": [(name, LOSSES.get(name).summary) for name in LOSSES],
        "encoders": [(name, ENCODERS.get(name).summary) for name in ENCODERS],
        "measures": [(name, MEASURES.get(name).summary) for name in MEASURES],
        "corrections": [(name, METHODS.get(name).summary) for name in METHODS],
        "policies": [(name, _first_line(POLICIES.get(name))) for name in POLICIES],
        "probe measures": [(name, PROBE_MEASURES.get(name).summary) for name in PROBE_MEASURES],
        "report sections": [(name, SECTIONS.get(name).title) for name in SECTIONS],
    }


def _first_line(value: Any) -> str:  # noqa: ANN401 - anything with a docstring
    return (value.__doc__ or "").strip().splitlines()[0]
