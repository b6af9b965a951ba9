"""``evenrank train``: every setting is a field of the YAML file and a flag."""

from __future__ import annotations

import inspect
import types
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import orjson
import typer
import yaml

from evenrank.errors import ConfigError
from evenrank.progress import quiet
from evenrank.training.config import TrainConfig, read_config

_HELP = """Fine-tune an encoder, or make a small one, with the batches of a strategy.

Settings come from CONFIG (YAML), from flags, or both; a flag wins. The model is a plain Sentence
Transformers folder, OUTPUT/model. Ctrl-C leaves a run that --resume goes on with.

Example: evenrank train --encoder static --corpora world-facts:train --output runs/hybrid
"""


def _run(
    config: Path | None, *, overwrite: bool, resume: bool, as_json: bool, **flags: object
) -> None:
    settings = read_config(config, **{name: _parsed(name, value) for name, value in flags.items()})
    from evenrank.training.run import train  # torch takes seconds to import

    with quiet(as_json):
        run = train(settings, overwrite=overwrite, resume=resume)
    if as_json:
        from evenrank.training.folder import RunFolder

        facts = RunFolder(run.folder).read_facts()
        typer.echo(orjson.dumps(facts, option=orjson.OPT_INDENT_2).decode())
        return
    loss = next((entry["loss"] for entry in reversed(run.log) if "loss" in entry), None)
    typer.echo(f"model  {run.model}")
    typer.echo(f"time   {run.seconds:.0f} s" + (f", last loss {loss:.3f}" if loss else ""))
    typer.echo(f"next   evenrank evaluate {run.model} --benchmark world-facts")


def _parsed(name: str, value: object) -> object:
    """Turn a flag's text into the field's value, as YAML would."""
    if isinstance(value, list):
        if not value:
            return None
        if _kind(name) is dict:
            return dict(_assignment(name, text) for text in value)
        if name == "languages":
            return [lang for text in value for lang in text.split(",")]
        return value[0] if name == "alpha" and len(value) == 1 else value
    return value


def _assignment(name: str, text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(
            f"--{name.replace('_', '-')}", repr(text), "name=value", "Write for example width=256"
        )
    return key, yaml.safe_load(value)


def _kind(name: str) -> Any:  # noqa: ANN401 - a type
    """Return the type that a field holds, without ``None``."""
    hint: Any = TrainConfig.model_fields[name].annotation
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    return get_origin(hint) or hint or str


def _flag_type(name: str) -> Any:  # noqa: ANN401 - a type for typer
    """Return what typer should parse a flag as."""
    if name == "alpha":
        return list[float]
    kind = _kind(name)
    if kind in (list, dict):
        return list[str]
    return kind | None


def _flags() -> list[inspect.Parameter]:
    """Return one keyword parameter per field of the configuration."""
    parameters = []
    for name, field in TrainConfig.model_fields.items():
        kind = _flag_type(name)
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        shown = "" if default in (None, {}, []) else f" [default: {default}]"
        flag = f"--{name.replace('_', '-')}"
        names = (f"{flag}/--no-{flag[2:]}",) if _kind(name) is bool else (flag,)
        option = typer.Option(*names, help=f"{field.description}{shown}", show_default=False)
        parameters.append(
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=[] if kind in (list[str], list[float]) else None,
                annotation=Annotated[kind, option],
            )
        )
    return parameters


def train_command(**arguments: Any) -> None:  # noqa: ANN401 - its signature is set below
    """See ``_HELP``."""
    _run(
        arguments.pop("config"),
        overwrite=arguments.pop("overwrite"),
        resume=arguments.pop("resume"),
        as_json=arguments.pop("as_json"),
        **arguments,
    )


def _own(name: str, kind: Any, default: object, option: Any) -> inspect.Parameter:  # noqa: ANN401
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )


train_command.__doc__ = _HELP
train_command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [
        _own("config", Path | None, None, typer.Argument(help="YAML file of settings.")),
        *_flags(),
        _own("overwrite", bool, False, typer.Option(help="Replace the run that is there.")),
        _own("resume", bool, False, typer.Option(help="Go on with an unfinished run.")),
        _own("as_json", bool, False, typer.Option("--json", help="Print the run's facts as JSON.")),
    ]
)
train_command.__annotations__ = {
    name: parameter.annotation
    for name, parameter in train_command.__signature__.parameters.items()  # type: ignore[attr-defined]
}
