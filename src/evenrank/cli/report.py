"""``evenrank report``: results as one page, as Markdown, as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evenrank.cli.options import AsJson, Overwrite, print_json, say, split


def report_command(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULT...",
            help="Result folders; the first on each benchmark is the one others are compared with.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="File to write; its ending (html, md or json) names the format. "
            "[default: report.html]",
            show_default=False,
        ),
    ] = Path("report"),
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            callback=split,
            metavar="NAMES",
            help="Such as `html,md`: each format gets its own ending. [default: by the output]",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write a report on one or more results: tables, heat maps, distributions, examples.

    The page needs no other file and sends no request.

    Example: `evenrank report results/x-x-mono/xquad-r results/hybrid/xquad-r`
    """
    from evenrank.report.build import write_report

    paths = write_report(results, output, formats, overwrite=overwrite)
    if as_json:
        files = {path.suffix[1:]: str(path) for path in paths}
        print_json({"files": files}, indent=False)
        return
    for path in paths:
        say(f"report  {path}")
