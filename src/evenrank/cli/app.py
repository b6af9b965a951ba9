"""The ``evenrank`` command: its sub-commands, and how errors reach a person."""

from __future__ import annotations

import signal
import sys
from importlib.metadata import version
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from evenrank.cli import guard
from evenrank.cli.compare import compare_command
from evenrank.cli.data import app as data_app
from evenrank.cli.demo import demo_command
from evenrank.cli.encode import encode_command
from evenrank.cli.evaluate import evaluate_command
from evenrank.cli.list import list_command
from evenrank.cli.report import report_command
from evenrank.cli.train import train_command
from evenrank.processes import is_first_process


class _Commands(TyperGroup):
    """The commands; Ctrl-C in one of them says so, where typer would end without a word."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as typer
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # torchrun passes on what all have got
            if is_first_process():
                note = f"interrupted {stop}".strip()
                Console(stderr=True, highlight=False).print(note, soft_wrap=True)
            raise typer.Exit(130) from stop


app = typer.Typer(
    name="evenrank",
    cls=_Commands,
    help="Retrievers that rank the same answer equally well in whichever language it is written.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("demo")(demo_command)
app.command("train")(train_command)
app.command("encode")(encode_command)
app.command("evaluate")(evaluate_command)
app.command("compare")(compare_command)
app.command("report")(report_command)
app.add_typer(data_app, name="data")
app.command("list")(list_command)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"evenrank {version('evenrank')}")
        raise typer.Exit


@app.callback()
def _options(
    _: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Options that stand before the command."""


def main() -> None:
    """Run the command line."""
    sys.exit(guard.run(app))
