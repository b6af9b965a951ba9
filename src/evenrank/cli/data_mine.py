"""``evenrank data mine``: hard negatives for a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evenrank.cli.data import Source, Where, app
from evenrank.cli.options import (
    AsJson,
    BatchSize,
    Languages,
    Model,
    ModelSetting,
    Output,
    Overwrite,
    Store,
    assignments,
    print_json,
    say,
)
from evenrank.files import refuse_existing, refuse_overlap, require_writable
from evenrank.progress import quiet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["app"]
"""The commands of ``evenrank.cli.data`` with this one."""


Margin = Annotated[
    float,
    typer.Option(
        "--margin",
        min=-2,
        max=2,
        help="A negative scores at least this much less than the row's own passage (cosine).",
    ),
]


@app.command("mine")
def mine_command(
    model: Model,
    source: Source,
    output: Output,
    negatives: Annotated[int, typer.Option("--negatives", min=1, help="Of each row.")] = 5,
    margin: Margin = 0.0,
    across: Annotated[
        bool,
        typer.Option(
            "--across/--per-language",
            help="Search the passages of all languages, or of the row's language.",
        ),
    ] = False,
    where: Where = None,
    languages: Languages = None,
    model_setting: ModelSetting = None,
    store: Store = None,
    batch_size: BatchSize = 64,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write a corpus with hard negatives: what a model ranks highest and is not relevant.

    A negative is never a passage of the row's passage group. The model, the margin and the date are
    in `negatives.json` of the folder. Negatives that the corpus has are replaced.

    Example: `evenrank data mine intfloat/multilingual-e5-small corpus/ --output mined`
    """
    from evenrank.data.opening import open_corpus, path_of
    from evenrank.data.writing import MARKER

    settings = assignments("--model-setting", model_setting or [])
    refuse_existing(output, overwrite=overwrite, marker=MARKER)  # before hours of encoding
    refuse_overlap(output, path_of(source), model)
    require_writable(output.parent)
    from evenrank.mining.mine import mine_negatives  # torch takes seconds to import

    with quiet(as_json):
        mined = mine_negatives(
            model,
            open_corpus(source, where=where, languages=languages),
            negatives=negatives,
            margin=margin,
            across=across,
            model_settings=settings,
            store=store,
            batch_size=batch_size,
        )
        mined.write(output, overwrite=overwrite)
    if as_json:
        print_json({"output": str(output), **mined.facts})
        return
    _say(output, mined.counts, negatives)


def _say(output: Path, counts: NDArray[np.int64], negatives: int) -> None:
    low = int(counts.min())
    say(f"{output}: {int(counts.sum()):,} negatives in {len(counts):,} rows")
    if fewer := int((counts < negatives).sum()):
        remedy = "lower --margin, or train with fewer negatives"
        say(f"{fewer:,} rows have fewer than {negatives}, the minimum is {low}: {remedy}")
    if low:
        say(f"next     evenrank train --corpora {output} --negatives {low}")
