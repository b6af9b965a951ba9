"""The ``evenrank`` command and its sub-commands."""

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
from evenrank.cli.data_mine import app as data_app
from evenrank.cli.debias import app as debias_app
from evenrank.cli.demo import demo_command
from evenrank.cli.doctor import doctor_command
from evenrank.cli.encode import encode_command
from evenrank.cli.evaluate import evaluate_command
from evenrank.cli.evaluate_policies import evaluate_policies_command
from evenrank.cli.experiment import experiment_command
from evenrank.cli.index import index_command
from evenrank.cli.list import list_command
from evenrank.cli.options import say
from evenrank.cli.probe import probe_command
from evenrank.cli.report import report_command
from evenrank.cli.search import search_command
from evenrank.cli.serve import serve_command
from evenrank.cli.soup import soup_command
from evenrank.cli.train import train_command
from evenrank.processes import is_first_process


class _Commands(TyperGroup):
    """The commands. Ctrl-C prints a line with what the command says, where typer prints none."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as typer
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # torchrun sends it once more
            if is_first_process():
                note = f"interrupted {stop}".strip()
                Console(stderr=True, highlight=False).print(note, soft_wrap=True)
            raise typer.Exit(130) from stop


app = typer.Typer(
    name="evenrank",
    cls=_Commands,
    help="Retrievers that rank the same answer equally well in any of their languages.",
    epilog="Start with: `evenrank demo`",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
_MODELS, _RESULTS, _MORE = "Train and encode", "Evaluate and compare", "Data and more"
_SEARCH = "Search"
app.command("demo", rich_help_panel=_MODELS)(demo_command)
app.command("train", rich_help_panel=_MODELS)(train_command)
app.command("experiment", rich_help_panel=_MODELS)(experiment_command)
app.command("soup", rich_help_panel=_MODELS)(soup_command)
app.command("encode", rich_help_panel=_MODELS)(encode_command)
app.command("evaluate", rich_help_panel=_RESULTS)(evaluate_command)
app.command("policies", rich_help_panel=_RESULTS)(evaluate_policies_command)
app.command("compare", rich_help_panel=_RESULTS)(compare_command)
app.add_typer(debias_app, name="debias", rich_help_panel=_RESULTS)
app.command("probe", rich_help_panel=_RESULTS)(probe_command)
app.command("report", rich_help_panel=_RESULTS)(report_command)
app.command("index", rich_help_panel=_SEARCH)(index_command)
app.command("search", rich_help_panel=_SEARCH)(search_command)
app.command("serve", rich_help_panel=_SEARCH)(serve_command)
app.add_typer(data_app, name="data", rich_help_panel=_MORE)
app.command("list", rich_help_panel=_MORE)(list_command)
app.command("doctor", rich_help_panel=_MORE)(doctor_command)


def _show_version(given: bool) -> None:
    if given:
        say(f"evenrank {version('evenrank')}")
        raise typer.Exit


@app.callback()
def _options(
    _: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Options before the command."""


def main() -> None:
    """Run the command line."""
    sys.exit(guard.run(app))
