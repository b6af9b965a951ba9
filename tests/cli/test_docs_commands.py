"""Every command that a page or a help text shows exists, with the flags that are shown."""

from __future__ import annotations

import re
from pathlib import Path

from typer.main import get_command

from evenrank.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("docs/*.md"), *ROOT.glob("*.md"), *ROOT.glob("src/evenrank/**/*.py")]
GROUP = get_command(app)
NAMES = "|".join(
    {*GROUP.commands, *(n for c in ("data", "debias") for n in GROUP.commands[c].commands)}
)
SHOWN = re.compile(rf"evenrank ((?:data|debias) )?({NAMES})\b([^\n`]*)")


def flags_of(*names: str) -> set[str]:
    command = GROUP
    for name in names:
        command = command.commands[name]
    return {flag for one in command.params for flag in (*one.opts, *one.secondary_opts)}


def test_every_flag_that_is_shown_exists():
    shown = 0
    for page in PAGES:
        for group, name, rest in SHOWN.findall(
            page.read_text(encoding="utf-8").replace("\\\n", " ")
        ):
            used = set(re.findall(r"(?<=\s)--?[a-z][\w-]*", rest)) - {"--help"}
            if used:
                assert used <= flags_of(*group.split(), name), f"{page.name}: {name} {rest}"
                shown += 1
    assert shown > 40
