"""docs/probe.md has a row for each measure, with its range and its value without bias."""

from __future__ import annotations

from pathlib import Path

import pytest

from evenrank.probing.base import PROBE_MEASURES

PAGE = (Path(__file__).parents[2] / "docs" / "probe.md").read_text(encoding="utf-8")
MEASURES = PAGE.partition("## Measures")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", list(PROBE_MEASURES))
def test_a_measure_has_its_row(name):
    one = PROBE_MEASURES.get(name)
    (line,) = (line for line in MEASURES.splitlines() if line.startswith(f"| `{name}` | "))
    *_, limits, no_bias, _ = (cell.strip() for cell in line.replace("\\|", "").split("|"))
    assert limits == "{:g} to {:g}".format(*one.limits)
    assert no_bias == ("-" if one.no_bias is None else f"{one.no_bias:g}")
