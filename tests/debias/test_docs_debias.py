"""The page names every method, setting and option."""

from __future__ import annotations

from pathlib import Path

import pytest

from evenrank.debias.base import METHODS

PAGE = (Path(__file__).parents[2] / "docs" / "debias.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", list(METHODS))
def test_a_method_is_in_the_table_with_its_settings(name):
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` | "))
    settings = list(METHODS.get(name).settings.model_fields)
    assert all(f"`{key}`" in row for key in settings), settings
