"""``evenrank debias``: fit a correction, put it into a model, compare corrections."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evenrank.cli.debias_compare import debias_compare_command
from evenrank.cli.options import (
    AsJson,
    BatchSize,
    EncoderFolder,
    Model,
    ModelSetting,
    Output,
    Overwrite,
    Store,
    assignments,
    print_json,
    say,
)
from evenrank.errors import ConfigError

if TYPE_CHECKING:
    from evenrank.debias.base import Correction

app = typer.Typer(
    help="Correct language bias without training: fit a correction, put it into a model.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Corpus = Annotated[
    str,
    typer.Argument(
        help="A parallel corpus, such as a folder or `world-facts:train`: other texts than those "
        "that you measure on.",
        show_default=False,
    ),
]
File = Annotated[Path, typer.Option("--output", "-o", help="File to write.", show_default=False)]
Method = Annotated[str, typer.Option("--method", help="One of those of `evenrank debias methods`.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting of the method, such as `to=zero`; may be given again.",
    ),
]
WholeStrength = Annotated[
    float, typer.Option("--strength", help="0 changes nothing, 1 is the whole correction.")
]
Strength = Annotated[
    float | None,
    typer.Option(
        "--strength", help="Of the correction, 0 to 1. [default: the file's]", show_default=False
    ),
]
Debias = Annotated[
    Path | None, typer.Option("--debias", help="A correction that `debias fit` wrote.")
]
Items = Annotated[int, typer.Option("--items", min=2, help="Items of the corpus to use, at most.")]
ChooseRank = Annotated[
    bool,
    typer.Option("--choose-rank", help="Choose the rank of `project` on held-out items."),
]
Saved = Annotated[
    Path, typer.Argument(help="A correction that `debias fit` wrote.", show_default=False)
]


@app.command("fit")
def fit_command(
    model: Model,
    corpus: Corpus,
    output: File,
    model_setting: ModelSetting = None,
    method: Method = "center",
    setting: Set = None,
    strength: WholeStrength = 1.0,
    items: Items = 1000,
    choose_rank: ChooseRank = False,
    store: Store = None,
    batch_size: BatchSize = 64,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Fit a correction on a parallel corpus and write it as one file.

    Example: evenrank debias fit MODEL flores/ --method center --output center.safetensors
    """
    from evenrank.debias.base import check_method
    from evenrank.debias.saving import save_correction
    from evenrank.files import refuse_existing_file, require_writable
    from evenrank.progress import quiet

    settings = assignments("--set", setting or [])
    model_settings = assignments("--model-setting", model_setting or [])
    check_method(method, settings, strength)
    refuse_existing_file(output, overwrite=overwrite)
    require_writable(output.parent)
    from evenrank.debias.corpus import fit_on_corpus  # torch takes seconds to import

    with quiet(as_json):
        correction = fit_on_corpus(
            model,
            corpus,
            method,
            model_settings=model_settings,
            settings=settings,
            strength=strength,
            items=items,
            choose_rank=choose_rank,
            store=store,
            batch_size=batch_size,
        )
    save_correction(correction, output, overwrite=overwrite)
    if as_json:
        print_json({"output": str(output), **correction.facts})
        return
    counts = correction.fit.counts["passage"]
    values = ", ".join(f"{key}={value}" for key, value in correction.fit.settings.items())
    say(f"settings {values}")
    say(f"fitted   {correction.name} on {len(counts)} languages: {_counts(counts)}")
    say(f"written  {output}")
    say(f"next     evenrank evaluate {model} --benchmark NAME --debias {output}")


@app.command("apply")
def apply_command(
    model: EncoderFolder,
    correction: Saved,
    output: Output,
    strength: Strength = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a model with its correction as a plain Sentence Transformers folder.

    This works for corrections that need no language tag: `project` and `leace`.

    Example: evenrank debias apply MODEL project.safetensors --output corrected-model
    """
    from evenrank.debias.saving import MARKER, require_plain, save_model
    from evenrank.files import refuse_existing

    refuse_existing(output, overwrite=overwrite, marker=MARKER)
    loaded = require_plain(_opened(correction, strength))
    from evenrank.encoding.loading import load_encoder  # torch takes seconds to import

    save_model(loaded, load_encoder(model), output, overwrite=overwrite)
    say(f"written  {output}")
    say(f"next     evenrank evaluate {output} --benchmark NAME")


app.command("compare")(debias_compare_command)


@app.command("methods")
def methods_command(as_json: AsJson = False) -> None:
    """List the methods with their settings.

    Example: evenrank debias methods --json
    """
    from evenrank.debias.base import METHODS

    methods = {name: METHODS.get(name) for name in METHODS}
    if as_json:
        print_json(
            {
                name: {"summary": one.summary, "settings": one.settings().model_dump()}
                for name, one in methods.items()
            }
        )
        return
    for name, one in methods.items():
        values = ", ".join(f"{key}={value}" for key, value in one.settings().model_dump().items())
        say(f"{name:10} {one.summary}", f"{'':10} {values}")


def opened(debias: Path | None, strength: float | None) -> Correction | None:
    """Return the correction of `--debias` and `--strength`, if there is one."""
    if debias is not None:
        return _opened(debias, strength)
    if strength is not None:
        raise ConfigError("--strength", "no --debias", "a correction", "Add --debias FILE")
    return None


def _opened(file: Path, strength: float | None) -> Correction:
    from evenrank.debias.saving import load_correction

    correction = load_correction(file)
    return correction if strength is None else correction.with_strength(strength)


def _counts(counts: dict[str, int]) -> str:
    """Return the number of texts, or their range."""
    low, high = min(counts.values()), max(counts.values())
    return f"{low:,} passages each" if low == high else f"{low:,} to {high:,} passages each"
