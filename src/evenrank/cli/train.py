"""``evenrank train``: every setting is a field of the YAML file and a flag."""

from __future__ import annotations

import types
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import orjson
import typer

from evenrank.cli.options import AsJson, Overwrite, assignments, print_json, say
from evenrank.processes import is_first_process
from evenrank.progress import quiet
from evenrank.training.config import TrainConfig, read_config

_PANELS = {
    "output": "Output",
    "corpora": "Data",
    "encoder": "Model",
    "strategy": "Batches",
    "temperature": "Optimisation",
    "dev": "Selection",
}
"""Help panels, by the setting that begins each: settings are declared in this order."""
_SHORT = {"output": ["-o"], "languages": ["-l"]}


def train_command(
    config: Annotated[Path | None, typer.Argument(help="YAML file of settings.")] = None,
    *,
    overwrite: Overwrite = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an unfinished run.")] = False,
    as_json: AsJson = False,
    **flags: Any,  # noqa: ANN401 - the settings
) -> None:
    """Fine-tune an encoder, or train a small new one, with the batches of a strategy.

    Settings come from CONFIG (YAML), from flags, or both; a flag wins. The model is a plain
    Sentence Transformers folder, OUTPUT/model. Ctrl-C stops a run; --resume continues it.

    Example: evenrank train --encoder static --corpora world-facts:train --output runs/hybrid
    """
    settings = read_config(config, **{name: _value(name, flag) for name, flag in flags.items()})
    from evenrank.training.run import train  # torch takes seconds to import

    with quiet(as_json):
        run = train(settings, overwrite=overwrite, resume=resume)
    if not is_first_process():
        return
    if as_json:
        print_json(orjson.loads((run.folder / "run.json").read_bytes()))
        return
    loss = next((entry["loss"] for entry in reversed(run.log) if "loss" in entry), None)
    say(f"model  {run.model}")
    say(f"time   {run.seconds:.0f} s" + (f", last loss {loss:.3f}" if loss else ""))
    say(f"next   evenrank evaluate {run.model} --benchmark world-facts")


def _value(name: str, flag: Any) -> Any:  # noqa: ANN401 - any field
    """Return a flag's value as YAML would give it."""
    if not isinstance(flag, list):
        return flag
    if _kind(name) is dict and flag:
        return assignments(_flag(name), flag)
    return flag[0] if name == "alpha" and len(flag) == 1 else flag or None


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _kind(name: str) -> Any:  # noqa: ANN401 - a type
    """Return the type of a field, without ``None`` and without what a list contains."""
    hint: Any = TrainConfig.model_fields[name].annotation
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    return get_origin(hint) or hint


def _flags() -> list[Parameter]:
    """Return one keyword parameter for each field of the configuration."""
    parameters, panel = [], ""
    for name, field in TrainConfig.model_fields.items():
        panel = _PANELS.get(name, panel)
        kind, flag = _kind(name), _flag(name)
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        if isinstance(default, list):
            default = ",".join(default)
        shown = "" if default in (None, {}) else f" [default: {default}]"
        option = typer.Option(
            f"{flag}/--no-{flag[2:]}" if kind is bool else flag,
            *_SHORT.get(name, ()),
            help=f"{field.description}{shown}",
            show_default=False,
            rich_help_panel=panel,
        )
        repeated = list[float] if name == "alpha" else list[str]
        hint = repeated if kind in (list, dict) or name == "alpha" else kind
        parameters.append(
            Parameter(
                name,
                Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[hint | None, option],
            )
        )
    return parameters


def _signature() -> Signature:
    """Return the signature that typer reads: the flags of all settings instead of ``**flags``."""
    config, *options, _ = Signature.from_callable(train_command, eval_str=True).parameters.values()
    return Signature([config, *_flags(), *options])


train_command.__signature__ = _signature()  # type: ignore[attr-defined]
