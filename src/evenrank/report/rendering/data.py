"""A report as JSON: its tables, figures and texts as data."""

from __future__ import annotations

from dataclasses import asdict

import orjson

from evenrank.report.content import Report


def render_json(report: Report) -> str:
    """Return the report's content as indented JSON; each block names its ``kind``."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(asdict(report), option=options).decode()
