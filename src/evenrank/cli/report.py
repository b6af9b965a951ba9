"""``evenrank report``: results as one page, as Markdown, as JSON."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import orjson
import typer

from evenrank.errors import ConfigError

DEFAULT_OUTPUT = Path("report.html")


class Ending(StrEnum):
    """A format, by the ending of its files."""

    html = "html"
    md = "md"
    json = "json"


def report_command(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULT",
            help="Result folders; the first on each benchmark is what others are compared with.",
        ),
    ],
    output: Annotated[Path, typer.Option(help="File to write.")] = DEFAULT_OUTPUT,
    formats: Annotated[
        list[Ending] | None,
        typer.Option(
            "--format",
            help="May be given again: each format gets its own ending. "
            "[default: by the ending of --output]",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace files that are there.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was written as JSON.")
    ] = False,
) -> None:
    """Write a report on one or more results: tables, heat maps, distributions, examples.

    The page needs nothing but itself: no script, no font, no request to anywhere.

    Example: evenrank report results/x-x-mono/xquad-r results/hybrid/xquad-r
    """
    from evenrank.report.build import write_report

    endings = _endings(output, formats)
    paths = write_report(results, output, [ending.value for ending in endings], overwrite=overwrite)
    if as_json:
        files = {path.suffix[1:]: str(path) for path in paths}
        typer.echo(orjson.dumps({"files": files}).decode())
        return
    for path in paths:
        typer.echo(f"report  {path}")


def _endings(output: Path, formats: list[Ending] | None) -> list[Ending]:
    """Return the formats to write; where the file's ending names one, it must be among them."""
    ending = output.suffix.removeprefix(".")
    named = Ending(ending) if ending in set(Ending) else None
    if not formats:
        return [named or Ending.html]
    if named and named not in formats and output != DEFAULT_OUTPUT:
        raise ConfigError(
            f"--output {output}",
            f"the ending of {named}",
            f"that of {' or '.join(formats)}, or none",
            "Change --output or --format",
        )
    return formats
