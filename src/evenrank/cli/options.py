"""Options that mean the same in every command, and JSON as every command prints it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import typer

from evenrank.errors import ConfigError
from evenrank.text import json_bytes, printable, split_names
from evenrank.training.config import parse_yaml


def split(values: list[str] | None) -> list[str] | None:
    """Return the names in the values of an option: separated by commas, given again, or both.

    >>> split(["de,en", "sw"])
    ['de', 'en', 'sw']
    """
    if not values:
        return None
    if not (names := split_names(values)):
        raise typer.BadParameter("it names nothing; leave it out, or name something")
    return names


def assignments(flag: str, texts: list[str]) -> dict[str, Any]:
    """Return the settings that an option gives as ``NAME=VALUE``; values are read as YAML.

    >>> assignments("--set", ["rank=1", "sides=both"])
    {'rank': 1, 'sides': 'both'}
    """
    settings = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ConfigError(flag, repr(text), "NAME=VALUE", "Write it like: width=256")
        settings[name.strip()] = parse_yaml(value, flag)
    return settings


EncoderFolder = Annotated[
    str,
    typer.Argument(help="A Sentence Transformers folder or Hugging Face id.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace an earlier output of evenrank, and nothing else."),
]
Model = Annotated[
    str,
    typer.Argument(
        help="A Sentence Transformers folder or Hugging Face id, openai:MODEL@URL, a URL, or "
        "vectors:FOLDER.",
        show_default=False,
    ),
]
ModelSetting = Annotated[
    list[str] | None,
    typer.Option(
        "--model-setting",
        metavar="NAME=VALUE",
        help="A setting of the model, such as `dtype=bfloat16` or `query_prompt='query: '`; may be "
        "given again.",
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")]
Languages = Annotated[
    list[str] | None,
    typer.Option(
        "--languages",
        "-l",
        callback=split,
        metavar="CODES",
        help="Such as `de,en`; may be given again. [default: all]",
        show_default=False,
    ),
]
Measures = Annotated[
    list[str] | None,
    typer.Option(
        "--measures",
        "-m",
        callback=split,
        metavar="NAMES",
        help="Such as `nDCG@10,rank_distance`; may be given again. [default: the usual ones]",
        show_default=False,
    ),
]
Label = Annotated[
    str | None,
    typer.Option("--label", help="Name in tables. [default: the folder's]", show_default=False),
]
EmptyTexts = Annotated[
    Literal["error", "last"],
    typer.Option("--empty-texts", help="Rank passages without any token last, or stop."),
]
BatchSize = Annotated[
    int,
    typer.Option(
        "--batch-size",
        min=1,
        help="Texts of mean length that are encoded at once. (In `train`: pairs.)",
    ),
]
Store = Annotated[
    Path | None,
    typer.Option(
        "--store", help="Embedding store: its texts are not encoded again, missing ones are added."
    ),
]
Precision = Annotated[
    Literal["float32", "float16"],
    typer.Option("--precision", help="Of stored embeddings; float16 takes half the space."),
]


def say(*lines: str, error: bool = False) -> None:
    """Print lines, which may contain any text; a character that the stream cannot take is escaped.

    typer's ``echo`` writes UTF-8 to a stream that has said that it only takes ASCII.
    """
    for line in lines:
        print(printable(line), file=sys.stderr if error else sys.stdout, flush=True)


def print_json(value: Any, *, indent: bool = True) -> None:  # noqa: ANN401 - any JSON value
    """Print a value as JSON, which stays JSON where the terminal's encoding is not UTF-8."""
    text = json_bytes(value, indent=indent).decode().rstrip("\n")
    if not (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf"):
        text = json.dumps(orjson.loads(text), indent=2 if indent else None)
    print(text, flush=True)  # noqa: T201 - the one place that prints JSON
