"""Add a section to the report: the width of each model's embeddings.

The section is part of every report once this module is imported:

>>> from evenrank.report.section import sections_in_order
>>> "size" in [section.name for section in sections_in_order("report")]
True
"""

from __future__ import annotations

from collections.abc import Iterator

from evenrank.report.content import Block, Text
from evenrank.report.section import Entries, section
from evenrank.tables import Column, Row, Table


@section("size", "Size of the models", order=95, scope="report")
def size(entries: Entries) -> Iterator[Block]:
    """One row for each model; a run that was read from a file has no width."""
    yield Text("The width of the embeddings decides how much memory an index needs.")
    yield Table(
        caption="Width of the embeddings",
        head="Model",
        columns=(Column(title="numbers per text", spec=",.0f"),),
        rows=tuple(
            Row(title=entry.label, cells=(entry.result.model.dimension or None,))
            for entry in entries
        ),
    )
